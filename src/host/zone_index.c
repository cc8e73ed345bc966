#include "host/zone_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "base/own.h"
#include "base/paths.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "host/source_err.h"

#define LOCK_FILE       PATH_ZONE_INDEX ".lock"
#define LOCK_TIMEOUT_MS 60000
#define GLOBAL_ROW      "global:installed:/"

/* A line of the file as slices of its text; not NUL-terminated. */
struct line {
	const char *text;
	size_t len;
	unsigned number;
};

enum { FIELD_NAME, FIELD_STATE, FIELD_PATH, FIELD_UUID, FIELD_COUNT };

void
zone_index_free(struct zone_index *ix)
{
	if (!ix)
		return;
	for (unsigned i = 0; i < ix->n; i++) {
		free(ix->rows[i].zonename);
		free(ix->rows[i].zonepath);
		free(ix->rows[i].uuid);
	}
	free(ix->rows);
	free(ix);
}

static int
bad_line(struct err *err, const struct line *l, const char *why)
{
	return err_set(err, -EINVAL, PATH_ZONE_INDEX, "line %u: %s", l->number, why);
}

/* Absolute, no empty, "." or ".." component, not the root, no control characters. */
static bool
zonepath_valid(const char *s)
{
	if (*s != '/' || strchr(s, ':'))
		return false;
	for (const char *p = s; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	for (const char *p = s; *p; p += strcspn(p, "/")) {
		size_t n = strcspn(++p, "/");
		if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && memcmp(p, "..", 2) == 0))
			return false;
	}
	return utf8_valid(s, strlen(s));
}

static bool
state_storable(const char *s, enum zone_state *ret)
{
	return zone_state_parse(s, ret) == 0 && *ret <= ZONE_INSTALLED;
}

static int
check_global(const struct line *l, char *const *field, size_t n, bool *seen, struct err *err)
{
	if (*seen)
		return bad_line(err, l, "a second row of the global zone");
	if (n < 3 || strcmp(field[FIELD_STATE], "installed") != 0 ||
	    strcmp(field[FIELD_PATH], "/") != 0)
		return bad_line(err, l, "the row of the global zone is not \"" GLOBAL_ROW "\"");
	*seen = true;
	return 0;
}

static int
check_row(
    const struct line *l, char *const *field, size_t n, enum zone_state *state, struct err *err)
{
	if (n != FIELD_COUNT)
		return bad_line(err, l, "not the four fields zonename:state:zonepath:uuid");
	if (!uuid_valid(field[FIELD_UUID]))
		return bad_line(err, l, "the uuid is not one");
	if (strcmp(field[FIELD_NAME], field[FIELD_UUID]) != 0)
		return bad_line(err, l, "the zonename is not the uuid");
	if (!state_storable(field[FIELD_STATE], state))
		return bad_line(err, l, "the state is not configured, incomplete or installed");
	if (!zonepath_valid(field[FIELD_PATH]))
		return bad_line(err, l, "the zonepath is not a plain absolute path");
	return 0;
}

/* Rows of VMs are added to `ix`, whose array has room. */
static int
parse_line(struct zone_index *ix, const struct line *l, bool *seen_global, struct err *err)
{
	if (l->len == 0 || l->text[0] == '#')
		return 0;
	if (memchr(l->text, '\0', l->len))
		return bad_line(err, l, "a zero byte");

	auto_free char *text = xstrndup(l->text, l->len);
	auto_strv char **field = strv_split(text, ':');
	size_t n = strv_len(field);

	if (str_eq(field[FIELD_NAME], "global"))
		return check_global(l, field, n, seen_global, err);

	enum zone_state state = ZONE_CONFIGURED;
	int r = check_row(l, field, n, &state, err);
	if (r < 0)
		return r;
	ix->rows[ix->n++] = (struct zone_row){
		.zonename = TAKE(field[FIELD_NAME]),
		.state = state,
		.zonepath = TAKE(field[FIELD_PATH]),
		.uuid = TAKE(field[FIELD_UUID]),
		.line = l->number,
	};
	/* strv_free stops at the first gap. */
	free(TAKE(field[FIELD_STATE]));
	return 0;
}

/* The next line of the text at *at; false at the end. A last line without newline has *ret_cut set.
 */
static bool
next_line(const char *text, size_t len, size_t *at, struct line *l, bool *ret_cut)
{
	if (*at >= len)
		return false;
	const char *start = text + *at;
	const char *end = memchr(start, '\n', len - *at);

	*ret_cut = end == NULL;
	l->text = start;
	l->len = end ? (size_t)(end - start) : len - *at;
	l->number++;
	*at += l->len + 1;
	return true;
}

static int
by_uuid(const void *a, const void *b)
{
	return strcmp(((const struct zone_row *)a)->uuid, ((const struct zone_row *)b)->uuid);
}

static int
by_zonepath(const void *a, const void *b)
{
	const struct zone_row *const *x = a, *const *y = b;

	return strcmp((*x)->zonepath, (*y)->zonepath);
}

static int
duplicate(struct err *err, const char *what, const struct zone_row *a, const struct zone_row *b)
{
	unsigned first = a->line < b->line ? a->line : b->line;
	unsigned second = a->line < b->line ? b->line : a->line;

	return err_set(
	    err, -EINVAL, PATH_ZONE_INDEX, "line %u: the %s of line %u again", second, what, first);
}

static int
sort_and_check(struct zone_index *ix, struct err *err)
{
	if (ix->n == 0)
		return 0;
	qsort(ix->rows, ix->n, sizeof(*ix->rows), by_uuid);
	for (unsigned i = 1; i < ix->n; i++)
		if (strcmp(ix->rows[i - 1].uuid, ix->rows[i].uuid) == 0)
			return duplicate(err, "uuid", &ix->rows[i - 1], &ix->rows[i]);

	auto_free const struct zone_row **paths = xcalloc(ix->n, sizeof(*paths));
	for (unsigned i = 0; i < ix->n; i++)
		paths[i] = &ix->rows[i];
	qsort((void *)paths, ix->n, sizeof(*paths), by_zonepath);
	for (unsigned i = 1; i < ix->n; i++)
		if (strcmp(paths[i - 1]->zonepath, paths[i]->zonepath) == 0)
			return duplicate(err, "zonepath", paths[i - 1], paths[i]);
	return 0;
}

static size_t
count_lines(const char *text, size_t len)
{
	size_t n = 1;

	for (const char *p = text; len > 0 && (p = memchr(p, '\n', len - (size_t)(p - text))); p++)
		n++;
	return n;
}

int
zone_index_parse(const char *text, size_t len, struct zone_index **ret, struct err *err)
{
	AUTO(zone_index) struct zone_index *ix = xcalloc(1, sizeof(*ix));
	struct line l = { 0 };
	size_t at = 0;
	bool cut = false, seen_global = false;
	int r;

	ix->rows = xcalloc(count_lines(text, len), sizeof(*ix->rows));
	while (next_line(text, len, &at, &l, &cut)) {
		if (cut)
			return bad_line(err, &l, "no newline at its end (is the file cut off?)");
		r = parse_line(ix, &l, &seen_global, err);
		if (r < 0)
			return r;
	}
	if (!seen_global)
		return err_set(err, -EINVAL, PATH_ZONE_INDEX, "no row of the global zone");
	r = sort_and_check(ix, err);
	if (r < 0)
		return r;
	*ret = TAKE(ix);
	return 0;
}

int
zone_index_load(struct zone_index **ret, struct err *err)
{
	auto_free char *path = path_host(PATH_ZONE_INDEX);
	auto_buf struct buf text = BUF_INIT;
	struct fs_stamp stamp;
	int r = fs_read(path, ZONE_INDEX_MAX, &text, &stamp, err);

	if (r < 0)
		return source_err(err, r, PATH_ZONE_INDEX);
	r = zone_index_parse(str_or_empty(text.data), text.len, ret, err);
	if (r < 0)
		return r;
	(*ret)->stamp = stamp;
	return 0;
}

const struct zone_row *
zone_index_find(const struct zone_index *ix, const char *uuid)
{
	unsigned low = 0, high = ix->n;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		int c = strcmp(uuid, ix->rows[middle].uuid);
		if (c == 0)
			return &ix->rows[middle];
		if (c < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* --- Writing --- */

int
zone_index_lock(struct err *err)
{
	auto_free char *path = path_host(LOCK_FILE);

	return lock_take(path, LOCK_TIMEOUT_MS, err);
}

bool
zone_index_is_locked(void)
{
	auto_free char *path = path_host(LOCK_FILE);

	return lock_is_held(path);
}

static int
replace(const struct buf *text, struct err *err)
{
	auto_free char *path = path_host(PATH_ZONE_INDEX);
	struct fs_owner owner = own_of(OWN_INDEX_FILE, (uid_t)-1);

	return fs_replace(path, text->data, text->len, &owner, err);
}

int
zone_index_init(struct err *err)
{
	auto_free char *path = path_host(PATH_ZONE_INDEX);
	struct fs_stamp stamp;
	int r = fs_stat(path, &stamp);

	if (r < 0)
		return err_errno(err, r, PATH_ZONE_INDEX, "cannot look at the file");
	if (stamp.ino != 0)
		return 0;

	auto_close int lock = zone_index_lock(err);
	if (lock < 0)
		return lock;
	r = fs_stat(path, &stamp);
	if (r < 0)
		return err_errno(err, r, PATH_ZONE_INDEX, "cannot look at the file");
	if (stamp.ino != 0)
		return 0;

	auto_buf struct buf text = BUF_INIT;
	buf_adds(&text, "# The VMs of this host, kept by vmnode: zonename:state:zonepath:uuid\n");
	buf_adds(&text, GLOBAL_ROW "\n");
	return replace(&text, err);
}

/* What the writers do under the lock. */
struct edit {
	struct buf text; /* of the file, whole and valid */
	struct zone_index *index;
	int lock;
};

static void
edit_done(struct edit *e)
{
	buf_done(&e->text);
	zone_index_free(e->index);
	auto_close_(&e->lock);
}
#define auto_edit __attribute__((cleanup(edit_done)))

/* Lock, read, and refuse to write what is not understood. */
static int
edit_begin(struct edit *e, struct err *err)
{
	auto_free char *path = path_host(PATH_ZONE_INDEX);
	int r;

	e->lock = zone_index_lock(err);
	if (e->lock < 0)
		return e->lock;
	r = fs_read(path, ZONE_INDEX_MAX, &e->text, NULL, err);
	if (r < 0)
		return source_err(err, r, PATH_ZONE_INDEX);
	return zone_index_parse(str_or_empty(e->text.data), e->text.len, &e->index, err);
}

static void
add_row(struct buf *b, const char *uuid, enum zone_state state, const char *zonepath)
{
	buf_addf(b, "%s:%s:%s:%s\n", uuid, zone_state_names[state], zonepath, uuid);
}

/* Everything but the line of `row`, which `with` (may be NULL) takes the place of. */
static int
replace_row(
    const struct edit *e, const struct zone_row *row, const enum zone_state *with, struct err *err)
{
	auto_buf struct buf out = BUF_INIT;
	struct line l = { 0 };
	size_t at = 0;
	bool cut;

	while (next_line(e->text.data, e->text.len, &at, &l, &cut)) {
		if (l.number != row->line)
			buf_add(&out, l.text, l.len + 1);
		else if (with)
			add_row(&out, row->uuid, *with, row->zonepath);
	}
	return replace(&out, err);
}

int
zone_index_add(const char *uuid, enum zone_state state, const char *zonepath, struct err *err)
{
	auto_edit struct edit e = { .lock = -1 };

	if (!uuid_valid(uuid) || !zonepath_valid(zonepath) || state > ZONE_INSTALLED)
		return err_set(err, -EINVAL, PATH_ZONE_INDEX,
		    "cannot hold VM \"%s\" in state %d at \"%s\"", uuid, (int)state, zonepath);
	int r = edit_begin(&e, err);
	if (r < 0)
		return r;
	if (zone_index_find(e.index, uuid))
		return err_set(err, -EEXIST, "uuid", "VM %s already exists", uuid);
	for (unsigned i = 0; i < e.index->n; i++)
		if (strcmp(e.index->rows[i].zonepath, zonepath) == 0)
			return err_set(err, -EEXIST, "zonepath", "%s already belongs to VM %s",
			    zonepath, e.index->rows[i].uuid);
	add_row(&e.text, uuid, state, zonepath);
	return replace(&e.text, err);
}

int
zone_index_set_state(const char *uuid, enum zone_state state, struct err *err)
{
	auto_edit struct edit e = { .lock = -1 };

	if (state > ZONE_INSTALLED)
		return err_set(err, -EINVAL, PATH_ZONE_INDEX, "cannot hold state %d", (int)state);
	int r = edit_begin(&e, err);
	if (r < 0)
		return r;
	const struct zone_row *row = zone_index_find(e.index, uuid);
	if (!row)
		return err_set(err, -ENOENT, "uuid", "VM %s not found", uuid);
	if (row->state == state)
		return 0;
	return replace_row(&e, row, &state, err);
}

int
zone_index_remove(const char *uuid, struct err *err)
{
	auto_edit struct edit e = { .lock = -1 };
	int r = edit_begin(&e, err);

	if (r < 0)
		return r;
	const struct zone_row *row = zone_index_find(e.index, uuid);
	return row ? replace_row(&e, row, NULL, err) : 0;
}
