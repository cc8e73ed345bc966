/*
 * /zones/<uuid>/exits.jsonl: one line per exit of the hypervisor, newest last: cause, by whom,
 * when. Bounded: past 1 MiB the older half is dropped. A half-written last line (power loss) is
 * ignored by readers and repaired by the next append. One writer at a time: the VM's monitor, or
 * whoever took its place.
 * {"date":"...","cause":"guest_poweroff","status":0,"pid":1,"boot_date":"...","by":{"uid":0,"pid":1,"program":"vmadm"},"reason":"...","detail":"..."}
 */
#ifndef HOST_EXIT_LEDGER_H
#define HOST_EXIT_LEDGER_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"

/* ONE table of causes: name and a sentence for people. */
enum exit_cause {
	EXIT_GUEST_POWEROFF, /* QMP SHUTDOWN guest-shutdown */
	EXIT_GUEST_RESET,    /* guest reset that ended the process */
	EXIT_PANIC,          /* GUEST_PANICKED */
	EXIT_REQUESTED_STOP, /* somebody asked for a stop and the guest obeyed */
	EXIT_FORCED_STOP,    /* somebody asked for a forced stop */
	EXIT_DEADLINE_FORCE, /* the guest did not stop in time */
	EXIT_HOST_SHUTDOWN,
	EXIT_SIGNAL,             /* killed by a signal nobody of us sent */
	EXIT_OUT_OF_MEMORY,      /* killed by the kernel for memory */
	EXIT_HYPERVISOR_FAILURE, /* exit code other than 0, or it did not start */
	EXIT_MONITOR_LOST,       /* the monitor was gone and the exit was missed */
	EXIT_CAUSE_COUNT
};
struct exit_cause_row {
	const char *name, *help;
};
extern const struct exit_cause_row exit_causes[EXIT_CAUSE_COUNT];

struct exit_record {
	int64_t time_ms, boot_time_ms; /* wall clock; boot 0: unknown */
	enum exit_cause cause;
	int status; /* wait status word, -1 unknown */
	int64_t pid;
	int64_t by_uid, by_pid; /* -1: nobody asked */
	const char *by_program; /* NULL: unknown; borrowed */
	const char *reason;     /* borrowed, may be NULL */
	const char *detail;     /* last words of the hypervisor; borrowed, may be NULL */
};
int exit_ledger_append(const char *zonepath, const struct exit_record *r, struct err *err);
/* Array of objects, oldest first; empty when there is no file. Lines that are no object are left
 * out. */
int exit_ledger_load(const char *zonepath, json_t **ret, struct err *err);

#endif
