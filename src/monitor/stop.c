/*
 * Stopping:
 *
 *   ACPI: power button ----> the guest obeys ----> process ends
 *              \--deadline--\
 *   FORCE ----------------- quit over QMP --3 s-- SIGTERM --3 s-- SIGKILL --4 s-- give up waiting
 *
 * Without a working QMP connection the first forced step is left out. A frozen process (SIGSTOP) is
 * reached by SIGKILL at the latest.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "base/proc.h"
#include "monitor/mon.h"

static void on_timer(uv_timer_t *t);

static void
arm(struct mon *m, int64_t ms)
{
	(void)uv_timer_start(&m->stop.timer, on_timer, (uint64_t)ms, 0);
}

static void
step_quit(struct mon *m)
{
	(void)qmp_invoke(m->qmp, "quit", NULL, 0, NULL, NULL);
}

static void
send_signal(struct mon *m, int sig)
{
	int r = proc_signal(m->hyper->pidfd, sig);

	if (r < 0 && r != -ESRCH)
		log_error("the hypervisor cannot be signalled", LS("vm", m->uuid),
		    LI("signal", sig), LI("errno", -r));
}

static void
step_term(struct mon *m)
{
	send_signal(m, SIGTERM);
}

static void
step_kill(struct mon *m)
{
	send_signal(m, SIGKILL);
}

static void
step_give_up(struct mon *m)
{
	struct err err = { 0 };

	/* It still counts as stopping: should the process end after all, its exit is recorded as
	 * usual. */
	m->stop.stuck = true;
	(void)err_set(&err, -EBUSY, "hypervisor", "process %d does not end, not even on SIGKILL",
	    m->rs.hypervisor.pid);
	log_error("forced stop has no effect", LS("vm", m->uuid), LE(&err));
	control_stopped(m, NULL, &err);
}

static const struct {
	void (*run)(struct mon *m);
	int64_t wait_ms; /* until the next step */
	bool needs_qmp;
} steps[] = {
	{ step_quit, 3000, true },
	{ step_term, 3000, false },
	{ step_kill, 4000, false },
	{ step_give_up, 0, false },
};

static void
next_step(struct mon *m)
{
	if (!m->hyper)
		return;
	if (m->stop.step < ARRAY_LEN(steps) && steps[m->stop.step].needs_qmp && !m->qmp_ready)
		m->stop.step++;
	if (m->stop.step >= ARRAY_LEN(steps))
		return;
	unsigned i = m->stop.step++;
	steps[i].run(m);
	if (steps[i].wait_ms > 0)
		arm(m, steps[i].wait_ms);
}

static void
force(struct mon *m, enum stop_mode mode)
{
	m->stop.mode = mode;
	m->stop.step = 0;
	m->stop.stuck = false;
	supervise_save(m, RUN_SHUTTING_DOWN);
	next_step(m);
}

static void
on_timer(uv_timer_t *t)
{
	struct mon *m = t->data;

	if (!m->hyper)
		return;
	if (m->stop.mode == STOP_ACPI) {
		log_warn("the guest did not stop in time, forcing it", LS("vm", m->uuid));
		force(m, STOP_DEADLINE);
	} else {
		next_step(m);
	}
}

static void
press(struct mon *m)
{
	if (m->qmp_ready)
		(void)qmp_invoke(m->qmp, "system_powerdown", NULL, 0, NULL, NULL);
}

void
stop_init(struct mon *m)
{
	(void)uv_timer_init(&m->loop, &m->stop.timer);
	m->stop.timer.data = m;
	stop_forget(m);
}

void
stop_forget(struct mon *m)
{
	(void)uv_timer_stop(&m->stop.timer);
	m->stop.mode = STOP_NONE;
	m->stop.step = 0;
	m->stop.stuck = false;
	m->stop.who = (struct who){ .uid = -1, .pid = -1 };
}

void
stop_on_connected(struct mon *m)
{
	/* A press that got lost with a connection, or was asked for without one, is made good.
	 * Twice does no harm. */
	if (m->stop.mode == STOP_ACPI)
		press(m);
}

void
stop_request(struct mon *m, enum stop_mode mode, int64_t timeout_ms, const struct who *who)
{
	log_info("stop requested", LS("vm", m->uuid), LB("force", mode == STOP_FORCE),
	    LI("timeout_ms", timeout_ms), LI("by_uid", who->uid), LI("by_pid", who->pid),
	    LS("by_program", who->program), LS("reason", who->reason));
	if (m->phase == MON_BACKOFF) {
		supervise_give_up(m);
		return;
	}
	if (m->phase == MON_GONE) {
		/* Too late to be the cause, in time to be obeyed. */
		(void)snprintf(m->policy, sizeof(m->policy), "never");
		return;
	}
	/* A guest that was never let go has no button to obey. */
	if (m->phase != MON_RUNNING)
		mode = STOP_FORCE;
	if (mode == STOP_FORCE && (m->stop.mode < STOP_FORCE || m->stop.stuck)) {
		m->stop.who = *who;
		force(m, STOP_FORCE);
	} else if (mode == STOP_ACPI && m->stop.mode == STOP_NONE) {
		m->stop.who = *who;
		m->stop.mode = STOP_ACPI;
		press(m);
		arm(m, timeout_ms);
	}
}
