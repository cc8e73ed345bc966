#include "host/vm_uid.h"

#include <errno.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/conf.h"
#include "base/fs.h"
#include "base/lock.h"
#include "base/paths.h"
#include "base/str.h"
#include "base/vmgroup.h"
#include "base/xmalloc.h"

#define REGISTRY_MAX    (64u << 20) /* bytes */
#define LOCK_TIMEOUT_MS 30000

struct row {
	uid_t uid;
	char *root; /* host path of the root directory, "/" for none; owned */
	char *uuid; /* owned */
};

struct registry {
	const char *path; /* borrowed from the configuration */
	int lock;
	struct row *rows; /* owned, in the order of allocation */
	unsigned n;
};

static void
registry_close(struct registry *g)
{
	for (unsigned i = 0; i < g->n; i++) {
		free(g->rows[i].root);
		free(g->rows[i].uuid);
	}
	free(g->rows);
	auto_close_(&g->lock);
}
#define auto_registry __attribute__((cleanup(registry_close)))

static const char *
own_root(void)
{
	return paths_is_private() ? paths_root() : "/";
}

/* "uid root uuid"; the root may hold spaces. */
static int
parse_row(const char *line, struct row *ret)
{
	const char *first = strchr(line, ' '), *last = strrchr(line, ' ');
	int64_t uid;

	if (!first || first == last || first[1] != '/' || !uuid_valid(last + 1))
		return -EINVAL;
	auto_free char *number = xstrndup(line, (size_t)(first - line));
	if (str_to_int(number, false, 1, UINT32_MAX - 1, &uid) < 0)
		return -EINVAL;
	*ret = (struct row){
		.uid = (uid_t)uid,
		.root = xstrndup(first + 1, (size_t)(last - first - 1)),
		.uuid = xstrdup(last + 1),
	};
	return 0;
}

static int
registry_parse(struct registry *g, const char *text, struct err *err)
{
	auto_strv char **lines = strv_split(text, '\n');
	size_t n = strv_len(lines);

	g->rows = xcalloc(n + 2, sizeof(*g->rows));
	for (size_t i = 0; i < n; i++) {
		if (lines[i][0] == '\0' || lines[i][0] == '#')
			continue;
		/* Guessing here could give one uid to two VMs. */
		if (parse_row(lines[i], &g->rows[g->n]) < 0)
			return err_set(err, -EINVAL, g->path, "%s line %zu: not \"uid root uuid\"",
			    g->path, i + 1);
		g->n++;
	}
	return 0;
}

static int
registry_open(struct registry *g, struct err *err)
{
	struct fs_owner dir_owner = { (uid_t)-1, (gid_t)-1, 0755 };
	auto_buf struct buf text = BUF_INIT;

	g->path = conf_str("vm.uid_registry");
	auto_free char *copy = xstrdup(g->path);
	int r = fs_mkdir_p(dirname(copy), &dir_owner, err);
	if (r < 0)
		return r;
	auto_free char *lock_path = xasprintf("%s.lock", g->path);
	g->lock = lock_take(lock_path, LOCK_TIMEOUT_MS, err);
	if (g->lock < 0)
		return g->lock;
	r = fs_read(g->path, REGISTRY_MAX, &text, NULL, err);
	if (r < 0 && r != -ENOENT)
		return r;
	if (text.len > 0 && memchr(text.data, '\0', text.len))
		return err_set(err, -EINVAL, g->path, "%s has a zero byte", g->path);
	return registry_parse(g, str_or_empty(text.data), err);
}

static int
registry_write(const struct registry *g, struct err *err)
{
	struct fs_owner owner = { (uid_t)-1, (gid_t)-1, 0644 };
	auto_buf struct buf text = BUF_INIT;

	for (unsigned i = 0; i < g->n; i++)
		buf_addf(&text, "%u %s %s\n", (unsigned)g->rows[i].uid, g->rows[i].root,
		    g->rows[i].uuid);
	return fs_replace(g->path, str_or_empty(text.data), text.len, &owner, err);
}

static struct row *
find_row(const struct registry *g, const char *uuid)
{
	for (unsigned i = 0; i < g->n; i++)
		if (str_eq(g->rows[i].uuid, uuid) && str_eq(g->rows[i].root, own_root()))
			return &g->rows[i];
	return NULL;
}

static void
drop_row(struct registry *g, struct row *row)
{
	unsigned at = (unsigned)(row - g->rows);

	free(row->root);
	free(row->uuid);
	g->n--;
	memmove(row, row + 1, (g->n - at) * sizeof(*row));
}

/* Rows of private roots that are gone for good; a root that merely cannot be looked at stays. */
static void
drop_orphans(struct registry *g)
{
	struct stat st;

	for (unsigned i = g->n; i-- > 0;)
		if (stat(g->rows[i].root, &st) < 0 && errno == ENOENT)
			drop_row(g, &g->rows[i]);
}

/*
 * The first free uid behind the newest one, so that a uid rests as long as possible before another
 * VM gets it: something of the old one, a process or a file, may still be about.
 */
static int
pick_uid(const struct registry *g, uid_t *ret, struct err *err)
{
	uint32_t base = (uint32_t)conf_int("vm.uid_base"), size = (uint32_t)conf_int("vm.uid_size");
	auto_free bool *used = xcalloc(size, sizeof(*used));
	uint32_t start = 0;

	for (unsigned i = 0; i < g->n; i++) {
		uint32_t at = g->rows[i].uid - base;
		if (at >= size)
			continue;
		used[at] = true;
		start = at + 1;
	}
	for (uint32_t i = 0; i < size; i++) {
		uint32_t at = (start + i) % size;
		if (used[at])
			continue;
		*ret = base + at;
		return 0;
	}
	return err_set(err, -ENOSPC, "vm.uid_size",
	    "all %u uids for VMs from %u on are in use; configure more with vm.uid_size", size,
	    base);
}

int
vm_uid_get(const char *uuid, uid_t *ret, struct err *err)
{
	auto_registry struct registry g = { .lock = -1 };
	uid_t uid;

	if (!is_privileged()) {
		*ret = (uid_t)-1;
		return 0;
	}
	if (!uuid_valid(uuid))
		return err_set(err, -EINVAL, "uuid", "\"%s\" is not a uuid", uuid);
	int r = registry_open(&g, err);
	if (r < 0)
		return r;
	const struct row *row = find_row(&g, uuid);
	if (row) {
		*ret = row->uid;
		return 0;
	}
	r = pick_uid(&g, &uid, NULL);
	if (r < 0) {
		drop_orphans(&g);
		r = pick_uid(&g, &uid, err);
		if (r < 0)
			return r;
	}
	g.rows[g.n++] = (struct row){ uid, xstrdup(own_root()), xstrdup(uuid) };
	r = registry_write(&g, err);
	if (r < 0)
		return r;
	*ret = uid;
	return 0;
}

int
vm_uid_release(const char *uuid, struct err *err)
{
	auto_registry struct registry g = { .lock = -1 };

	if (!is_privileged())
		return 0;
	int r = registry_open(&g, err);
	if (r < 0)
		return r;
	unsigned before = g.n;
	struct row *row = find_row(&g, uuid);
	if (row)
		drop_row(&g, row);
	drop_orphans(&g);
	return g.n == before ? 0 : registry_write(&g, err);
}
