#include "load/load.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/paths.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "host/config_json.h"
#include "host/last_exit.h"
#include "host/run_state.h"
#include "host/sysinfo.h"
#include "host/zone_index.h"
#include "host/zone_xml.h"
#include "pool/pool.h"
#include "vm/compose.h"
#include "json/json.h"

/* A file younger than this may be written again within the same time stamp. */
#define YOUNG_MS 20

struct loader {
	struct zone_index *index; /* last good one, owned; NULL: never readable */
	struct fs_stamp index_stamp;
	struct err index_err; /* code 0: the index is as last read */
	json_t *sysinfo;      /* SRC_SYSINFO part, owned */
	struct fs_stamp sysinfo_stamp;
	bool sysinfo_read;
};

struct loader *
loader_new(void)
{
	return xcalloc(1, sizeof(struct loader));
}

void
loader_free(struct loader *l)
{
	if (!l)
		return;
	zone_index_free(l->index);
	json_decref(l->sysinfo);
	free(l);
}

void
loaded_done(struct loaded *l)
{
	json_decref(l->object);
	*l = (struct loaded){ 0 };
}

/* --- the index --- */

static bool
row_equal(const struct zone_row *a, const struct zone_row *b)
{
	return a->state == b->state && str_eq(a->zonename, b->zonename) &&
	       str_eq(a->zonepath, b->zonepath);
}

/* Both tables are sorted by uuid: walk them together and report every row that differs. */
static void
index_compare(const struct zone_index *old, const struct zone_index *new,
    void (*changed)(void *arg, const char *uuid), void *arg)
{
	unsigned i = 0, k = 0, n_old = old ? old->n : 0;

	while (i < n_old || k < new->n) {
		int c = i == n_old    ? 1
		        : k == new->n ? -1
		                      : strcmp(old->rows[i].uuid, new->rows[k].uuid);

		if (c < 0)
			changed(arg, old->rows[i++].uuid);
		else if (c > 0)
			changed(arg, new->rows[k++].uuid);
		else if (!row_equal(&old->rows[i++], &new->rows[k++]))
			changed(arg, new->rows[k - 1].uuid);
	}
}

int
loader_refresh_index(
    struct loader *l, void (*changed)(void *arg, const char *uuid), void *arg, struct err *err)
{
	auto_free char *path = path_host(PATH_ZONE_INDEX);
	AUTO(zone_index) struct zone_index *new = NULL;
	struct fs_stamp stamp;
	int r;

	if (l->index && !l->index_err.code && fs_stat(path, &stamp) == 0 &&
	    fs_stamp_equal(&stamp, &l->index_stamp) && !fs_stamp_is_young(&stamp, YOUNG_MS))
		return 0;
	l->index_err = (struct err){ 0 };
	r = zone_index_load(&new, &l->index_err);
	if (r < 0) {
		if (!l->index_err.code)
			err_errno(&l->index_err, r, PATH_ZONE_INDEX, "cannot be read");
		if (err)
			*err = l->index_err;
		return r;
	}
	l->index_stamp = new->stamp;
	if (changed)
		index_compare(l->index, new, changed, arg);
	zone_index_free(l->index);
	l->index = TAKE(new);
	return 0;
}

bool
loader_refresh_sysinfo(struct loader *l)
{
	auto_free char *path = path_host(PATH_SYSINFO);
	json_auto_t *sysinfo = NULL, *part = NULL;
	struct fs_stamp stamp;
	bool changed;

	if (l->sysinfo_read && fs_stat(path, &stamp) == 0 &&
	    fs_stamp_equal(&stamp, &l->sysinfo_stamp) && !fs_stamp_is_young(&stamp, YOUNG_MS))
		return false;
	if (sysinfo_load(&sysinfo, &l->sysinfo_stamp, NULL) < 0)
		return false; /* the last good facts stay true */
	part = sysinfo_part(sysinfo);
	changed = !l->sysinfo_read || !json_equal(part, l->sysinfo);
	json_decref(l->sysinfo);
	l->sysinfo = TAKE(part);
	l->sysinfo_read = true;
	return changed;
}

/* The uuid of "<uuid>.xml", into ret; false for other names. */
static bool
uuid_of_xml(const char *name, char ret[UUID_LEN + 1])
{
	if (strlen(name) != UUID_LEN + 4 || strcmp(name + UUID_LEN, ".xml") != 0)
		return false;
	memcpy(ret, name, UUID_LEN);
	ret[UUID_LEN] = '\0';
	return uuid_valid(ret);
}

int
loader_each(struct loader *l, void (*fn)(void *arg, const char *uuid), void *arg, struct err *err)
{
	auto_free char *path = path_host(PATH_ZONES_ETC);
	auto_closedir DIR *dir = opendir(path);
	char uuid[UUID_LEN + 1];
	struct dirent *d;

	if (!dir)
		return err_errno(err, -errno, PATH_ZONES_ETC, "cannot be read");
	for (unsigned i = 0; l->index && i < l->index->n; i++)
		fn(arg, l->index->rows[i].uuid);
	while ((d = readdir(dir)))
		if (uuid_of_xml(d->d_name, uuid) && !(l->index && zone_index_find(l->index, uuid)))
			fn(arg, uuid);
	return 0;
}

/* --- one VM --- */

/* The first reason wins: later sources often fail because of the first. */
static void
note_error(struct vm_sources *s, const char *file, int line, const struct err *err)
{
	if (s->error.set)
		return;
	s->error.set = true;
	s->error.line = line;
	(void)snprintf(s->error.file, sizeof(s->error.file), "%s", file);
	(void)snprintf(s->error.reason, sizeof(s->error.reason), "%s", err->msg);
}

static void
load_xml(struct vm_sources *s, struct load_stamps *stamps)
{
	auto_free char *path = zone_xml_path(s->uuid);
	struct err err = { 0 };
	int line = 0;
	int r = zone_xml_load(s->uuid, &s->part[SRC_XML], &stamps->file[LOAD_XML], &line, &err);

	s->has_xml = r != -ENOENT;
	if (r < 0 && s->has_xml)
		note_error(s, path, line, &err);
}

static void
load_index_row(struct loader *l, struct vm_sources *s, const char *zonepath)
{
	const struct zone_row *row = l->index ? zone_index_find(l->index, s->uuid) : NULL;

	s->has_row = row != NULL;
	s->row_state = row ? row->state : ZONE_CONFIGURED;
	s->part[SRC_INDEX] = json_object();
	json_put_str(s->part[SRC_INDEX], "zonename", row ? row->zonename : s->uuid);
	json_put_str(s->part[SRC_INDEX], "uuid", s->uuid);
	json_put_str(s->part[SRC_INDEX], "zone_state", zone_state_names[s->row_state]);
	json_put_str(s->part[SRC_INDEX], "zonepath", zonepath);
}

/* A VM whose index row or XML file is missing, or whose index cannot be read, is described with the
 * reason. */
static void
check_existence(const struct loader *l, struct vm_sources *s)
{
	struct err err = { 0 };

	if (l->index_err.code && !s->has_row) {
		note_error(s, PATH_ZONE_INDEX, 0, &l->index_err);
	} else if (!s->has_row) {
		err_set(&err, -ENOENT, NULL, "the index has no row for this VM");
		note_error(s, PATH_ZONE_INDEX, 0, &err);
	} else if (!s->has_xml) {
		auto_free char *path = zone_xml_path(s->uuid);

		err_set(&err, -ENOENT, NULL, "the file is missing although the index has a row");
		note_error(s, path, 0, &err);
	}
}

static void
load_config(struct vm_sources *s, const char *zonepath, struct load_stamps *stamps)
{
	struct err err = { 0 };
	int line = 0;
	int r = config_json_load(
	    zonepath, &s->part[SRC_CONFIG], &stamps->file[LOAD_METADATA], &line, &err);

	if (r < 0)
		note_error(s, err.what[0] ? err.what : zonepath, line, &err);
}

static void
load_run(struct vm_sources *s, struct loaded *ret)
{
	auto_free char *path = run_state_path(s->uuid);
	struct run_state rs = { 0 }, living = { 0 };
	struct err err = { 0 };

	if (run_state_load(s->uuid, &rs, &ret->stamps.file[LOAD_STATE], &err) < 0) {
		note_error(s, path, 0, &err);
		return;
	}
	s->part[SRC_RUN] = run_state_part(&rs, &living);
	ret->hypervisor = living.hypervisor;
	ret->monitor = living.monitor;
}

static void
load_exit(struct vm_sources *s, const char *zonepath, struct load_stamps *stamps)
{
	struct err err = { 0 };
	struct last_exit e;
	int r = last_exit_load(zonepath, &e, &stamps->file[LOAD_LASTEXITED], &err);

	if (r == 1)
		s->part[SRC_EXIT] = last_exit_part(&e);
	else if (r < 0)
		note_error(s, err.what[0] ? err.what : zonepath, 0, &err);
}

static void
load_datasets(struct vm_sources *s, const char *zonepath, struct dataset_rows *rows,
    struct load_stamps *stamps)
{
	const struct pool_driver *driver;
	struct err err = { 0 };

	if (pool_find(POOL_DEFAULT, &driver, &err) < 0 ||
	    driver->vm_rows(POOL_DEFAULT, s->uuid, rows, &err) < 0) {
		note_error(s, err.what[0] == '/' ? err.what : zonepath, 0, &err);
		return;
	}
	stamps->file[LOAD_DATASETS] = rows->stamp;
	s->root = dataset_rows_by_mountpoint(rows, zonepath);
}

static const struct dataset *
volume_of(const void *arg, const char *path)
{
	return dataset_rows_by_mountpoint(arg, path);
}

/* The newest of the five files, in whole seconds (vmobject-load.md 9). */
static void
load_last_modified(struct vm_sources *s, const struct load_stamps *stamps)
{
	static const enum load_file files[] = { LOAD_XML, LOAD_METADATA, LOAD_TAGS, LOAD_ROUTES,
		LOAD_LASTEXITED };
	char text[ISO8601_SIZE];
	int64_t newest = 0;

	for (unsigned i = 0; i < ARRAY_LEN(files); i++)
		if (stamps->file[files[i]].ino && stamps->file[files[i]].mtime_ns > newest)
			newest = stamps->file[files[i]].mtime_ns;
	if (!newest)
		return;
	s->part[SRC_FILES] = json_object();
	json_put_str(
	    s->part[SRC_FILES], "last_modified", iso8601_format(newest / 1000000000 * 1000, text));
}

static char *
zonepath_of(const struct loader *l, const char *uuid)
{
	const struct zone_row *row = l->index ? zone_index_find(l->index, uuid) : NULL;

	return row ? xstrdup(row->zonepath) : xasprintf("%s/%s", PATH_POOL_ROOT, uuid);
}

void
loader_load(struct loader *l, const char *uuid, const json_t *old, struct loaded *ret)
{
	auto_free char *zonepath = zonepath_of(l, uuid);
	struct dataset_rows rows = { 0 };
	struct vm_sources s = { .uuid = uuid };

	*ret = (struct loaded){ 0 };
	load_index_row(l, &s, zonepath);
	load_xml(&s, &ret->stamps);
	/* Nothing is deleted on doubt: an unreadable index cannot say that a VM is gone. */
	if (!s.has_row && !s.has_xml && !(l->index_err.code && old)) {
		vm_sources_done(&s);
		return;
	}
	check_existence(l, &s);
	load_config(&s, zonepath, &ret->stamps);
	load_run(&s, ret);
	load_exit(&s, zonepath, &ret->stamps);
	load_datasets(&s, zonepath, &rows, &ret->stamps);
	load_last_modified(&s, &ret->stamps);
	s.part[SRC_SYSINFO] = json_incref(l->sysinfo);
	s.volume = volume_of;
	s.volume_arg = &rows;
	ret->half = s.has_row != s.has_xml;
	ret->failed = s.error.set;
	ret->object = vm_compose(&s, old);
	vm_sources_done(&s);
	dataset_rows_done(&rows);
}

/* --- stamps --- */

static bool
file_changed(const char *host_path, const struct fs_stamp *stamp)
{
	struct fs_stamp now;

	return fs_stat(host_path, &now) < 0 || !fs_stamp_equal(&now, stamp) ||
	       fs_stamp_is_young(&now, YOUNG_MS);
}

static bool
datasets_changed(const char *uuid, const struct fs_stamp *stamp)
{
	const struct pool_driver *driver;
	struct dataset_rows rows = { 0 };
	bool changed = pool_find(POOL_DEFAULT, &driver, NULL) < 0 ||
	               driver->vm_rows(POOL_DEFAULT, uuid, &rows, NULL) < 0 ||
	               !fs_stamp_equal(&rows.stamp, stamp);

	dataset_rows_done(&rows);
	return changed;
}

bool
loader_changed(struct loader *l, const char *uuid, const struct load_stamps *stamps)
{
	auto_free char *zonepath = zonepath_of(l, uuid);
	auto_free char *dir = path_host(zonepath);
	auto_free char *xml = zone_xml_path(uuid);
	auto_free char *state = run_state_path(uuid);
	auto_free char *host_xml = path_host(xml);
	auto_free char *host_state = path_host(state);
	auto_free char *exited = xasprintf("%s/lastexited", dir);

	if (file_changed(host_xml, &stamps->file[LOAD_XML]) ||
	    file_changed(host_state, &stamps->file[LOAD_STATE]) ||
	    file_changed(exited, &stamps->file[LOAD_LASTEXITED]))
		return true;
	for (unsigned i = 0; i < CONFIG_FILE_COUNT; i++) {
		auto_free char *path = xasprintf("%s/config/%s", dir, config_json_names[i]);

		if (file_changed(path, &stamps->file[LOAD_METADATA + i]))
			return true;
	}
	return datasets_changed(uuid, &stamps->file[LOAD_DATASETS]);
}

/* --- for commands --- */

static int
load_object(struct loader *l, const char *uuid, bool strict, json_t **ret, struct err *err)
{
	struct loaded loaded;
	const json_t *e;

	loader_load(l, uuid, NULL, &loaded);
	if (!loaded.object)
		return err_set(err, -ENOENT, "uuid", "VM %s not found", uuid);
	e = json_object_get(loaded.object, "load_error");
	if (strict && e) {
		int r = err_set(err, -EBADMSG, NULL, "VM %s cannot be read: %s: %s", uuid,
		    str_or_empty(json_member_str(e, "file")),
		    str_or_empty(json_member_str(e, "reason")));

		loaded_done(&loaded);
		return r;
	}
	*ret = TAKE(loaded.object);
	return 0;
}

int
load_one(const char *uuid, bool strict, json_t **ret, struct err *err)
{
	AUTO(loader) struct loader *l = loader_new();
	int r = loader_refresh_index(l, NULL, NULL, err);

	if (r < 0 && r != -ENOENT && strict)
		return r;
	(void)loader_refresh_sysinfo(l);
	return load_object(l, uuid, strict, ret, err);
}

struct load_all_ctx {
	struct loader *l;
	json_t *all;
};

static void
load_into(void *arg, const char *uuid)
{
	struct load_all_ctx *ctx = arg;
	json_t *vm = NULL;

	if (load_object(ctx->l, uuid, false, &vm, NULL) == 0)
		json_array_append_new(ctx->all, vm);
}

int
load_all(json_t **ret, struct err *err)
{
	AUTO(loader) struct loader *l = loader_new();
	json_auto_t *all = json_array();
	struct load_all_ctx ctx = { l, all };
	int r = loader_refresh_index(l, NULL, NULL, err);

	/* Without any index there is no VM yet; an unreadable one is an error and never "no VMs".
	 */
	if (r < 0 && r != -ENOENT)
		return r;
	(void)loader_refresh_sysinfo(l);
	r = loader_each(l, load_into, &ctx, err);
	if (r < 0 && r != -ENOENT)
		return r;
	*ret = TAKE(all);
	return 0;
}
