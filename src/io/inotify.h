/*
 * inotify in the loop. Watches are numbered by the kernel; a number is not used again soon, so a
 * late event of a removed watch names nobody (inotify(7)).
 */
#ifndef IO_INOTIFY_H
#define IO_INOTIFY_H

#include <stdint.h>
#include <sys/inotify.h>
#include <uv.h>

#include "base/err.h"

struct inotify;

/* One event. `name` is "" when the event is about the watched directory itself. Overflow: wd -1 and
 * IN_Q_OVERFLOW, something was lost. After IN_IGNORED the watch is gone. The callback may add and
 * remove watches. */
typedef void inotify_fn(void *arg, int wd, uint32_t mask, const char *name);

int inotify_open(uv_loop_t *loop, inotify_fn *fn, void *arg, struct inotify **ret, struct err *err);
/* Watch a directory (host path). The number of the watch, which is the same for the same inode; or
 * negative errno: -ENOENT, -ENOTDIR, -ENOSPC (limit fs.inotify.max_user_watches). */
int inotify_add(struct inotify *in, const char *path, uint32_t mask);
void inotify_remove(struct inotify *in, int wd);
/* Read what is there already and call back for it, without waiting. The loop does this by itself.
 */
void inotify_drain(struct inotify *in);
/* The memory is freed by the loop, later. NULL is fine. */
void inotify_close(struct inotify *in);

#endif
