#include "ops/halt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "vmm/monitor.h"
#include "json/json.h"

#define ANSWER_MS 10000 /* a healthy monitor answers at once */
#define SLICE_MS  250   /* between two looks at signals and processes */
#define GRACE_MS                                                                                   \
	30000 /* for a forced end and its record, after the deadline of a graceful stop            \
	       */
#define KILL_MS        10000 /* for the kernel to end a killed process */
#define VERDICT_MS     1000
#define ADOPT_MS       20000
#define FORCE_ATTEMPTS 3

static int64_t
now_ms(void)
{
	return clock_mono_ns() / 1000000;
}

/* --- processes --- */

/* true when it is gone. */
static bool
wait_gone(const struct proc_id *id, int64_t timeout_ms)
{
	auto_close int fd = proc_open(id);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	if (fd == -ESRCH)
		return true;
	if (fd >= 0)
		(void)poll(&pfd, 1, (int)timeout_ms);
	return !proc_is_alive(id);
}

void
halt_wait_verdict(const struct vm_processes *p, int64_t timeout_ms)
{
	if (p->monitor && !p->hypervisor)
		(void)wait_gone(&p->rs.monitor, timeout_ms);
}

static void
kill_process(const struct proc_id *id)
{
	auto_close int fd = proc_open(id);

	if (fd >= 0)
		(void)proc_signal(fd, SIGKILL);
}

void
halt_end_monitor(const struct vm_processes *p)
{
	if (p->monitor && !wait_gone(&p->rs.monitor, VERDICT_MS))
		kill_process(&p->rs.monitor);
}

/* Something ran and nobody wrote down how it ended. */
static bool
is_unrecorded(const struct vm_processes *p)
{
	return !p->hypervisor && !p->monitor && p->rs.phase != RUN_NONE &&
	       p->rs.phase != RUN_QUARANTINED;
}

int
halt_adopt(struct job *j, struct err *err)
{
	const struct monitor_start s = { .uuid = j->uuid,
		.reason = job_reason(j),
		.by = j->op->by,
		.adopt = 1,
		.timeout_ms = ADOPT_MS };

	return monitor_spawn(&s, err);
}

/*
 * Neither of the processes that the run state names is there. A new monitor records the end, or
 * takes over a hypervisor whose monitor was killed before it could write down which process it is.
 * 1: nothing runs; 0: look again.
 */
static int
record_lost(struct job *j, const struct vm_processes *p)
{
	struct vm_processes now = { 0 };
	struct err e = { 0 };

	if (!is_unrecorded(p))
		return 1;
	if (halt_adopt(j, &e) < 0) {
		log_warn("an exit cannot be recorded", LS("uuid", j->uuid), LE(&e));
		return 1;
	}
	return vm_processes(j->uuid, &now, NULL) == 0 && (now.hypervisor || now.monitor) ? 0 : 1;
}

void
halt_settle_lost(struct job *j)
{
	struct vm_processes p = { 0 };

	if (vm_processes(j->uuid, &p, NULL) == 0 && !p.hypervisor && !p.monitor)
		(void)record_lost(j, &p);
}

/* --- asking the monitor --- */

static json_t *
stop_request(const struct job *j, const char *mode, int64_t timeout_ms)
{
	json_t *o = json_object();

	json_put_str(o, "verb", "stop");
	json_put_str(o, "mode", mode);
	json_put_int(o, "timeout_ms", timeout_ms);
	json_put_str(o, "reason", job_reason(j));
	json_put_str(o, "program", "vmadm");
	json_put_str(o, "by", j->op->by);
	return o;
}

/* The connection failed, not the request: it may be repeated. */
static bool
is_transport_error(int r)
{
	return r == -ECONNREFUSED || r == -ENOENT || r == -ECONNRESET || r == -EPIPE ||
	       r == -ETIMEDOUT || r == -EAGAIN || r == -ENOTCONN;
}

/* Wait for the second answer: the process is gone and its exit is recorded. A forced end is not
 * given up. */
static int
wait_stopped(struct monitor_conn *c, bool forced, int64_t end_ms, struct err *err)
{
	for (;;) {
		json_auto_t *answer = NULL;
		int r = monitor_next(c, SLICE_MS, &answer, err);

		if (r == 0 && json_member_bool(answer, "stopped", false))
			return 0;
		if (r < 0 && r != -ETIMEDOUT && r != -EAGAIN && r != -EINTR)
			return r;
		r = forced ? 0 : job_check_interrupted(err);
		if (r < 0)
			return r;
		if (now_ms() >= end_ms)
			return err_set(err, -ETIMEDOUT, NULL, "the VM did not stop in time");
	}
}

static void
close_conn(struct monitor_conn **c)
{
	if (*c)
		monitor_close(*c);
}

static int
request_stop(struct job *j, bool forced, int64_t timeout_ms, int64_t end_ms, struct err *err)
{
	__attribute__((cleanup(close_conn))) struct monitor_conn *c = NULL;
	json_auto_t *answer = NULL;
	int r = monitor_connect(j->uuid, &c, err);

	if (r < 0)
		return r;
	r = monitor_ask(
	    c, stop_request(j, forced ? "force" : "acpi", timeout_ms), ANSWER_MS, &answer, err);
	if (r < 0 || json_member_bool(answer, "stopped", false))
		return r;
	return wait_stopped(c, forced, end_ms, err);
}

/* --- the two ways --- */

/* One attempt: 1 when nothing runs any more, 0 to try again. */
static int
graceful_attempt(struct job *j, int64_t deadline_ms, struct err *err)
{
	int64_t left = deadline_ms - now_ms();
	struct vm_processes p;
	int r = vm_processes(j->uuid, &p, err);

	if (r < 0)
		return r;
	if (!p.hypervisor && !p.monitor)
		return record_lost(j, &p);
	if (!p.monitor) {
		r = halt_adopt(j, err);
		return r < 0 ? r : 0;
	}
	r = request_stop(j, false, left > 0 ? left : 0, deadline_ms + GRACE_MS, err);
	if (r == 0)
		return 1;
	if (!is_transport_error(r))
		return r;
	(void)wait_gone(&p.rs.monitor, SLICE_MS); /* it is starting, or ending */
	return 0;
}

int
halt_graceful(struct job *j, int64_t timeout_ms, struct err *err)
{
	int64_t deadline_ms = now_ms() + timeout_ms;
	int r = 0;

	while (r == 0) {
		r = graceful_attempt(j, deadline_ms, err);
		if (r == 0)
			r = job_check_interrupted(err);
		if (r == 0 && now_ms() >= deadline_ms + GRACE_MS)
			r = err_set(err, -ETIMEDOUT, NULL, "VM %s did not stop in time", j->uuid);
	}
	if (r == -EINTR)
		err_prefix(err, "the VM goes on stopping");
	return r < 0 ? r : 0;
}

/* 1 when nothing runs any more, 0 when the monitor could not do it. */
static int
force_attempt(struct job *j, struct err *err)
{
	struct vm_processes p;
	int r = vm_processes(j->uuid, &p, err);

	if (r < 0)
		return r;
	if (!p.hypervisor && !p.monitor)
		return record_lost(j, &p);
	if (!p.monitor)
		(void)halt_adopt(j, NULL);
	r = request_stop(j, true, 0, now_ms() + ANSWER_MS, NULL);
	if (r == 0)
		return 1;
	halt_wait_verdict(&p, VERDICT_MS);
	return r == -ETIMEDOUT ? -ETIMEDOUT : 0;
}

/* The monitor is stuck: end both ourselves. */
static int
kill_both(struct job *j, struct err *err)
{
	struct vm_processes p;
	int r = vm_processes(j->uuid, &p, err);

	if (r < 0)
		return r;
	if (p.hypervisor) {
		kill_process(&p.rs.hypervisor);
		if (!wait_gone(&p.rs.hypervisor, KILL_MS))
			return err_set(err, -EBUSY, NULL, "process %d of VM %s cannot be killed",
			    (int)p.rs.hypervisor.pid, j->uuid);
	}
	if (p.monitor && !wait_gone(&p.rs.monitor, VERDICT_MS)) {
		kill_process(&p.rs.monitor);
		if (!wait_gone(&p.rs.monitor, KILL_MS))
			return err_set(err, -EBUSY, NULL, "vm-monitor %d of VM %s cannot be killed",
			    (int)p.rs.monitor.pid, j->uuid);
	}
	r = vm_processes(j->uuid, &p, err);
	if (r == 0)
		(void)record_lost(j, &p);
	return r;
}

int
halt_force(struct job *j, struct err *err)
{
	int r = 0;

	for (unsigned i = 0; i < FORCE_ATTEMPTS && r == 0; i++)
		r = force_attempt(j, err);
	if (r == 1)
		return 0;
	return r < 0 && r != -ETIMEDOUT ? r : kill_both(j, err);
}
