#include "ops/recover.h"

#include <errno.h>

#include "base/log.h"
#include "ops/journal.h"
#include "json/json.h"

/* One row per operation with something to finish; the order is that in which they may have followed
 * each other. */
static const struct {
	const char *op;
	int (*recover)(struct job *j, const json_t *journal, struct err *err); /* NULL: nothing */
} recoveries[] = {
	{ "delete", delete_recover }, { "create", create_recover }, { "update", update_recover },
	{ "start", start_recover },
	{ "stop", NULL }, /* stop_clear_transition() below does not need a journal */
};

static int
recover_one(struct job *j, unsigned i, struct err *err)
{
	json_auto_t *journal = NULL;
	int r = journal_load(recoveries[i].op, j->uuid, &journal, err);

	if (r == -ENOENT)
		return 0;
	/* A stop holds the lock only now and then, so its journal may be a running one. */
	if (r < 0 || journal_is_live(journal, NULL))
		return r;
	log_info("an operation was interrupted before", LS("uuid", j->uuid),
	    LS("op", recoveries[i].op), LS("now", json_member_str(journal, "now")));
	r = recoveries[i].recover ? recoveries[i].recover(j, journal, err) : 0;
	if (r == 0)
		return journal_remove(recoveries[i].op, j->uuid, err);
	err_prefix(err, "the %s that was interrupted before cannot be settled", recoveries[i].op);
	return r;
}

int
op_recover(struct job *j, struct err *err)
{
	for (unsigned i = 0; i < ARRAY_LEN(recoveries); i++) {
		int r = recover_one(j, i, err);

		if (r < 0)
			return r;
	}
	return stop_clear_transition(j, err);
}
