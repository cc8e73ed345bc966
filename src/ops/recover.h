/*
 * What killed operations left on a VM is finished or undone by the next operation on it, under its
 * lock:
 *
 *   create   undone entirely, unless the VM was complete already: then its marker is removed
 *   delete   finished
 *   update   every file was replaced atomically, so the VM is whole; volumes that its XML does not
 * name are destroyed start    the monitor runs on its own; autoboot of a user's start is set if the
 * VM runs stop     the transition record is cleared once nothing runs
 */
#ifndef OPS_RECOVER_H
#define OPS_RECOVER_H

#include <jansson.h>

#include "base/err.h"
#include "ops/context.h"

int op_recover(struct job *j, struct err *err);

/* The part of each operation. `journal` is borrowed, its process is dead. */
int create_recover(struct job *j, const json_t *journal, struct err *err);
int delete_recover(struct job *j, const json_t *journal, struct err *err);
int start_recover(struct job *j, const json_t *journal, struct err *err);
int update_recover(struct job *j, const json_t *journal, struct err *err);

/* Clear a left-over "stopping" record when nothing runs. No record: nothing. */
int stop_clear_transition(struct job *j, struct err *err);

/* The start of an operation that holds the lock already, after recovery. -EALREADY as op_start. */
int start_locked(struct job *j, const char *order, struct err *err);

#endif
