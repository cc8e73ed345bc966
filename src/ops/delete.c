/*
 * vm-lifecycle.md 5.8. Works on a VM in any state, also on what is left of one; everything removed
 * is named by the uuid, and the row goes last, so that a VM of which anything is left can be found
 * and deleted again.
 */
#include "ops/ops.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/proc.h"
#include "host/run_state.h"
#include "host/vm_uid.h"
#include "host/zone_index.h"
#include "host/zone_xml.h"
#include "load/load.h"
#include "ops/halt.h"
#include "ops/recover.h"
#include "ops/step.h"
#include "ops/stored.h"
#include "pool/pool.h"
#include "json/json.h"

#define LOCK_SLICE_MS 2000 /* between two looks at what another operation started */

struct delete
{
	struct job *j;
	const char *uuid; /* of j */
};

/* --- the steps --- */

/* Killed after this one, the VM does not come back with the host. */
static int
autoboot_run(void *state, struct err *err)
{
	const struct delete *d = state;
	struct err e = { 0 };

	if (config_edit(d->uuid, "autoboot", json_false(), &e) < 0)
		log_info("autoboot cannot be cleared", LS("uuid", d->uuid), LE(&e));
	return 0;
}

static int
halt_run(void *state, struct err *err)
{
	const struct delete *d = state;
	struct vm_processes p;
	int r = vm_processes(d->uuid, &p, err);

	if (r == 0)
		r = halt_force(d->j, err);
	if (r == 0)
		halt_end_monitor(&p);
	return r;
}

static int
set_state(const char *uuid, enum zone_state state, struct err *err)
{
	int r = zone_index_set_state(uuid, state, err);

	return r == -ENOENT ? 0 : r; /* only the XML file was left */
}

static int
uninstall_run(void *state, struct err *err)
{
	const struct delete *d = state;
	const struct pool_driver *pool;
	int r = pool_find(POOL_DEFAULT, &pool, err);

	if (r == 0)
		r = set_state(d->uuid, ZONE_INCOMPLETE, err);
	if (r == 0)
		r = pool->remove_all(POOL_DEFAULT, d->uuid, err);
	return r < 0 ? r : set_state(d->uuid, ZONE_CONFIGURED, err);
}

static int
run_files_run(void *state, struct err *err)
{
	static const char *const suffixes[] = { "sock", "busy", "lock" };
	const struct delete *d = state;
	int r = run_state_remove(d->uuid, err);

	for (unsigned i = 0; i < ARRAY_LEN(suffixes) && r == 0; i++) {
		auto_free char *path = path_hostf("%s/%s.%s", PATH_RUN_ZONES, d->uuid, suffixes[i]);

		r = fs_unlink(path, err);
	}
	return r;
}

static int
config_run(void *state, struct err *err)
{
	return zone_xml_remove(((const struct delete *)state)->uuid, err);
}

static int
uid_run(void *state, struct err *err)
{
	return vm_uid_release(((const struct delete *)state)->uuid, err);
}

/* What is left of other operations means nothing any more. Our own journal is removed when we are
 * done. */
static int
journals_run(void *state, struct err *err)
{
	const struct delete *d = state;
	int r = 0;

	for (unsigned i = 0; journal_ops[i] && r == 0; i++)
		if (!str_eq(journal_ops[i], "delete"))
			r = journal_remove(journal_ops[i], d->uuid, err);
	return r;
}

static int
row_run(void *state, struct err *err)
{
	return zone_index_remove(((const struct delete *)state)->uuid, err);
}

static const struct step steps[] = {
	{ "autoboot", autoboot_run },
	{ "halt", halt_run },
	{ "uninstall", uninstall_run },
	{ "run", run_files_run },
	{ "uid", uid_run },
	{ "journals", journals_run },
	{ "config", config_run },
	{ "row", row_run },
};

/* --- the operation --- */

static int
run_steps(struct job *j, struct err *err)
{
	AUTO(journal)
	struct journal *journal = journal_new("delete", j->uuid, j->op->by, job_reason(j));
	struct delete d = { j, j->uuid };

	return steps_run(j, steps, ARRAY_LEN(steps), journal, &d, err);
}

/* Every step is repeatable, so finishing is beginning again. */
int
delete_recover(struct job *j, const json_t *journal, struct err *err)
{
	return run_steps(j, err);
}

static int
check_indestructible(const char *uuid, struct err *err)
{
	static const char *const flags[] = { "indestructible_zoneroot",
		"indestructible_delegated" };
	json_auto_t *vm = NULL;
	int r = load_one(uuid, false, &vm, err);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < ARRAY_LEN(flags); i++)
		if (json_member_bool(vm, flags[i], false))
			return err_set(err, -EPERM, flags[i], "%s is set", flags[i]);
	return 0;
}

/* A row, an XML file, or what a killed delete or create left in the journals' hands. */
static int
is_there(const char *uuid, bool *ret, struct err *err)
{
	static const char *const ops[] = { "delete", "create" };
	int r = vm_exists(uuid, ret, err);

	for (unsigned i = 0; i < ARRAY_LEN(ops) && r == 0 && !*ret; i++) {
		json_auto_t *journal = NULL;

		*ret = journal_load(ops[i], uuid, &journal, NULL) != -ENOENT;
	}
	return r;
}

/* An update or start of a VM that is to go may end: it is asked to give up. */
static void
interrupt_others(const struct job *j)
{
	static const char *const ops[] = { "update", "start" };

	for (unsigned i = 0; i < ARRAY_LEN(ops); i++) {
		json_auto_t *journal = NULL;
		struct proc_id id;

		if (journal_load(ops[i], j->uuid, &journal, NULL) == 0 &&
		    journal_is_live(journal, &id)) {
			auto_close int fd = proc_open(&id);

			if (fd >= 0)
				(void)proc_signal(fd, SIGTERM);
		}
	}
}

/* What the other operation waits for may be a hypervisor that hangs: that is ended meanwhile. */
static int
lock_busy(struct job *j, struct err *err)
{
	int64_t left_ms;
	int r = check_indestructible(j->uuid, err);

	if (r < 0 && r != -ENOENT)
		return r;
	interrupt_others(j);
	for (left_ms = LOCK_WAIT_DELETE, r = -EBUSY; r == -EBUSY && left_ms > 0;
	     left_ms -= LOCK_SLICE_MS) {
		(void)halt_force(j, NULL);
		r = job_lock(j, LOCK_SLICE_MS, err);
	}
	return r;
}

/* A create or delete that was killed while it wrote its first journal left a file and nothing else.
 * Under the lock: nobody begins one now. */
static void
remove_traces(const struct job *j)
{
	for (unsigned i = 0; journal_ops[i]; i++)
		(void)journal_remove(journal_ops[i], j->uuid, NULL);
}

static int
delete_locked(struct job *j, struct err *err)
{
	bool there;
	int r = is_there(j->uuid, &there, err);

	if (r < 0)
		return r;
	if (!there) {
		remove_traces(j);
		return err_set(err, -ENOENT, "uuid", "VM %s not found", j->uuid);
	}
	r = check_indestructible(j->uuid, err);
	return r < 0 && r != -ENOENT ? r : run_steps(j, err);
}

int
op_delete(struct op *op, const char *uuid, struct err *err)
{
	AUTO_JOB struct job j = JOB_INIT;
	struct err settle_err = { 0 };
	int settled, r = job_begin(&j, op, "delete", uuid, err);
	bool there = false;

	if (r == 0)
		r = is_there(uuid, &there, err);
	if (r < 0)
		return r;
	r = job_lock(&j, 0, err);
	if (r == -EBUSY)
		r = there ? lock_busy(&j, err)
		          : err_set(err, -ENOENT, "uuid", "VM %s not found", uuid);
	if (r < 0)
		return r;
	r = delete_locked(&j, err);
	settled = job_settle(&j, &settle_err);
	if (settled == -ENOENT) {
		job_unlock_gone(&j);
		settled = 0;
	}
	if (r == 0 && settled < 0 && err)
		*err = settle_err;
	return r < 0 ? r : settled;
}
