/*
 * vm-lifecycle.md 5.5. Everything is checked before anything is written; all writes happen inside
 * the VM's bracket, so that vminfod shows the whole update or nothing. A step that fails takes back
 * what was written.
 */
#include "ops/ops.h"

#include <assert.h>
#include <errno.h>

#include "base/cleanup.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/paths.h"
#include "host/config_json.h"
#include "host/vm_uid.h"
#include "host/zone_xml.h"
#include "load/load.h"
#include "net/nic_tag.h"
#include "ops/recover.h"
#include "ops/step.h"
#include "ops/stored.h"
#include "ops/volumes.h"
#include "pool/pool.h"
#include "vm/validate.h"
#include "json/json.h"

#define GIB             (INT64_C(1) << 30)
#define BRACKET_WAIT_MS 10000 /* nobody but a dying update holds it */

struct update {
	struct job *j;
	struct journal *journal; /* owned */
	json_t *old, *new;       /* VM objects; owned */
	json_t *changed;         /* object: names of stored members that differ; owned */
	json_t *made, *removed;  /* arrays of volume paths; owned */
	const char *zonepath;    /* borrowed from old */
	const struct pool_driver *pool;
	uid_t uid;
};

static void
update_done(struct update *u)
{
	journal_free(u->journal);
	json_decref(u->old);
	json_decref(u->new);
	json_decref(u->changed);
	json_decref(u->made);
	json_decref(u->removed);
}

/* --- what changes --- */

/* Stored members that differ; those of other sources follow from them. */
static json_t *
changed_members(const json_t *old, const json_t *new)
{
	json_t *changed = json_object();

	for (const struct prop *p = properties; p->name; p++) {
		const json_t *a = json_object_get(old, p->name), *b = json_object_get(new, p->name);

		if (p->update != UPDATE_NO && a != b && !(a && b && json_equal(a, b)))
			json_put_bool(changed, p->name, true);
	}
	return changed;
}

static bool
is_changed(const struct update *u, const char *name)
{
	return json_object_get(u->changed, name) != NULL;
}

static bool
source_changed(const struct update *u, enum prop_source source)
{
	const char *name;
	json_t *v;

	json_object_foreach (u->changed, name, v)
		if (prop_find(name)->source == source)
			return true;
	return false;
}

static bool
has_disk(const json_t *disks, const char *path)
{
	const json_t *disk;
	size_t i;

	json_array_foreach (disks, i, disk)
		if (str_eq(json_member_str(disk, "path"), path))
			return true;
	return false;
}

/* Paths of volumes that the new object does not name any more. */
static json_t *
removed_volumes(const json_t *old, const json_t *new)
{
	json_t *paths = json_array();
	const json_t *disk;
	size_t i;

	json_array_foreach (json_object_get(old, "disks"), i, disk) {
		const char *path = json_member_str(disk, "path");

		if (path && volume_is_ours(disk) && !has_disk(json_object_get(new, "disks"), path))
			json_array_append_new(paths, json_string(path));
	}
	return paths;
}

/* --- the steps --- */

static bool
adds_volumes(void *state)
{
	const struct update *u = state;

	return is_changed(u, "disks");
}

static int
note_volume(void *arg, const char *path, struct err *err)
{
	struct update *u = arg;

	json_array_append_new(u->made, json_string(path));
	return 0;
}

static int
add_volumes_run(void *state, struct err *err)
{
	struct update *u = state;
	const struct volumes v = { u->j->uuid, u->pool, u->uid };

	return volumes_create(&v, json_object_get(u->new, "disks"), note_volume, u, err);
}

static int
remove_paths(const struct update *u, const json_t *paths, struct err *err)
{
	const json_t *path;
	size_t i;

	assert(u->pool);
	json_array_foreach (paths, i, path) {
		int r =
		    u->pool->remove_volume(POOL_DEFAULT, u->j->uuid, json_string_value(path), err);

		/* Attached with nocreate: detached, and somebody else's to destroy. */
		if (r < 0 && r != -EINVAL)
			return r;
	}
	return 0;
}

static int
add_volumes_undo(void *state, struct err *err)
{
	const struct update *u = state;

	return remove_paths(u, u->made, err);
}

static bool
changes_files(void *state)
{
	return source_changed(state, SRC_CONFIG);
}

/* Only the changed members, so that a full or broken file of another kind is not in the way. */
static int
save_files(const struct update *u, const json_t *vm, struct err *err)
{
	return config_json_save(u->zonepath, vm, err);
}

static int
files_run(void *state, struct err *err)
{
	const struct update *u = state;

	return save_files(u, u->new, err);
}

static int
files_undo(void *state, struct err *err)
{
	const struct update *u = state;

	return save_files(u, u->old, err);
}

static bool
changes_quota(void *state)
{
	return is_changed(state, "quota");
}

static int
set_quota(const struct update *u, const json_t *vm, struct err *err)
{
	return u->pool->set_quota(
	    POOL_DEFAULT, u->j->uuid, json_member_int(vm, "quota", 0) * GIB, err);
}

static int
quota_run(void *state, struct err *err)
{
	const struct update *u = state;

	return set_quota(u, u->new, err);
}

static int
quota_undo(void *state, struct err *err)
{
	const struct update *u = state;

	return set_quota(u, u->old, err);
}

static bool
changes_config(void *state)
{
	return source_changed(state, SRC_XML);
}

/* The file as it is with the changed members of `vm`: what was not asked for is not touched. */
static int
save_config(const struct update *u, const json_t *vm, struct err *err)
{
	json_auto_t *stored = NULL;
	const char *name;
	json_t *unused;
	int r = zone_xml_load(u->j->uuid, &stored, NULL, NULL, err);

	if (r < 0)
		return r;
	json_object_foreach (u->changed, name, unused) {
		json_t *value = json_object_get(vm, name);

		if (prop_find(name)->source != SRC_XML)
			continue;
		if (value)
			json_object_set(stored, name, value);
		else
			json_object_del(stored, name);
	}
	return zone_xml_save(u->j->uuid, stored, err);
}

static int
config_run(void *state, struct err *err)
{
	const struct update *u = state;

	return save_config(u, u->new, err);
}

static int
config_undo(void *state, struct err *err)
{
	const struct update *u = state;

	return save_config(u, u->old, err);
}

/* last_modified is the newest mtime of configuration and files: it moves with every update. */
static bool
changes_neither(void *state)
{
	return !changes_config(state) && !changes_files(state);
}

static int
touch_run(void *state, struct err *err)
{
	return zone_xml_touch(((const struct update *)state)->j->uuid, err);
}

static bool
removes_volumes(void *state)
{
	return json_array_size(((const struct update *)state)->removed) > 0;
}

/* The configuration does not name them any more, and there is no way back: what cannot be removed
 * now is removed with the VM. */
static int
remove_volumes_run(void *state, struct err *err)
{
	const struct update *u = state;
	struct err e = { 0 };

	if (remove_paths(u, u->removed, &e) < 0)
		log_warn("a volume cannot be removed", LS("uuid", u->j->uuid), LE(&e));
	return 0;
}

static const struct step steps[] = {
	{ "add_volumes", add_volumes_run, add_volumes_undo, adds_volumes },
	{ "files", files_run, files_undo, changes_files },
	{ "quota", quota_run, quota_undo, changes_quota },
	{ "config", config_run, config_undo, changes_config },
	{ "touch", touch_run, NULL, changes_neither },
	{ "remove_volumes", remove_volumes_run, NULL, removes_volumes, true },
};

/* --- what a killed update left --- */

/* The array of volumes that there are now. */
static int
volumes_now(const struct update *u, json_t **ret, struct err *err)
{
	auto_strv char **paths = NULL;
	json_t *all;

	assert(u->pool);
	int r = u->pool->volumes(POOL_DEFAULT, u->j->uuid, &paths, err);

	if (r < 0)
		return r;
	all = json_array();
	for (char **path = paths; path && *path; path++)
		json_array_append_new(all, json_string(*path));
	*ret = all;
	return 0;
}

static bool
has_path(const json_t *paths, const char *path)
{
	const json_t *p;
	size_t i;

	json_array_foreach (paths, i, p)
		if (str_eq(json_string_value(p), path))
			return true;
	return false;
}

/* Volumes it made or was to remove, as far as the configuration does not name them. */
int
update_recover(struct job *j, const json_t *journal, struct err *err)
{
	const json_t *data = json_object_get(journal, "data");
	const json_t *had = json_object_get(data, "had"),
	             *removed = json_object_get(data, "removed");
	json_auto_t *stored = NULL, *now = NULL, *unnamed = json_array();
	struct update u = { .j = j };
	const json_t *path;
	size_t i;
	int r;

	if (!json_is_array(had)) /* it changed no disk */
		return 0;
	r = zone_xml_load(j->uuid, &stored, NULL, NULL, err);
	if (r == 0)
		r = pool_find(POOL_DEFAULT, &u.pool, err);
	if (r == 0)
		r = volumes_now(&u, &now, err);
	if (r < 0) /* on doubt nothing is destroyed */
		return r;
	json_array_foreach (now, i, path) {
		const char *name = json_string_value(path);

		if ((!has_path(had, name) || has_path(removed, name)) &&
		    !has_disk(json_object_get(stored, "disks"), name))
			json_array_append_new(unnamed, json_string(name));
	}
	return remove_paths(&u, unnamed, err);
}

/* --- before the first step --- */

static int
apply_payload(struct update *u, const json_t *payload, struct err *err)
{
	__attribute__((cleanup(vm_problems_done))) struct vm_problems problems = { 0 };
	enum brand brand = brand_of(json_member_str(u->old, "brand"));
	json_auto_t *update = NULL;

	if (!json_is_object(payload))
		return err_set(err, -EINVAL, NULL, "Invalid JSON payload: not an object");
	vm_payload_check(VM_ACTION_UPDATE, brand, payload, &update, &problems);
	if (vm_problems_fatal(&problems))
		return vm_problems_err(&problems, err);
	if (json_array_size(problems.bad_properties)) {
		auto_free char *dropped = json_text(problems.bad_properties);

		log_warn("properties are not used", LJ("properties", dropped));
	}
	return vm_payload_apply(u->old, update, &u->new, err);
}

static int
check_disks(const struct update *u, struct err *err)
{
	const char *state = str_or_empty(json_member_str(u->old, "state"));

	if (!is_changed(u, "disks") ||
	    (str_eq(json_member_str(u->old, "zone_state"), "installed") &&
	        str_eq(state, "stopped")))
		return 0;
	return err_set(err, -EBUSY, "disks",
	    "Disks of VM %s can be changed in state 'stopped' only (currently: %s)", u->j->uuid,
	    state);
}

static int
check_conflicts(const struct update *u, struct err *err)
{
	json_auto_t *others = NULL;
	struct op *op = u->j->op;
	int r;

	if (!op->others || (!is_changed(u, "nics") && !is_changed(u, "vnc_port")))
		return 0;
	r = op->others(op->arg, &others, err);
	return r < 0 ? r : vm_check_conflicts(u->new, others, err);
}

static int
check_host(struct update *u, struct err *err)
{
	int r = pool_find(POOL_DEFAULT, &u->pool, err);

	if (r == 0)
		r = check_disks(u, err);
	if (r == 0 && is_changed(u, "nics"))
		r = nic_tag_check(u->new, err);
	if (r == 0)
		r = vm_uid_get(u->j->uuid, &u->uid, err);
	if (r == 0)
		r = vm_check_paths(u->new, u->uid, u->changed, err);
	return r < 0 ? r : check_conflicts(u, err);
}

/* Names of changed members that a running VM takes up at its next boot. */
static json_t *
boot_members(const struct update *u)
{
	json_t *names = json_array(), *unused;
	const char *name;

	if (!str_eq(json_member_str(u->old, "zone_state"), "running"))
		return names;
	json_object_foreach (u->changed, name, unused) {
		const struct prop *p = prop_find(name);

		if (p->update == UPDATE_BOOT ||
		    (p->update == UPDATE_VERB && p->type == PROP_OBJECTS))
			json_array_append_new(names, json_string(name));
	}
	return names;
}

/* --- the operation --- */

static int
prepare(struct update *u, const json_t *payload, struct err *err)
{
	int r = load_one(u->j->uuid, true, &u->old, err);

	if (r == 0)
		r = apply_payload(u, payload, err);
	if (r < 0)
		return r;
	u->zonepath = json_member_str(u->old, "zonepath");
	u->changed = changed_members(u->old, u->new);
	u->made = json_array();
	u->removed = removed_volumes(u->old, u->new);
	return json_object_size(u->changed) ? check_host(u, err) : 0;
}

static int
write_all(struct update *u, struct err *err)
{
	auto_free char *path = path_hostf("%s/%s.busy", PATH_RUN_ZONES, u->j->uuid);
	auto_close int bracket = lock_take(path, BRACKET_WAIT_MS, err);
	json_t *data, *had = NULL;
	int r;

	if (bracket < 0)
		return bracket;
	r = is_changed(u, "disks") ? volumes_now(u, &had, err) : 0;
	if (r < 0)
		return r;
	u->journal = journal_new(u->j->name, u->j->uuid, u->j->op->by, job_reason(u->j));
	data = journal_data(u->journal);
	json_put(data, "had", had);
	json_put(data, "removed", json_incref(u->removed));
	return steps_run(u->j, steps, ARRAY_LEN(steps), u->journal, u, err);
}

static int
update_locked(struct update *u, const json_t *payload, json_t **ret_boot, struct err *err)
{
	struct err settle_err = { 0 };
	int settled, r = op_recover(u->j, err);

	if (r == 0)
		r = prepare(u, payload, err);
	if (r < 0)
		return r;
	if (json_object_size(u->changed)) {
		r = write_all(u, err);
		settled = job_settle(u->j, r < 0 ? &settle_err : err);
		r = r < 0 ? r : settled;
	}
	if (r == 0 && ret_boot)
		*ret_boot = boot_members(u);
	return r;
}

int
op_update(
    struct op *op, const char *uuid, const json_t *payload, json_t **ret_boot, struct err *err)
{
	__attribute__((cleanup(update_done))) struct update u = { .uid = (uid_t)-1 };
	AUTO_JOB struct job j = JOB_INIT;
	int r = job_begin(&j, op, "update", uuid, err);

	u.j = &j;
	if (r == 0)
		r = require_vm(uuid, err);
	if (r < 0)
		return r;
	r = job_lock(&j, LOCK_WAIT_UPDATE, err);
	if (r < 0)
		return r;
	r = update_locked(&u, payload, ret_boot, err);
	if (r == -ENOENT) /* recovery finished a killed delete or undid a killed create */
		job_unlock_gone(&j);
	return r;
}
