#include "ops/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/own.h"
#include "base/paths.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "json/json.h"

#define JOURNAL_MAX (1u << 20)

const char *const journal_ops[] = { "create", "delete", "start", "stop", "update", NULL };

struct journal {
	char *op, *uuid; /* owned */
	json_t *doc;     /* owned */
};

/* create and delete are finished or undone even after a reboot, so theirs are on disk. */
static bool
is_on_disk(const char *op)
{
	static const char *const on_disk[] = { "create", "delete", NULL };

	return str_in(op, on_disk);
}

static char *
journal_path(const char *op, const char *uuid)
{
	return path_hostf("%s/%s.%s.json", is_on_disk(op) ? PATH_LIB_OPS : PATH_RUN_OPS, uuid, op);
}

static json_t *
our_process(void)
{
	struct proc_id id = { .pid = getpid() };
	json_t *o = json_object();

	(void)proc_id_of(getpid(), &id);
	json_put_int(o, "pid", id.pid);
	json_put_int(o, "start", (int64_t)id.start_ticks);
	return o;
}

struct journal *
journal_new(const char *op, const char *uuid, const char *by, const char *reason)
{
	struct journal *j = xcalloc(1, sizeof(*j));

	j->op = xstrdup(op);
	j->uuid = xstrdup(uuid);
	j->doc = json_object();
	json_put_str(j->doc, "op", op);
	json_put_str(j->doc, "uuid", uuid);
	json_put(j->doc, "pid", our_process());
	json_put_str(j->doc, "boot_id", host_boot_id());
	json_put_str(j->doc, "by", by);
	json_put_str(j->doc, "reason", reason);
	json_put(j->doc, "steps", json_array());
	json_put(j->doc, "data", json_object());
	return j;
}

void
journal_free(struct journal *j)
{
	if (!j)
		return;
	free(j->op);
	free(j->uuid);
	json_decref(j->doc);
	free(j);
}

json_t *
journal_data(struct journal *j)
{
	return json_object_get(j->doc, "data");
}

int
journal_write(struct journal *j, struct err *err)
{
	struct fs_owner owner =
	    own_of(is_on_disk(j->op) ? OWN_CONFIG_FILE : OWN_RUN_FILE, (uid_t)-1);
	auto_free char *path = journal_path(j->op, j->uuid);
	auto_buf struct buf b = BUF_INIT;

	json_write(&b, j->doc, 0);
	buf_addc(&b, '\n');
	return fs_replace(path, b.data, b.len, &owner, err);
}

int
journal_step(struct journal *j, const char *next, struct err *err)
{
	const char *now = json_member_str(j->doc, "now");

	if (now)
		json_array_append_new(json_object_get(j->doc, "steps"), json_string(now));
	json_put_str(j->doc, "now", next);
	return journal_write(j, err);
}

int
journal_end(struct journal *j, struct err *err)
{
	return journal_remove(j->op, j->uuid, err);
}

int
journal_load(const char *op, const char *uuid, json_t **ret, struct err *err)
{
	auto_free char *path = journal_path(op, uuid);
	auto_buf struct buf b = BUF_INIT;
	json_auto_t *doc = NULL;
	int r = fs_read(path, JOURNAL_MAX, &b, NULL, err);

	if (r < 0)
		return r;
	doc = json_parse(b.data, b.len, path_logical(path), err);
	if (!doc)
		return err ? (err->code = -EBADMSG) : -EBADMSG;
	if (!json_is_object(doc) || !str_eq(json_member_str(doc, "op"), op))
		return err_set(err, -EBADMSG, path_logical(path), "is not the journal of a %s", op);
	*ret = TAKE(doc);
	return 0;
}

int
journal_remove(const char *op, const char *uuid, struct err *err)
{
	auto_free char *path = journal_path(op, uuid);

	return fs_unlink_replaced(path, err);
}

bool
journal_is_live(const json_t *journal, struct proc_id *ret)
{
	const json_t *p = json_object_get(journal, "pid");
	struct proc_id id = { .pid = (pid_t)json_member_int(p, "pid", 0),
		.start_ticks = (uint64_t)json_member_int(p, "start", 0) };

	/* A private root's /run and /var survive a reboot, and then the pid is somebody else's. */
	if (id.pid <= 0 || !str_eq(json_member_str(journal, "boot_id"), host_boot_id()) ||
	    !proc_is_alive(&id))
		return false;
	if (ret)
		*ret = id;
	return true;
}

bool
journal_reached(const json_t *journal, const char *step, bool begun)
{
	const json_t *done;
	size_t i;

	json_array_foreach (json_object_get(journal, "steps"), i, done)
		if (str_eq(json_string_value(done), step))
			return true;
	return begun && str_eq(json_member_str(journal, "now"), step);
}
