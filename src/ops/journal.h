/*
 * The step journal of an operation on a VM: what was begun, by whom, and how far it came. It is
 * written before the first change and before each further step, and removed at the end; so one that
 * is found without its process belongs to an operation that was killed, and names everything that
 * operation may have changed. At most one per operation and VM, under the VM lock.
 *
 * File <dir>/<uuid>.<op>.json; dir is /var/lib/vmnode/ops for create and delete (they must survive
 * a reboot), else /run/vmnode/ops:
 * {"op":"create","uuid":"...","pid":{"pid":1,"start":2},"boot_id":"...","by":"...","reason":"...","steps":["row"],"now":"config","data":{}}
 * `steps` are done, `now` was begun. No secrets.
 */
#ifndef OPS_JOURNAL_H
#define OPS_JOURNAL_H

#include <jansson.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/proc.h"

/* Names of the operations that have journals, NULL-terminated. */
extern const char *const journal_ops[];

struct journal;
/* Nothing is written yet. `by` and `reason` are copied, may be NULL. */
struct journal *journal_new(const char *op, const char *uuid, const char *by, const char *reason);
void journal_free(struct journal *j); /* the file stays */
DEFINE_AUTO(journal, struct journal *, journal_free)

/* Data of the operation's own, to be filled before the next journal_step(); borrowed. */
json_t *journal_data(struct journal *j);
/* The step begun last is done, `next` begins: written to disk when this returns. */
int journal_step(struct journal *j, const char *next, struct err *err);
/* The same with the data changed inside a step. */
int journal_write(struct journal *j, struct err *err);
/* The operation is over: the file is removed. */
int journal_end(struct journal *j, struct err *err);

/* --- What others left --- */

/* -ENOENT: none; -EBADMSG: it cannot be understood. */
int journal_load(const char *op, const char *uuid, json_t **ret, struct err *err);
int journal_remove(const char *op, const char *uuid, struct err *err); /* absent is success */
/* Its process lives: the operation is running. ret (may be NULL): that process. */
bool journal_is_live(const json_t *journal, struct proc_id *ret);
/* The step is done (or, with `begun`, at least begun). */
bool journal_reached(const json_t *journal, const char *step, bool begun);

#endif
