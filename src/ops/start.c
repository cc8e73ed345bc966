/* vm-lifecycle.md 5.1 and 5.3. */
#include "ops/ops.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/run_state.h"
#include "host/vm_uid.h"
#include "load/load.h"
#include "net/nic_tag.h"
#include "ops/halt.h"
#include "ops/recover.h"
#include "ops/step.h"
#include "ops/stored.h"
#include "vmm/monitor.h"
#include "vmm/vmm.h"
#include "json/json.h"

#define START_MS   300000 /* vm-lifecycle.md 2 */
#define VERDICT_MS 2000

struct start {
	struct job *j;
	const char *order;
};

/* The monitor was killed before it said anything; the hypervisor may be there. */
static bool
was_brought_up(struct job *j)
{
	struct vm_processes p = { 0 };

	halt_settle_lost(j);
	return vm_processes(j->uuid, &p, NULL) == 0 && p.hypervisor;
}

static int
boot_run(void *state, struct err *err)
{
	const struct start *s = state;
	const struct monitor_start m = { .uuid = s->j->uuid,
		.order = s->order,
		.reason = job_reason(s->j),
		.by = s->j->op->by,
		.timeout_ms = START_MS };
	int r;

	r = monitor_spawn(&m, err);
	return r == -ENOEXEC && was_brought_up(s->j) ? 0 : r;
}

/* The VM runs: that it would not boot with the host is no reason to fail. */
static void
note_autoboot(struct job *j)
{
	struct err e = { 0 };

	if (job_set_autoboot(j, true, &e) < 0)
		log_warn("autoboot cannot be set", LS("uuid", j->uuid), LE(&e));
}

static int
autoboot_run(void *state, struct err *err)
{
	note_autoboot(((const struct start *)state)->j);
	return 0;
}

static const struct step steps[] = {
	{ "boot", boot_run },
	{ "autoboot", autoboot_run },
};

/* The monitor runs on its own; only the autoboot of a user's start may be missing. */
int
start_recover(struct job *j, const json_t *journal, struct err *err)
{
	struct vm_processes p;
	int r = vm_processes(j->uuid, &p, err);

	if (r < 0 || !p.hypervisor || !str_eq(json_member_str(journal, "reason"), "user"))
		return r;
	return config_edit(j->uuid, "autoboot", json_true(), err);
}

/* --- what may stand in the way --- */

/* Nothing lives, but nobody wrote down how it ended. That this cannot be done does not keep the VM
 * from starting. */
static int
record_missed_exit(struct job *j, struct err *err)
{
	struct err e = { 0 };

	if (halt_adopt(j, &e) == 0)
		return 0;
	log_warn("an exit cannot be recorded", LS("uuid", j->uuid), LE(&e));
	return run_state_remove(j->uuid, err);
}

static int
release_quarantine(struct job *j, struct err *err)
{
	if (!op_is_users(j->op))
		return err_set(err, -EPERM, NULL,
		    "VM %s is quarantined: it failed too often and waits for a start by a user",
		    j->uuid);
	return run_state_remove(j->uuid, err);
}

/* Leave no doubt about processes of an earlier life. */
static int
settle_processes(struct job *j, struct err *err)
{
	struct vm_processes p;
	int r = vm_processes(j->uuid, &p, err);

	if (r < 0)
		return r;
	halt_wait_verdict(&p, VERDICT_MS);
	r = vm_processes(j->uuid, &p, err);
	if (r < 0 || p.monitor || p.rs.phase == RUN_NONE)
		return r;
	if (p.hypervisor)
		return halt_adopt(j, err);
	return p.rs.phase == RUN_QUARANTINED ? release_quarantine(j, err)
	                                     : record_missed_exit(j, err);
}

static int
check_state(struct job *j, const json_t *vm, struct err *err)
{
	const char *state = str_or_empty(json_member_str(vm, "state"));
	const char *zone_state = json_member_str(vm, "zone_state");

	if (str_eq(state, "running")) {
		if (!json_member_bool(vm, "autoboot", false))
			note_autoboot(j);
		return err_set(err, -EALREADY, NULL, "VM %s is already 'running'", j->uuid);
	}
	if (!str_eq(state, "stopped") &&
	    !(str_eq(state, "provisioning") && str_eq(zone_state, "installed")))
		return err_set(err, -EINVAL, NULL,
		    "Cannot start VM %s from state '%s', must be 'stopped'", j->uuid, state);
	return 0;
}

static int
check_host(const struct job *j, const json_t *vm, struct err *err)
{
	const struct vmm_driver *driver;
	uid_t uid;
	int r = vmm_find(str_or_empty(json_member_str(vm, "brand")), &driver, err);

	if (r == 0)
		r = nic_tag_check(vm, err);
	if (r < 0)
		return r;
	r = vm_uid_get(j->uuid, &uid, err);
	return r < 0 ? r : vm_check_paths(vm, uid, NULL, err);
}

int
start_locked(struct job *j, const char *order, struct err *err)
{
	AUTO(journal) struct journal *journal = NULL;
	const char *name = j->name;
	struct start s = { j, order };
	json_auto_t *vm = NULL;
	int r = settle_processes(j, err);

	if (r == 0)
		r = load_one(j->uuid, true, &vm, err);
	if (r == 0)
		r = check_state(j, vm, err);
	if (r == 0)
		r = check_host(j, vm, err);
	if (r < 0)
		return r;
	j->name = "start"; /* also as the last part of create */
	journal = journal_new(j->name, j->uuid, j->op->by, job_reason(j));
	r = steps_run(j, steps, ARRAY_LEN(steps), journal, &s, err);
	j->name = name;
	return r;
}

int
op_start(struct op *op, const char *uuid, const char *order, struct err *err)
{
	AUTO_JOB struct job j = JOB_INIT;
	struct err settle_err = { 0 };
	int settled, r = job_begin(&j, op, "start", uuid, err);

	if (r == 0)
		r = require_vm(uuid, err);
	if (r == 0)
		r = job_lock(&j, LOCK_WAIT_OTHER, err);
	if (r == 0)
		r = op_recover(&j, err);
	if (r < 0)
		return r;
	r = start_locked(&j, order, err);
	settled = job_settle(&j, &settle_err);
	if (settled == -ENOENT) /* recovery finished a killed delete or undid a killed create */
		job_unlock_gone(&j);
	if (r == 0 && settled < 0 && err)
		*err = settle_err;
	return r < 0 ? r : settled;
}
