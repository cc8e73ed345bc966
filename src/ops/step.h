/*
 * Operations as tables of steps. Before each step the journal on disk says which one begins; when a
 * step fails, or the job was interrupted, the steps begun so far are undone, last first.
 */
#ifndef OPS_STEP_H
#define OPS_STEP_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "ops/context.h"
#include "ops/journal.h"

/*
 * `state` is the operation's own struct. undo (NULL: nothing) must be right for a step that was
 * only half done, and repeatable. A step that fails with -EEXIST met something that belongs to
 * somebody else: its own undo is not called.
 */
struct step {
	const char *name;
	int (*run)(void *state, struct err *err);
	int (*undo)(void *state, struct err *err);
	bool (*needed)(void *state); /* NULL: always */
	bool is_final; /* once begun, nothing is undone any more: the next operation finishes */
};

/*
 * Run the steps under `journal` (owned by the caller; NULL: without one). On success its file is
 * removed; after a failure too, except when something could not be undone: then it stays for the
 * next operation on the VM.
 */
int steps_run(struct job *j, const struct step *steps, unsigned n, struct journal *journal,
    void *state, struct err *err);
/* Undo the steps that a journal (borrowed) says were begun, last first. The first failure is
 * returned after all were tried. */
int steps_undo(
    const struct step *steps, unsigned n, const json_t *journal, void *state, struct err *err);

/*
 * Fault points, only in builds with -DVMNODE_FAULTS: VMNODE_FAULT="<op>:<step>:fail|kill|wait"
 * makes that step fail with -EIO after its work, kills the process, or stops it until SIGCONT. 0 or
 * -EIO.
 */
int step_fault(const char *op, const char *step, struct err *err);

#endif
