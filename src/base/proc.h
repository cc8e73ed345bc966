/*
 * Processes. One is named by pid *and* start time (field 22 of /proc/<pid>/stat, clock ticks since
 * boot), because pids are reused; what is alive is decided by the kernel (pidfd), never by a file.
 */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct proc_id {
	pid_t pid; /* 0: none */
	uint64_t start_ticks;
};

/* Look up the start time of a living pid. 0 or -ESRCH. */
int proc_id_of(pid_t pid, struct proc_id *ret);
/* Alive and not a zombie, and really that process. */
bool proc_is_alive(const struct proc_id *id);
/* A pidfd (CLOEXEC) of exactly that process; -ESRCH when it is gone or the pid is somebody else's
 * now. */
int proc_open(const struct proc_id *id);
int proc_signal(int pidfd, int sig);

/*
 * To be called first in main: a closed standard descriptor would be given to the next file that is
 * opened, and what is printed would go into it. It becomes one that refuses what it is for, so that
 * the program still sees EBADF. 0 or negative errno.
 */
int proc_claim_stdio(void);

/* What to start. All pointers borrowed. */
struct spawn {
	const char *const *argv;            /* argv[0] is looked up in PATH when it has no slash */
	const char *const *env;             /* NULL: the parent's; else the whole environment */
	int cwd_fd;                         /* -1: keep; changed to before uid changes */
	int stdin_fd, stdout_fd, stderr_fd; /* -1: /dev/null */
	const int *keep_fds; /* 3 and up; inherited under the same number; all others are closed */
	unsigned n_keep;
	uid_t uid;          /* (uid_t)-1: keep. Otherwise no supplementary groups, no_new_privs */
	gid_t gid;          /* of that uid; (gid_t)-1: the same number */
	bool new_session;   /* setsid() */
	int nofile;         /* RLIMIT_NOFILE, 0: keep */
	const char *cgroup; /* host path of a cgroup directory to join (cgroup.procs), NULL: none */
	bool die_with_parent; /* PR_SET_PDEATHSIG SIGKILL */
	int pidfile_fd; /* the child writes its pid and a newline here before it can be missed; -1:
	                   no */
};
#define SPAWN_INIT                                                                                 \
	((struct spawn){ .cwd_fd = -1,                                                             \
	    .stdin_fd = -1,                                                                        \
	    .stdout_fd = -1,                                                                       \
	    .stderr_fd = -1,                                                                       \
	    .pidfile_fd = -1,                                                                      \
	    .uid = (uid_t)-1,                                                                      \
	    .gid = (gid_t)-1 })

/* Start it. The failure of exec or of any step in the child is reported here, with its sentence.
 * Returns the pid. */
pid_t spawn_process(const struct spawn *s, struct err *err);
struct buf;
/*
 * Run a short tool (qemu-img) to its end, waiting. Its stdout is appended to `out` (NULL: thrown
 * away), the last line of its stderr goes to `ret_lasterr` (may be NULL). 0 with the exit code, or
 * 128 + signal, in *ret_status; else negative errno. It is killed after timeout_ms (-1: never) with
 * -ETIMEDOUT, and after more than 1 MiB of output with -EFBIG.
 */
int spawn_run(const char *const *argv, int64_t timeout_ms, struct buf *out, char *ret_lasterr,
    size_t lasterr_size, int *ret_status, struct err *err);
/* The directory of our own programs (of /proc/self/exe), so that build/bin works without PATH.
 * Allocated: dir + "/" + name. */
char *proc_sibling(const char *name);

#endif
