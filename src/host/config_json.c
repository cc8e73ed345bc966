#include "host/config_json.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/own.h"
#include "base/paths.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "host/source_err.h"
#include "vm/properties.h"
#include "json/json.h"

#define CONFIG_DIR "config"

const char *const config_json_names[CONFIG_FILE_COUNT] = {
	[CONFIG_METADATA] = "metadata.json",
	[CONFIG_TAGS] = "tags.json",
	[CONFIG_ROUTES] = "routes.json",
};

/* The rows of one file; a file of a single property is that property, a shared one has a member for
 * each. */
struct file_rows {
	const struct prop *first;
	unsigned n;
};

static struct file_rows
rows_of(const char *name)
{
	struct file_rows rows = { 0 };

	for (const struct prop *p = properties; p->name; p++) {
		if (p->source != SRC_CONFIG || !str_eq(p->key, name))
			continue;
		if (rows.n++ == 0)
			rows.first = p;
	}
	return rows;
}

/* The next row of the same file. */
static const struct prop *
row_after(const struct prop *p)
{
	const char *name = p->key;

	for (p++; p->name; p++)
		if (p->source == SRC_CONFIG && str_eq(p->key, name))
			return p;
	return NULL;
}

/* The directory of the files, every component checked. -ENOENT when there is none. */
static int
open_config_dir(const char *zonepath)
{
	auto_free char *host = path_host(zonepath);
	auto_close int dir = fs_open_dir(host);

	return dir < 0 ? dir : fs_open_dir_beneath(dir, CONFIG_DIR);
}

/* jansson's own line of a text that json_parse refused. */
static int
line_of_error(const struct buf *text)
{
	json_error_t e = { .line = 0 };
	json_auto_t *v = json_loadb(
	    str_or_empty(text->data), text->len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);

	return v || e.line < 0 ? 0 : e.line;
}

/* The value of one file, an object; empty when it is absent. */
static int
read_file(int dir, const char *path, const char *name, json_t **ret, struct fs_stamp *stamp,
    int *ret_line, struct err *err)
{
	auto_buf struct buf text = BUF_INIT;
	int r = dir < 0 ? -ENOENT : fs_read_at(dir, name, CONFIG_JSON_MAX, &text, stamp, err);

	if (r == -ENOENT) {
		*stamp = (struct fs_stamp){ 0 };
		*ret = json_object();
		return 0;
	}
	if (r < 0)
		return source_err(err, r, path);
	json_auto_t *v = json_parse(str_or_empty(text.data), text.len, path, err);
	if (!v) {
		*ret_line = line_of_error(&text);
		return source_err(err, -EINVAL, path);
	}
	if (!json_is_object(v)) {
		*ret_line = 1;
		return err_set(err, -EINVAL, path, "not a JSON object");
	}
	*ret = TAKE(v);
	return 0;
}

/* Put the properties that a file's value holds into `obj`. */
static int
take_members(
    const struct file_rows *rows, const char *path, json_t *value, json_t *obj, struct err *err)
{
	if (rows->n == 1) {
		json_put(obj, rows->first->name, json_incref(value));
		return 0;
	}
	for (const struct prop *p = rows->first; p; p = row_after(p)) {
		json_t *member = json_object_get(value, p->name);
		if (member && !json_is_object(member))
			return err_set(err, -EINVAL, path, "\"%s\" is not a JSON object", p->name);
		json_put(obj, p->name, member ? json_incref(member) : json_object());
	}
	return 0;
}

int
config_json_load(const char *zonepath, json_t **ret, struct fs_stamp stamps[CONFIG_FILE_COUNT],
    int *ret_line, struct err *err)
{
	struct err local;
	int line = 0, r;

	err = err ? err : &local;
	if (ret_line)
		*ret_line = 0;
	auto_close int dir = open_config_dir(zonepath);
	if (dir < 0 && dir != -ENOENT) {
		auto_free char *path = xasprintf("%s/" CONFIG_DIR, zonepath);
		return err_errno(err, dir, path, "cannot open the directory");
	}
	json_auto_t *obj = json_object();
	for (unsigned i = 0; i < CONFIG_FILE_COUNT; i++) {
		const char *name = config_json_names[i];
		auto_free char *path = xasprintf("%s/" CONFIG_DIR "/%s", zonepath, name);
		struct file_rows rows = rows_of(name);
		json_auto_t *value = NULL;
		struct fs_stamp stamp = { 0 };

		if (rows.n == 0)
			continue;
		r = read_file(dir, path, name, &value, &stamp, &line, err);
		if (stamps)
			stamps[i] = stamp;
		if (r == 0)
			r = take_members(&rows, path, value, obj, err);
		if (r < 0) {
			if (ret_line)
				*ret_line = line;
			return r;
		}
	}
	*ret = TAKE(obj);
	return 0;
}

/* What the file's value shall be: members `obj` does not have stay, and so do those no row knows.
 * New reference. */
static json_t *
wanted_value(const struct file_rows *rows, json_t *old, const json_t *obj)
{
	if (rows->n == 1) {
		json_t *v = json_object_get(obj, rows->first->name);
		return json_incref(v ? v : old);
	}
	json_t *value = json_copy(old);
	for (const struct prop *p = rows->first; p; p = row_after(p)) {
		json_t *v = json_object_get(obj, p->name);
		if (v)
			json_put(value, p->name, json_incref(v));
	}
	return value;
}

/* An absent member and an empty one are the same. */
static bool
same_value(const struct file_rows *rows, const json_t *a, const json_t *b)
{
	if (json_equal(a, b))
		return true;
	if (rows->n == 1)
		return false;
	for (const struct prop *p = rows->first; p; p = row_after(p)) {
		const json_t *x = json_object_get(a, p->name);
		const json_t *y = json_object_get(b, p->name);
		if (json_object_size(x) == 0 && json_object_size(y) == 0)
			continue;
		if (!json_equal(x, y))
			return false;
	}
	return true;
}

static int
save_file(int dir, const char *zonepath, const char *name, const json_t *obj, struct err *err)
{
	auto_free char *path = xasprintf("%s/" CONFIG_DIR "/%s", zonepath, name);
	struct file_rows rows = rows_of(name);
	struct fs_owner owner = own_of(OWN_CONFIG_FILE, (uid_t)-1);
	auto_buf struct buf text = BUF_INIT;
	json_auto_t *old = NULL;
	struct fs_stamp stamp;
	bool named = false;
	int line;

	for (const struct prop *p = rows.first; p; p = row_after(p)) {
		const json_t *v = json_object_get(obj, p->name);
		if (v && !json_is_object(v))
			return err_set(err, -EINVAL, p->name, "%s must be an object", p->name);
		named |= v != NULL;
	}
	if (!named)
		return 0;
	/* A file that cannot be read is not overwritten: it may hold what somebody wants to rescue.
	 */
	json_auto_t *understood = json_object();
	int r = read_file(dir, path, name, &old, &stamp, &line, err);
	if (r == 0)
		r = take_members(&rows, path, old, understood, err);
	if (r < 0)
		return r;
	json_auto_t *value = wanted_value(&rows, old, obj);
	if (same_value(&rows, old, value))
		return 0;
	json_write(&text, value, 2);
	buf_addc(&text, '\n');
	if (text.len > CONFIG_JSON_MAX)
		return err_set(err, -EFBIG, path, "would be larger than %u bytes", CONFIG_JSON_MAX);
	return fs_replace_at(dir, name, text.data, text.len, &owner, err);
}

int
config_json_save(const char *zonepath, const json_t *obj, struct err *err)
{
	struct err local;

	err = err ? err : &local;
	auto_close int dir = open_config_dir(zonepath);
	if (dir < 0) {
		auto_free char *path = xasprintf("%s/" CONFIG_DIR, zonepath);
		return err_errno(err, dir, path, "cannot open the directory");
	}
	for (unsigned i = 0; i < CONFIG_FILE_COUNT; i++) {
		int r = save_file(dir, zonepath, config_json_names[i], obj, err);
		if (r < 0)
			return r;
	}
	return 0;
}
