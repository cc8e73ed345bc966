/* The steps of a new VM: vm-lifecycle.md 5.2. Until the last one a failure leaves nothing; from
 * then on it is a VM. */
#include "ops/ops.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/own.h"
#include "base/paths.h"
#include "base/xmalloc.h"
#include "host/config_json.h"
#include "host/vm_uid.h"
#include "host/zone_dir.h"
#include "host/zone_index.h"
#include "host/zone_xml.h"
#include "net/nic_tag.h"
#include "ops/recover.h"
#include "ops/step.h"
#include "ops/stored.h"
#include "ops/volumes.h"
#include "pool/pool.h"
#include "vm/validate.h"
#include "vmm/vmm.h"
#include "json/json.h"

#define GIB          (INT64_C(1) << 30)
#define VM_VERSION   1
#define ZONEDID_FILE PATH_LIB "/zonedid"
#define ZONEDID_LOCK PATH_LIB "/zonedid.lock"

/* What the steps share. For undoing after a kill only uuid and pool are set. */
struct create {
	char uuid[UUID_LEN + 1];
	json_t *vm;     /* the object as it shall be; owned */
	char *zonepath; /* logical; owned */
	const struct pool_driver *pool;
	uid_t uid;
};

static void
create_done(struct create *c)
{
	json_decref(c->vm);
	free(c->zonepath);
}

static int
create_init(struct create *c, const char *uuid, struct err *err)
{
	*c = (struct create){ .uid = (uid_t)-1 };
	memcpy(c->uuid, uuid, sizeof(c->uuid));
	c->zonepath = xasprintf("%s/%s", PATH_POOL_ROOT, uuid);
	return pool_find(POOL_DEFAULT, &c->pool, err);
}

/* --- the steps --- */

static int
row_run(void *state, struct err *err)
{
	struct create *c = state;
	int r = zone_index_add(c->uuid, ZONE_CONFIGURED, c->zonepath, err);

	if (r == -EEXIST)
		err_set(err, r, "uuid", "VM with UUID %s already exists", c->uuid);
	return r;
}

static int
row_undo(void *state, struct err *err)
{
	return zone_index_remove(((struct create *)state)->uuid, err);
}

/* Disks whose volume does not exist yet have no path and no place in the configuration. */
static int
config_run(void *state, struct err *err)
{
	struct create *c = state;
	json_auto_t *vm = json_copy(c->vm);
	json_t *disks = json_array(), *disk;
	size_t i;

	json_array_foreach (json_object_get(c->vm, "disks"), i, disk)
		if (json_member_str(disk, "path"))
			json_array_append(disks, disk);
	json_put(vm, "disks", disks);
	return zone_xml_save(c->uuid, vm, err);
}

static int
config_undo(void *state, struct err *err)
{
	return zone_xml_remove(((struct create *)state)->uuid, err);
}

static int
incomplete_run(void *state, struct err *err)
{
	return zone_index_set_state(((struct create *)state)->uuid, ZONE_INCOMPLETE, err);
}

static int
uid_run(void *state, struct err *err)
{
	struct create *c = state;
	int r = vm_uid_get(c->uuid, &c->uid, err);

	return r < 0 ? r : vm_check_paths(c->vm, c->uid, NULL, err);
}

static int
uid_undo(void *state, struct err *err)
{
	return vm_uid_release(((struct create *)state)->uuid, err);
}

static int
filesystem_run(void *state, struct err *err)
{
	struct create *c = state;
	int64_t quota = json_member_int(c->vm, "quota", 0) * GIB;
	int r = c->pool->create_filesystem(POOL_DEFAULT, c->uuid, quota, err);

	return r < 0 ? r : zone_dir_create(c->zonepath, c->uid, err);
}

static int
storage_undo(void *state, struct err *err)
{
	struct create *c = state;

	return c->pool->remove_all(POOL_DEFAULT, c->uuid, err);
}

static bool
has_disks(void *state)
{
	return json_array_size(json_object_get(((struct create *)state)->vm, "disks")) > 0;
}

static int
volumes_run(void *state, struct err *err)
{
	struct create *c = state;
	const struct volumes v = { .uuid = c->uuid, .pool = c->pool, .uid = c->uid };
	int r = volumes_create(&v, json_object_get(c->vm, "disks"), NULL, NULL, err);

	return r < 0 ? r : zone_xml_save(c->uuid, c->vm, err);
}

static int
files_run(void *state, struct err *err)
{
	struct create *c = state;

	return config_json_save(c->zonepath, c->vm, err);
}

static int
installed_run(void *state, struct err *err)
{
	return zone_index_set_state(((struct create *)state)->uuid, ZONE_INSTALLED, err);
}

static int
finish_run(void *state, struct err *err)
{
	return config_edit(((struct create *)state)->uuid, "provisioning", NULL, err);
}

#define STEP_INSTALLED "installed"

static const struct step steps[] = {
	{ "row", row_run, row_undo },
	{ "config", config_run, config_undo },
	{ "incomplete", incomplete_run },
	{ "uid", uid_run, uid_undo },
	{ "filesystem", filesystem_run, storage_undo },
	{ "volumes", volumes_run, storage_undo, has_disks },
	{ "files", files_run },
	{ STEP_INSTALLED, installed_run },
	{ "finish", finish_run },
};

/* --- what a killed create left --- */

/* Its configuration was complete: the journal says so, or somebody made the row `installed` since.
 */
static int
is_complete(const char *uuid, const json_t *journal, bool *ret, struct err *err)
{
	AUTO(zone_index) struct zone_index *index = NULL;
	const struct zone_row *row;
	int r = zone_index_load(&index, err);

	if (r < 0)
		return r;
	row = zone_index_find(index, uuid);
	*ret = row &&
	       (row->state == ZONE_INSTALLED || journal_reached(journal, STEP_INSTALLED, false));
	return 0;
}

int
create_recover(struct job *j, const json_t *journal, struct err *err)
{
	__attribute__((cleanup(create_done))) struct create c = { 0 };
	bool complete = false;
	int r = create_init(&c, j->uuid, err);

	if (r == 0)
		r = is_complete(j->uuid, journal, &complete, err);
	if (r < 0)
		return r;
	if (complete)
		return finish_run(&c, err);
	return steps_undo(steps, ARRAY_LEN(steps), journal, &c, err);
}

/* --- before the first step: everything that can be known is checked --- */

/* The payload in canonical form with its defaults. Order of checks: vmadm.md 2.1. */
static int
check_payload(const json_t *payload, json_t **ret, struct err *err)
{
	__attribute__((cleanup(vm_problems_done))) struct vm_problems problems = { 0 };
	json_auto_t *vm = NULL;
	enum brand brand = brand_of(json_member_str(payload, "brand"));

	if (!json_is_object(payload))
		return err_set(err, -EINVAL, NULL, "Invalid JSON payload: not an object");
	vm_payload_check(VM_ACTION_CREATE, brand, payload, &vm, &problems);
	if (vm_problems_fatal(&problems))
		return vm_problems_err(&problems, err);
	if (json_array_size(problems.bad_properties)) {
		auto_free char *dropped = json_text(problems.bad_properties);

		log_warn("properties are not used", LJ("properties", dropped));
	}
	vm_payload_defaults(brand, vm);
	*ret = TAKE(vm);
	return 0;
}

static int
pin_machine(json_t *vm, const struct vmm_driver *driver, struct err *err)
{
	auto_free char *program = NULL;
	auto_free char *machine = NULL;
	int r = driver->program(&program, err);

	if (r == 0)
		r = driver->machine(program, &machine, err);
	json_put_str(vm, "machine_type", machine);
	return r;
}

static int
check_conflicts(struct op *op, const json_t *vm, struct err *err)
{
	json_auto_t *others = NULL;
	int r = op->others ? op->others(op->arg, &others, err) : 0;

	return r < 0 || !others ? r : vm_check_conflicts(vm, others, err);
}

static int
check_host(struct op *op, json_t *vm, struct err *err)
{
	const char *brand = str_or_empty(json_member_str(vm, "brand"));
	const struct pool_driver *pool;
	const struct vmm_driver *driver;
	const char *zpool = json_member_str(vm, "zpool");
	int r = vmm_find(brand, &driver, err);

	if (r == 0)
		r = pool_find(zpool ? zpool : POOL_DEFAULT, &pool, err);
	if (r == 0)
		r = vm_fix_nics(vm, err);
	if (r == 0)
		r = vm_fix_disks(vm, err);
	if (r == 0)
		r = nic_tag_check(vm, err);
	if (r == 0)
		r = vm_check_paths(vm, (uid_t)-1, NULL, err);
	if (r == 0)
		r = check_conflicts(op, vm, err);
	return r < 0 ? r : pin_machine(vm, driver, err);
}

/* A small number that names the VM on this host for ever: counted in a file. */
static int
next_zonedid(int64_t *ret, struct err *err)
{
	struct fs_owner owner = own_of(OWN_RUN_FILE, (uid_t)-1);
	auto_free char *path = path_host(ZONEDID_FILE);
	auto_free char *lock = path_host(ZONEDID_LOCK);
	auto_close int fd = lock_take(lock, LOCK_WAIT_FORCED, err);
	auto_buf struct buf b = BUF_INIT;
	int64_t last = 0;
	int r = fd < 0 ? fd : fs_read(path, 64, &b, NULL, err);

	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0 && b.len && b.data[b.len - 1] == '\n')
		b.data[--b.len] = '\0';
	if (r == 0 && str_to_int(b.data, false, 0, INT32_MAX - 1, &last) < 0)
		return err_set(err, -EBADMSG, ZONEDID_FILE, "%s is not a number", ZONEDID_FILE);
	buf_reset(&b);
	buf_addf(&b, "%lld\n", (long long)++last);
	r = fs_replace(path, b.data, b.len, &owner, err);
	if (r == 0)
		*ret = last;
	return r;
}

/* Bookkeeping members of a new VM. */
static int
complete_object(struct create *c, struct err *err)
{
	char now[ISO8601_SIZE];
	int64_t zonedid = 0;
	int r = next_zonedid(&zonedid, err);

	if (r < 0)
		return r;
	json_put_str(c->vm, "uuid", c->uuid);
	json_put_str(c->vm, "zonename", c->uuid);
	json_put_str(c->vm, "zonepath", c->zonepath);
	json_put_int(c->vm, "zonedid", zonedid);
	json_put_int(c->vm, "v", VM_VERSION);
	json_put_str(c->vm, "create_timestamp", iso8601_format(clock_wall_ms(), now));
	json_put_bool(c->vm, "provisioning", true);
	return 0;
}

/* Under the VM lock: neither row nor XML, and no storage of that name that nobody would own. */
static int
check_unused(const struct create *c, struct err *err)
{
	struct dataset_rows rows = { 0 };
	bool exists, storage;
	int r = vm_exists(c->uuid, &exists, err);

	assert(c->pool);
	if (r < 0)
		return r;
	if (exists)
		return err_set(err, -EEXIST, "uuid", "VM with UUID %s already exists", c->uuid);
	r = c->pool->vm_rows(POOL_DEFAULT, c->uuid, &rows, err);
	storage = rows.n > 0;
	dataset_rows_done(&rows);
	if (r == 0 && storage)
		return err_set(err, -EEXIST, "uuid",
		    "VM with UUID %s already exists as storage in pool %s", c->uuid, POOL_DEFAULT);
	return r;
}

/* --- the operation --- */

/* From the lock to the complete VM that does not run yet. */
static int
create_locked(struct job *j, struct create *c, struct err *err)
{
	AUTO(journal) struct journal *journal = NULL;
	int r = op_recover(j, err);

	if (r == 0)
		r = check_unused(c, err);
	if (r == 0)
		r = complete_object(c, err);
	if (r < 0)
		return r;
	journal = journal_new(j->name, j->uuid, j->op->by, job_reason(j));
	r = steps_run(j, steps, ARRAY_LEN(steps), journal, c, err);
	if (r == -EINTR)
		err_prefix(err, "VM %s was not created", j->uuid);
	return r;
}

static int
boot(struct job *j, const json_t *vm, struct err *err)
{
	int r;

	if (!json_member_bool(vm, "autoboot", true))
		return 0;
	r = job_check_interrupted(err);
	if (r == 0)
		r = start_locked(j, NULL, err);
	if (r < 0)
		err_prefix(err, "VM %s was created but not started", j->uuid);
	return r;
}

static void
choose_uuid(json_t *vm, char ret_uuid[UUID_LEN + 1])
{
	const char *given = json_member_str(vm, "uuid");

	if (given && uuid_valid(given))
		memcpy(ret_uuid, given, UUID_LEN + 1);
	else
		uuid_random(ret_uuid);
}

int
op_create(struct op *op, const json_t *payload, char ret_uuid[37], struct err *err)
{
	__attribute__((cleanup(create_done))) struct create c = { 0 };
	AUTO_JOB struct job j = JOB_INIT;
	json_auto_t *vm = NULL;
	struct err settle_err = { 0 };
	int settled, r = check_payload(payload, &vm, err);

	if (r < 0)
		return r;
	choose_uuid(vm, ret_uuid);
	json_put_str(vm, "uuid", ret_uuid);
	r = job_begin(&j, op, "create", ret_uuid, err);
	if (r == 0)
		r = check_host(op, vm, err);
	if (r == 0)
		r = create_init(&c, ret_uuid, err);
	c.vm = TAKE(vm);
	if (r == 0)
		r = job_lock(&j, LOCK_WAIT_OTHER, err);
	if (r < 0)
		return r;
	r = create_locked(&j, &c, err);
	if (r == 0)
		r = boot(&j, c.vm, err);
	settled = job_settle(&j, &settle_err);
	if (settled == -ENOENT)
		job_unlock_gone(&j);
	if (r == 0 && settled < 0 && err)
		*err = settle_err;
	return r < 0 ? r : settled;
}
