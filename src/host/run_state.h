/*
 * /run/vmnode/zones/<uuid>.state: what should be running, one small JSON file per VM that runs or
 * is quarantined, replaced atomically by its monitor (design.md section 3). It says which
 * processes; the kernel says whether they live. A file of another boot is ignored.
 *
 * {"boot_id":"...","state":"ready|running|shutting_down|quarantined","zoneid":7,"monitor":{"pid":1,"start":2},
 *  "hypervisor":{"pid":3,"start":4},"boot_time_ms":1700000000000,"restarts":0,"accel":"tcg","uid":100001}
 */
#ifndef HOST_RUN_STATE_H
#define HOST_RUN_STATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/proc.h"

enum run_phase {
	RUN_NONE,
	RUN_READY,
	RUN_RUNNING,
	RUN_SHUTTING_DOWN,
	RUN_QUARANTINED,
	RUN_PHASE_COUNT
};
extern const char *const run_phase_names[RUN_PHASE_COUNT];

struct run_state {
	enum run_phase phase; /* RUN_NONE: no file, or one of another boot */
	int64_t zoneid;
	struct proc_id monitor, hypervisor;
	int64_t boot_time_ms; /* wall clock */
	int64_t restarts;
	int64_t uid; /* of the hypervisor process, -1: ours */
	char accel[16];
};

/* 0 also when absent (phase RUN_NONE). Text that cannot be parsed is an error. */
int run_state_load(
    const char *uuid, struct run_state *ret, struct fs_stamp *ret_stamp, struct err *err);
int run_state_parse(const char *text, size_t len, struct run_state *ret, struct err *err);
int run_state_save(const char *uuid, const struct run_state *rs, struct err *err);
int run_state_remove(const char *uuid, struct err *err);
char *run_state_path(const char *uuid); /* logical; allocated */

/*
 * As part SRC_RUN of a VM object, after asking the kernel whether the processes live:
 *   hypervisor lives: zone_state ready|running|shutting_down as written, zoneid, pid,
 * boot_timestamp, init_restarts hypervisor dead or none, monitor lives: phase ready: "ready"; else
 * zone_state "shutting_down" both dead: nothing (NULL); quarantined: {"quarantined": true} New
 * reference or NULL. *ret_living (may be NULL): the processes that live, pid 0 for those that do
 * not.
 */
json_t *run_state_part(const struct run_state *rs, struct run_state *ret_living);

/* The next zone id of this boot (counter under a lock). */
int run_state_next_zoneid(int64_t *ret, struct err *err);

#endif
