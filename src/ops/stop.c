/*
 * vm-lifecycle.md 5.6. The lock is held while something is written, not while the guest takes its
 * time: stop -F and delete never wait behind a graceful stop.
 */
#include "ops/ops.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "host/zone_xml.h"
#include "load/load.h"
#include "ops/halt.h"
#include "ops/recover.h"
#include "ops/step.h"
#include "ops/stored.h"
#include "json/json.h"

#define DEFAULT_TIMEOUT_S 180
#define STOPPING          "stopping:"

/* --- the transition record --- */

static int
set_transition(struct job *j, int64_t timeout_ms, struct err *err)
{
	auto_free char *text = xasprintf(STOPPING "stopped:%" PRId64, clock_wall_ms() + timeout_ms);

	return config_edit(j->uuid, "transition", json_string(text), err);
}

int
stop_clear_transition(struct job *j, struct err *err)
{
	json_auto_t *stored = NULL;
	struct vm_processes p;
	int r = zone_xml_load(j->uuid, &stored, NULL, NULL, NULL);

	/* A VM whose file is missing or broken has no record either. */
	if (r < 0 || !str_starts(str_or_empty(json_member_str(stored, "transition")), STOPPING))
		return 0;
	r = vm_processes(j->uuid, &p, err);
	if (r < 0 || p.hypervisor || p.monitor)
		return r;
	return config_edit(j->uuid, "transition", NULL, err);
}

/* --- is there anything to stop? --- */

static int
already_stopped(const struct job *j, struct err *err)
{
	json_auto_t *vm = NULL;
	int r = load_one(j->uuid, false, &vm, err);

	if (r < 0)
		return r;
	return err_set(err, -EALREADY, NULL, "VM %s is already not 'running' (currently: %s)",
	    j->uuid, str_or_empty(json_member_str(vm, "state")));
}

static bool
is_being_stopped(const struct job *j)
{
	json_auto_t *other = NULL;

	return journal_load("stop", j->uuid, &other, NULL) == 0 && journal_is_live(other, NULL);
}

static bool
runs(const char *uuid)
{
	struct vm_processes p;

	return uuid_valid(uuid) && vm_processes(uuid, &p, NULL) == 0 && (p.hypervisor || p.monitor);
}

/* 0 when there is a process that nobody is stopping yet. */
static int
check_running(struct job *j, bool force, struct err *err)
{
	struct vm_processes p;
	int r;

	halt_settle_lost(j);
	r = vm_processes(j->uuid, &p, err);
	if (r < 0)
		return r;
	if ((p.hypervisor || p.monitor) && (force || !is_being_stopped(j)))
		return 0;
	return already_stopped(j, err);
}

/* --- graceful --- */

/* Under the lock: autoboot first of all, then the record of what will happen. */
static int
begin_graceful(struct job *j, int64_t timeout_ms, struct journal **ret, struct err *err)
{
	AUTO(journal) struct journal *journal = NULL;
	int r = op_recover(j, err);

	if (r == 0)
		r = require_vm(j->uuid, err);
	if (r == 0)
		r = job_set_autoboot(j, false, err);
	if (r == 0)
		r = check_running(j, false, err);
	if (r < 0)
		return r;
	journal = journal_new(j->name, j->uuid, j->op->by, job_reason(j));
	r = journal_step(journal, "transition", err);
	if (r == 0)
		r = set_transition(j, timeout_ms, err);
	if (r == 0)
		r = step_fault(j->name, "transition", err);
	if (r == 0)
		r = journal_step(journal, "halt", err);
	if (r < 0)
		(void)journal_end(journal, NULL);
	else
		*ret = TAKE(journal);
	return r;
}

/* The record goes when the VM is down; when it is not, the record stays true: the monitor keeps the
 * deadline. */
static int
end_graceful(struct job *j, struct journal *journal, struct err *err)
{
	int r = job_lock(j, LOCK_WAIT_OTHER, err);

	if (r == 0)
		r = stop_clear_transition(j, err);
	if (r == 0)
		r = journal_end(journal, err);
	job_unlock(j);
	return r;
}

static int
stop_graceful(struct job *j, int64_t timeout_ms, struct err *err)
{
	AUTO(journal) struct journal *journal = NULL;
	struct err e = { 0 };
	int ended, r = job_lock(j, LOCK_WAIT_OTHER, err);

	if (r == 0)
		r = begin_graceful(j, timeout_ms, &journal, err);
	if (r == -ENOENT) /* recovery finished a killed delete or undid a killed create */
		job_unlock_gone(j);
	job_unlock(j);
	if (r < 0)
		return r;
	r = halt_graceful(j, timeout_ms, err);
	if (r == 0)
		r = step_fault(j->name, "halt", err);
	if (r ==
	    -EINTR) { /* nobody waits for the end any more; the next operation clears the record */
		(void)journal_end(journal, NULL);
		return r;
	}
	ended = end_graceful(j, journal, r < 0 ? &e : err);
	return r < 0 ? r : ended;
}

/* --- forced --- */

/* What is written after a forced stop is bookkeeping: the VM is down, and a busy lock must not hold
 * us up. */
static void
note_forced(struct job *j, bool was_running)
{
	struct err e = { 0 };
	int r = job_lock(j, LOCK_WAIT_FORCED, &e);

	if (r == 0 && was_running)
		r = job_set_autoboot(j, false, &e);
	if (r == 0)
		r = op_recover(j, &e);
	if (r < 0)
		log_warn("a forced stop cannot be noted", LS("uuid", j->uuid), LE(&e));
	job_unlock(j);
}

static int
stop_forced(struct job *j, struct err *err)
{
	int r = check_running(j, true, err);

	if (r == 0) {
		r = halt_force(j, err);
		if (r == 0)
			r = step_fault(j->name, "force", err);
		if (r == 0)
			note_forced(j, true);
	} else if (r == -EALREADY) {
		note_forced(j, false);
	}
	return r;
}

int
op_stop(struct op *op, const char *uuid, bool force, int64_t timeout_s, struct err *err)
{
	AUTO_JOB struct job j = JOB_INIT;
	struct err settle_err = { 0 };
	int settled, r = job_begin(&j, op, "stop", uuid, err);

	if (r == 0)
		r = require_vm(uuid, err);
	/* What runs can be halted, whatever became of its configuration. */
	if (r < 0 && !(force && runs(uuid)))
		return r;
	if (timeout_s <= 0)
		timeout_s = DEFAULT_TIMEOUT_S;
	r = force ? stop_forced(&j, err) : stop_graceful(&j, timeout_s * 1000, err);
	settled = job_settle(&j, &settle_err);
	if (r == 0 && settled < 0 && err)
		*err = settle_err;
	return r < 0 ? r : settled;
}
