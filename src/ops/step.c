#include "ops/step.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/str.h"
#include "base/xmalloc.h"

#ifdef VMNODE_FAULTS
int
step_fault(const char *op, const char *step, struct err *err)
{
	auto_strv char **fault = strv_split(str_or_empty(getenv("VMNODE_FAULT")), ':');

	if (strv_len(fault) != 3 || !str_eq(fault[0], op) || !str_eq(fault[1], step))
		return 0;
	if (str_eq(fault[2], "fail"))
		return err_set(err, -EIO, step, "%s: step %s fails as VMNODE_FAULT says", op, step);
	(void)raise(str_eq(fault[2], "kill") ? SIGKILL : SIGSTOP);
	return 0;
}
#else
int
step_fault(const char *op, const char *step, struct err *err)
{
	return 0;
}
#endif

static int
undo_one(const struct step *s, void *state, struct err *first, int failed)
{
	struct err e = { 0 };
	int r = s->undo ? s->undo(state, &e) : 0;

	if (r == 0)
		return failed;
	log_warn("a step cannot be undone", LS("step", s->name), LE(&e));
	if (failed == 0 && first)
		*first = e;
	return failed ? failed : r;
}

int
steps_undo(
    const struct step *steps, unsigned n, const json_t *journal, void *state, struct err *err)
{
	int r = 0;

	while (n-- > 0)
		if (journal_reached(journal, steps[n].name, true))
			r = undo_one(&steps[n], state, err, r);
	return r;
}

/* The work of one step, with its journal entry before. *began: something may have been changed. */
static int
run_one(struct job *j, const struct step *s, struct journal *journal, void *state, bool *began,
    struct err *err)
{
	int r = job_check_interrupted(err);

	*began = false;
	if (r == 0 && journal)
		r = journal_step(journal, s->name, err);
	if (r < 0)
		return r;
	*began = true;
	r = s->run(state, err);
	return r < 0 ? r : step_fault(j->name, s->name, err);
}

/* One that cannot be removed is found by the next operation, for which its steps are done. */
static void
end_journal(struct journal *journal)
{
	struct err e = { 0 };

	if (journal && journal_end(journal, &e) < 0)
		log_warn("a journal cannot be removed", LE(&e));
}

int
steps_run(struct job *j, const struct step *steps, unsigned n, struct journal *journal, void *state,
    struct err *err)
{
	bool began = false;
	int undone = 0, r = 0;
	unsigned i;

	for (i = 0; i < n && r == 0; i++)
		if (!steps[i].needed || steps[i].needed(state))
			r = run_one(j, &steps[i], journal, state, &began, err);
	if (r == 0) {
		end_journal(journal);
		return 0;
	}
	/* A tool killed by the same Ctrl-C fails; the reason is the signal. */
	if (job_check_interrupted(err) < 0)
		r = -EINTR;
	if (began && steps[i - 1].is_final)
		return r;
	if (!began || r == -EEXIST)
		i--;
	while (i-- > 0)
		if (!steps[i].needed || steps[i].needed(state))
			undone = undo_one(&steps[i], state, NULL, undone);
	if (undone == 0)
		end_journal(journal);
	return r;
}
