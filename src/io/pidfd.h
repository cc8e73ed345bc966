/*
 * Watch processes end, through their pidfds. One epoll set for all of them, with one handle in the
 * loop, so that adding and removing a process is a system call and nothing is closed later.
 */
#ifndef IO_PIDFD_H
#define IO_PIDFD_H

#include <uv.h>

#include "base/err.h"
#include "base/proc.h"

struct pidfds;

/* The process of descriptor `fd` has ended. Called once per process, from the loop; the descriptor
 * is then no longer watched and already closed. `who` is what pidfds_add() was given. */
typedef void pidfd_fn(void *arg, int fd, void *who);

int pidfds_open(uv_loop_t *loop, pidfd_fn *fn, void *arg, struct pidfds **ret, struct err *err);
/* Watch exactly that process. Its descriptor (owned by the set), or -ESRCH when it is gone, or
 * another errno. */
int pidfds_add(struct pidfds *p, const struct proc_id *id, void *who);
/* Stop watching and close. */
void pidfds_remove(struct pidfds *p, int fd);
/* All descriptors must have been removed. The memory is freed by the loop, later. NULL is fine. */
void pidfds_close(struct pidfds *p);

#endif
