/*
 * The commands of vmadm: ONE table (main.c), one file per command (cmd_X.c) that exports its row. A
 * row drives parsing, usage, `help`, the man page check and completion.
 */
#ifndef VMADM_VMADM_H
#define VMADM_VMADM_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/options.h"
#include "vminfo.h"

/* Exit codes (vmadm.md 1.4). */
enum { VMADM_OK = 0, VMADM_FAILED = 1, VMADM_USAGE = 2 };

struct vmadm {
	struct vminfo *info; /* vminfod client; opened by main */
	const char *by;      /* --by: who asked; NULL: "uid <n>" */
	const char *reason;  /* --reason: "user" by default; host-shutdown, restart, autoboot ... */
	int result_fd;       /* --result-fd: JSON result of an operation; -1: none */
	const struct command *command;
	/* Parsed options of the command in order, operands last (row == -1). */
	const struct option_found *opt;
	unsigned n_opt;
};

struct command {
	const char *name;
	const char *alias; /* NULL: none */
	const char *usage; /* arguments: "<uuid> [-F] [-t SECONDS]"; several forms: one a line */
	const char *help;  /* one sentence */
	const struct option_row *options; /* ended by a zero row */
	bool writes;                      /* must be able to write the root */
	int (*run)(struct vmadm *v);      /* exit code */
};

extern const struct command cmd_console, cmd_create, cmd_delete, cmd_events, cmd_get, cmd_help,
    cmd_list, cmd_lookup, cmd_start, cmd_stop, cmd_update;

/* Value of an option by letter, NULL when absent (flags: ""). The last one wins. */
const char *vmadm_option(const struct vmadm *v, char letter);
/* Operand i, NULL when there are fewer. */
const char *vmadm_operand(const struct vmadm *v, unsigned i);
unsigned vmadm_operands(const struct vmadm *v);
/* First operand as uuid: NULL after `Invalid or missing UUID for <command>` and the usage on stderr
 * (then return VMADM_USAGE). */
const char *vmadm_uuid_operand(const struct vmadm *v);
/* One sentence on stderr; VMADM_FAILED. Also reported on result_fd as
 * {"ok":false,"error":...,"code":...}. */
int vmadm_fail(const struct vmadm *v, const struct err *err);
/* Usage of the command on stderr after `msg` (may be NULL); VMADM_USAGE. */
int vmadm_usage(const struct vmadm *v, const char *msg);
/* Success: `text` on stderr, `result` (owned, may be NULL) on result_fd as {"ok":true, ...}.
 * VMADM_OK. */
int vmadm_success(const struct vmadm *v, json_t *result, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Payload from -f FILE or stdin (vmadm.md 1.5). 0; VMADM_USAGE or VMADM_FAILED after its message.
 */
int vmadm_payload(const struct vmadm *v, json_t **ret);

/*
 * Reading (read.c): through vminfod, or composed here after one line on stderr when vminfod does
 * not answer. vmadm_vms: array; `fields` (comma list, NULL: whole objects) is a hint, more members
 * may be there. vmadm_vm: one object; sync asks for read-after-write. 0 or negative errno
 * (-ENOENT).
 */
int vmadm_vms(struct vmadm *v, const char *fields, json_t **ret, struct err *err);
int vmadm_vm(struct vmadm *v, const char *uuid, bool sync, json_t **ret, struct err *err);

#endif
