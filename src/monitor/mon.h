/*
 * vm-monitor: one process per running VM. It owns the hypervisor process, and outlives neither it
 * nor a SIGTERM; the hypervisor outlives it (design.md section 3). The state machine is drawn in
 * supervise.c.
 */
#ifndef MONITOR_MON_H
#define MONITOR_MON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/err.h"
#include "base/str.h"
#include "host/run_state.h"
#include "vmm/qmp.h"
#include "vmm/verdict.h"

/* Who asked for a stop, for the ledger. */
struct who {
	int64_t uid, pid; /* -1: nobody */
	char program[64];
	char reason[128];
};

enum mon_phase {
	MON_LAUNCHED, /* the process is there, its QMP connection is not */
	MON_CONT,     /* `cont` is on its way */
	MON_RUNNING,
	MON_GONE,    /* the process has ended; its last words are on their way */
	MON_BACKOFF, /* waiting to start it again */
	MON_DONE,
	MON_PHASE_COUNT
};
extern const char *const mon_phase_names[MON_PHASE_COUNT];

/* The process: a watch of its pidfd. */
struct hyper {
	uv_poll_t poll;
	int pidfd; /* owned */
	struct mon *mon;
};

struct stop {
	enum stop_mode mode;
	unsigned step; /* of the forced end */
	uv_timer_t timer;
	struct who who;
	bool stuck; /* SIGKILL did not end it in time */
};

#define EXITS_MAX 128 /* more than the largest restart budget */

struct placement {
	char *dir;         /* control group we made; host path; owned; NULL: none */
	char *oom_file;    /* where the kernel counts kills; owned; NULL: unknown */
	char *leave;       /* cgroup.procs of the root, to go before removing ours; owned */
	int64_t oom_kills; /* count when the hypervisor was started */
};

struct console;
struct control;

struct mon {
	uv_loop_t loop;
	char uuid[UUID_LEN + 1];
	const char *order, *by, *reason; /* borrowed from argv; may be NULL */
	char *exe;                       /* our program file when we started; owned */
	char **argv;                     /* ours, for re-exec; borrowed */
	int ready_fd;                    /* -1: told already, or nobody waits */
	int lock_fd, tmp_fd;
	char *zonepath; /* logical; owned */
	json_t *vm;     /* while starting, else NULL; owned */
	char policy[16];
	bool policy_fixed; /* set over the control socket: the object's is ignored */

	enum mon_phase phase;
	struct run_state rs;
	bool is_child; /* waitpid tells its exit status */
	struct hyper *hyper;
	struct qmp *qmp;
	bool qmp_ready;
	int64_t qmp_delay_ms;       /* next reconnect */
	int64_t launch_deadline_ms; /* of the loop's clock */
	uv_timer_t qmp_timer;
	uv_timer_t phase_timer; /* launch deadline, drain, back-off */
	uv_signal_t sigterm;
	int log_fd; /* vm.log */
	uv_fs_event_t log_watch;

	struct stop stop;
	struct exit_facts facts;
	int64_t exit_time_ms;
	int64_t exits[EXITS_MAX]; /* times of the last unexpected exits, wall ms; newest last */
	unsigned n_exits;
	struct placement place;
	struct console *console;
	struct control *control;
	int exit_code;
};

/* --- supervise.c --- */
/* Begin: start the VM, or (adopt, or after a re-exec) go on with what the run state names. Failures
 * before the loop runs are told to the ready descriptor by the caller. */
int supervise_start(struct mon *m, struct err *err);
int supervise_adopt(struct mon *m, struct err *err);
/* The state file with the phase. Failure is logged: the VM is more important than the file. */
void supervise_save(struct mon *m, enum run_phase phase);
/* End the process of the monitor; what is written stays. */
void supervise_end(struct mon *m, int exit_code);
/* A stop was asked for while waiting to start again: there is nothing left to stop. */
void supervise_give_up(struct mon *m);
/* Callback of the watch of the process. */
void supervise_on_exit(uv_poll_t *poll, int status, int events);
/* Start again now instead of after the back-off. */
void supervise_retry_now(struct mon *m);
/* One line of JSON to whoever started us; once. */
void ready_ok(struct mon *m);
void ready_error(struct mon *m, const struct err *err);

/* --- launch.c --- */
/* Load the VM, remember what of it is needed later. */
int launch_load(struct mon *m, struct err *err);
/* Make the directory, the log and the process; m->hyper watches it. */
int launch_hypervisor(struct mon *m, struct err *err);
/* A hypervisor of this VM that no state names (we were killed between its start and the first
 * save). 1 and *ret, or 0. */
int launch_find_orphan(struct mon *m, struct proc_id *ret);
/* Watch a process; `pidfd` is taken. */
int hyper_watch(struct mon *m, int pidfd, struct err *err);
void hyper_unwatch(struct mon *m);

/* --- exit.c --- */
/* The process is gone for good: verdict, lastexited, ledger; the caller decides about the state
 * file. */
enum exit_cause exit_record(struct mon *m);
/* The exit nobody saw of the process in the state file. */
void exit_record_lost(struct mon *m);
void exit_forget(struct mon *m); /* a new life begins */

/* --- stop.c --- */
void stop_init(struct mon *m);
/* `timeout_ms` is for STOP_ACPI. A second one while the first works changes nothing, but force
 * overrides. */
void stop_request(struct mon *m, enum stop_mode mode, int64_t timeout_ms, const struct who *who);
/* The connection is there (again): press the button if that is still to be done. */
void stop_on_connected(struct mon *m);
void stop_forget(struct mon *m);

/* --- place.c --- */
void place_enter(struct mon *m);
void place_mark(struct mon *m);             /* the hypervisor is about to start */
bool place_oom_killed(const struct mon *m); /* since the mark */
void place_leave(struct mon *m);            /* remove what is ours */
void place_done(struct mon *m);
void place_remove_stale(const struct mon *m); /* of a monitor that was killed with its hypervisor */

/* --- files.c --- */
/* Connect, without ever blocking, to a socket in root/tmp that really is one. fd or negative errno.
 */
int tmp_connect(const struct mon *m, const char *name);
/* vm.log: a fresh one for a new process, the old one when we take over. */
int vm_log_open(struct mon *m, bool fresh, struct err *err);
void vm_log_watch(struct mon *m);
void vm_log_close(struct mon *m);
/* The last line the hypervisor wrote, without time stamp and name; allocated, NULL when there is
 * none. */
char *vm_log_last_words(const struct mon *m);

/* --- console.c --- */
int console_open(struct mon *m, bool preload, struct err *err);
void console_connect(
    struct mon *m); /* to the hypervisor's socket; repeats by itself while the process lives */
void console_disconnect(struct mon *m);
unsigned console_clients(const struct mon *m);
void console_close(struct mon *m);

/* --- control.c, verbs.c --- */
struct conn;
int control_open(struct mon *m, struct err *err);
/* Refuse newcomers and write out what is queued, a second at most. */
void control_close(struct mon *m);
/* The exit is recorded (or, code < 0, cannot be had): tell all who wait for the stop. */
void control_stopped(struct mon *m, const char *cause, const struct err *err);
void conn_reply(struct conn *c, json_t *owned);
void conn_reply_error(struct conn *c, const struct err *err);
void conn_wait_stop(struct conn *c);
void conn_ref(struct conn *c);
void conn_unref(struct conn *c);
const struct ucred *conn_peer(const struct conn *c);
void verb_run(struct mon *m, struct conn *c, const json_t *request);

/* --- reexec.c --- */
/* Can it be done now? */
int reexec_check(const struct mon *m, struct err *err);
/* Replace this process by the program file as it is now. Returns only on failure. */
void reexec_now(struct mon *m);
int reexec_restore(struct mon *m, int fd, struct err *err);

#endif
