/* The commands of vminfo: ONE table (main.c), one file per command (cmd_X.c) that exports its row.
 * Output: vminfod.md 14. */
#ifndef VMINFO_CLI_H
#define VMINFO_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "base/options.h"
#include "vminfo.h"

/* A wrong option is VMINFO_USAGE; a missing or unknown command VMINFO_FAILED, as clients know it.
 */
enum { VMINFO_OK = 0, VMINFO_FAILED = 1, VMINFO_USAGE = 2 };

struct vminfo_cli {
	struct vminfo *info; /* opened by main */
	const struct vminfo_command *command;
	/* Options of the command in order, operands last (row == -1). */
	const struct option_found *opt;
	unsigned n_opt;
};

struct vminfo_command {
	const char *name;
	const char *usage;                /* arguments: "[-jf]" */
	const char *help;                 /* one sentence */
	const struct option_row *options; /* ended by a zero row */
	int (*run)(struct vminfo_cli *c); /* exit code */
};

extern const struct vminfo_command cmd_events, cmd_help, cmd_ping, cmd_status, cmd_vm, cmd_vms;

/* The option was given. */
bool cli_option(const struct vminfo_cli *c, char letter);
/* First operand, NULL: none. */
const char *cli_operand(const struct vminfo_cli *c);
/* The sentence of the failed request on stderr; VMINFO_FAILED. */
int cli_failed(const struct vminfo_cli *c);
/* `message`, a blank line and the usage on stdout; VMINFO_FAILED. */
int cli_usage_error(const char *message);
/* An answer of vminfod, indented by 2; the exit code. */
int cli_print_json(const struct vminfo_cli *c, const char *text, size_t len);
void cli_usage(FILE *f);

#endif
