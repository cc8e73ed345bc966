/*
 * A job: one operation on one VM, from the check of its uuid to read-after-write. It holds the VM's
 * lock and catches the signals that ask us to give up; between two steps (ops/step.h) it looks
 * whether there was one.
 */
#ifndef OPS_CONTEXT_H
#define OPS_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "ops/ops.h"

struct job {
	struct op *op;    /* borrowed */
	const char *name; /* of the operation, as in journal_ops */
	char uuid[UUID_LEN + 1];
	int lock_fd; /* VM lock; -1: not held */
};
#define JOB_INIT ((struct job){ .lock_fd = -1 })

/*
 * Check the uuid (it becomes part of paths: only the strict form is let through; -ENOENT `VM <uuid>
 * not found`), and catch SIGINT, SIGTERM and SIGHUP until job_end(). No lock yet. The directories
 * of the root are there: the program made them with host_init() before the first operation.
 */
int job_begin(struct job *j, struct op *op, const char *name, const char *uuid, struct err *err);
/* Releases the lock and the signals. Accepts a job that was never begun. */
void job_end(struct job *j);
#define AUTO_JOB __attribute__((cleanup(job_end)))

/* -EINTR and "interrupted by SIGINT" when a signal asked us to give up, else 0. */
int job_check_interrupted(struct err *err);

/*
 * The VM lock /run/vmnode/locks/<uuid>.lock. Waits at most timeout_ms (-1: for ever), and gives up
 * when interrupted. -EBUSY: the sentence names the operation that holds it.
 */
int job_lock(struct job *j, int64_t timeout_ms, struct err *err);
void job_unlock(struct job *j);
/* Unlock and remove the lock file: for a VM that is gone. */
void job_unlock_gone(struct job *j);

/* How long an operation waits for the lock, ms. Updates queue; what ends a VM must not wait behind
 * them for long. */
#define LOCK_WAIT_UPDATE (-1)
#define LOCK_WAIT_OTHER  300000
#define LOCK_WAIT_DELETE 60000
#define LOCK_WAIT_FORCED 5000

/* Read-after-write: 0 when readers see the VM as it is now; -ENOENT when they see that it is gone.
 */
int job_settle(struct job *j, struct err *err);

/* Why, for monitors and journals: "user" when nobody said. */
const char *job_reason(const struct job *j);

#endif
