/*
 * The life of a VM:
 *
 *   (start)                                        (adopt)
 *      |                                              |
 *      v    QMP negotiated      "cont" answered       v
 *   LAUNCHED --------> CONT ----------------------> RUNNING
 *      ^  |             |                             |
 *      |  +-------------+---- the process has ended --+
 *      |                               v
 *      |                             GONE     its sockets are read to their end, 200 ms at most
 *      | delay                         |      verdict, lastexited, ledger
 *      |          policy: once more    |
 *   BACKOFF <--------------------------+----> DONE     state file removed, or `quarantined`
 *
 * The watch of the process is the only thing that leads to GONE. A lost QMP connection is made anew
 * while the process lives and changes no phase. Nobody has been told that the VM runs before
 * RUNNING: an end before that is the answer to the start.
 */
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/log.h"
#include "monitor/mon.h"
#include "vmm/vmm.h"
#include "json/json.h"

#define LAUNCH_MS     30000
#define CONNECT_MS    5 /* between tries while the process comes up */
#define GREETING_MS   5000
#define RECONNECT_MIN 100
#define RECONNECT_MAX 5000
#define DRAIN_MS      200
#define BACKOFF_MAX_S 60

const char *const mon_phase_names[MON_PHASE_COUNT] = {
	[MON_LAUNCHED] = "launched",
	[MON_CONT] = "cont",
	[MON_RUNNING] = "running",
	[MON_GONE] = "gone",
	[MON_BACKOFF] = "backoff",
	[MON_DONE] = "done",
};

static void on_qmp_timer(uv_timer_t *t);
static void exit_finished(struct mon *m);

/* --- Telling --- */

void
supervise_save(struct mon *m, enum run_phase phase)
{
	struct err err = { 0 };

	m->rs.phase = phase;
	if (run_state_save(m->uuid, &m->rs, &err) < 0)
		log_error("the run state is not written", LS("vm", m->uuid), LE(&err));
}

static void
ready_line(struct mon *m, json_t *owned)
{
	auto_buf struct buf b = BUF_INIT;

	if (m->ready_fd >= 0) {
		json_write(&b, owned, 0);
		buf_addc(&b, '\n');
		if (write(m->ready_fd, b.data, b.len) < 0)
			log_warn("nobody hears that we are ready", LS("vm", m->uuid),
			    LI("errno", errno));
		(void)close(take_fd(&m->ready_fd));
	}
	json_decref(owned);
}

void
ready_ok(struct mon *m)
{
	ready_line(m, json_pack("{s:b, s:i}", "ok", 1, "pid", (int)m->rs.hypervisor.pid));
}

void
ready_error(struct mon *m, const struct err *err)
{
	const char *name = strerrorname_np(-err->code);
	json_t *line = json_pack("{s:b, s:s}", "ok", 0, "code", name ? name : "EIO");
	auto_buf struct buf b = BUF_INIT;

	if (err->what[0])
		buf_addf(&b, "%s: ", err->what);
	buf_adds(&b, err->msg);
	/* The sentence may hold the hypervisor's own words, in whatever encoding. */
	if (!utf8_valid(b.data, b.len)) {
		for (size_t i = 0; i < b.len; i++) {
			if ((unsigned char)b.data[i] >= 0x80)
				b.data[i] = '?';
		}
	}
	json_put_str(line, "error", b.data);
	ready_line(m, line);
}

void
supervise_end(struct mon *m, int exit_code)
{
	m->phase = MON_DONE;
	m->exit_code = exit_code;
	uv_stop(&m->loop);
}

/* --- QMP events --- */

static void
on_shutdown(struct mon *m, const json_t *data)
{
	const char *reason = json_member_str(data, "reason");

	(void)snprintf(
	    m->facts.shutdown, sizeof(m->facts.shutdown), "%s", reason ? reason : "unknown");
	if (m->phase == MON_RUNNING)
		supervise_save(m, RUN_SHUTTING_DOWN);
}

static void
on_panic(struct mon *m, const json_t *data)
{
	const char *action = json_member_str(data, "action");

	m->facts.panicked = true;
	log_warn("the guest panicked", LS("vm", m->uuid), LS("action", action));
}

static void
on_block_error(struct mon *m, const json_t *data)
{
	log_error("a disk of the guest fails", LS("vm", m->uuid),
	    LS("device", json_member_str(data, "device")),
	    LS("operation", json_member_str(data, "operation")),
	    LS("action", json_member_str(data, "action")),
	    LS("reason", json_member_str(data, "reason")));
}

static void on_connected(struct mon *m, const json_t *data);

/* Events without a row are only of interest at level debug. */
static const struct {
	const char *name;
	void (*handle)(struct mon *m, const json_t *data); /* NULL: logged */
} event_rows[] = {
	{ "BLOCK_IO_ERROR", on_block_error },
	{ "GUEST_PANICKED", on_panic },
	{ "POWERDOWN", NULL },
	{ "RESET", NULL },
	{ "RESUME", NULL },
	{ "SHUTDOWN", on_shutdown },
	{ "STOP", NULL },
	{ "VMNODE_CONNECTED", on_connected },
	{ "WATCHDOG", NULL },
};

static void
on_event(void *arg, const char *event, const json_t *data, int64_t time_us)
{
	struct mon *m = arg;

	(void)time_us;
	for (size_t i = 0; i < ARRAY_LEN(event_rows); i++) {
		if (!str_eq(event_rows[i].name, event))
			continue;
		if (event_rows[i].handle)
			event_rows[i].handle(m, data);
		else
			log_info("guest event", LS("vm", m->uuid), LS("event", event));
		return;
	}
	log_debug("guest event", LS("vm", m->uuid), LS("event", event));
}

/* --- The QMP connection --- */

static void
on_qmp_closed(void *arg, const struct err *err)
{
	struct mon *m = arg;

	log_debug("QMP connection ended", LS("vm", m->uuid), LE(err));
	m->facts.listening = m->qmp_ready;
	m->qmp_ready = false;
	qmp_close(TAKE(m->qmp));
	if (m->phase == MON_GONE)
		exit_finished(m);
	else if (m->hyper)
		(void)uv_timer_start(&m->qmp_timer, on_qmp_timer, (uint64_t)m->qmp_delay_ms, 0);
}

static int64_t
reconnect_delay(int64_t last_ms)
{
	int64_t next = last_ms < RECONNECT_MIN ? RECONNECT_MIN : last_ms * 2;

	return next > RECONNECT_MAX ? RECONNECT_MAX : next;
}

static void
qmp_connect(struct mon *m)
{
	const struct qmp_callbacks cb = {
		.on_event = on_event, .on_closed = on_qmp_closed, .arg = m
	};
	int fd = tmp_connect(m, VMM_QMP_PRIVATE);

	if (fd >= 0) {
		m->qmp_delay_ms = RECONNECT_MIN;
		m->qmp =
		    qmp_new(&m->loop, fd, &cb, m->phase == MON_LAUNCHED ? LAUNCH_MS : GREETING_MS);
		return;
	}
	m->qmp_delay_ms = m->phase == MON_LAUNCHED ? CONNECT_MS : reconnect_delay(m->qmp_delay_ms);
	(void)uv_timer_start(&m->qmp_timer, on_qmp_timer, (uint64_t)m->qmp_delay_ms, 0);
}

static void
on_qmp_timer(uv_timer_t *t)
{
	struct mon *m = t->data;

	if (m->hyper && !m->qmp)
		qmp_connect(m);
}

/* --- From LAUNCHED to RUNNING --- */

static void
fail_launch(struct mon *m, const struct err *err)
{
	log_error("the hypervisor cannot be brought up", LS("vm", m->uuid), LE(err));
	ready_error(m, err);
	(void)proc_signal(m->hyper->pidfd, SIGKILL);
}

static void
enter_running(struct mon *m)
{
	(void)uv_timer_stop(&m->phase_timer);
	m->phase = MON_RUNNING;
	m->facts.ran = true;
	if (m->rs.boot_time_ms == 0)
		m->rs.boot_time_ms = clock_wall_ms();
	supervise_save(m, RUN_RUNNING);
	json_decref(TAKE(m->vm));
	(void)malloc_trim(0);
	log_info("VM running", LS("vm", m->uuid), LI("zoneid", m->rs.zoneid),
	    LI("hypervisor_pid", m->rs.hypervisor.pid));
	ready_ok(m);
}

static void
on_cont(void *arg, int code, const json_t *result, const struct err *err)
{
	struct mon *m = arg;

	(void)result;
	if (m->phase != MON_CONT)
		return;
	if (code == 0)
		enter_running(m);
	else if (m->hyper)
		fail_launch(m, err);
}

static void
on_password(void *arg, int code, const json_t *result, const struct err *err)
{
	struct mon *m = arg;

	(void)result;
	if (code < 0)
		log_warn(
		    "the VNC password is not set, nobody can log in", LS("vm", m->uuid), LE(err));
}

static void
let_go(struct mon *m)
{
	const char *password = json_member_str(m->vm, "vnc_password");

	m->phase = MON_CONT;
	if (password && *password)
		(void)qmp_invoke(m->qmp, "set_password",
		    json_pack("{s:s, s:s}", "protocol", "vnc", "password", password), 0,
		    on_password, m);
	(void)qmp_invoke(m->qmp, "cont", NULL, 0, on_cont, m);
}

/* After a reconnection: what happened meanwhile, and was the guest ever let go? */
static void
on_status(void *arg, int code, const json_t *result, const struct err *err)
{
	struct mon *m = arg;
	const char *status = json_member_str(result, "status");

	(void)err;
	if (code < 0 || m->phase != MON_RUNNING)
		return;
	if (str_eq(status, "prelaunch"))
		(void)qmp_invoke(m->qmp, "cont", NULL, 0, NULL, NULL);
	else if (str_eq(status, "guest-panicked"))
		m->facts.panicked = true;
	log_info("connected to the hypervisor again", LS("vm", m->uuid), LS("status", status));
}

static void
on_connected(struct mon *m, const json_t *data)
{
	(void)data;
	m->qmp_ready = true;
	m->qmp_delay_ms = 0;
	if (m->phase == MON_LAUNCHED) {
		console_connect(m);
		let_go(m);
	} else if (m->phase == MON_CONT) {
		/* The answer was lost with the connection; a second one does no harm. */
		(void)qmp_invoke(m->qmp, "cont", NULL, 0, on_cont, m);
	} else if (m->phase == MON_RUNNING) {
		(void)qmp_invoke(m->qmp, "query-status", NULL, 0, on_status, m);
		stop_on_connected(m);
	}
}

static void
on_launch_deadline(uv_timer_t *t)
{
	struct mon *m = t->data;
	struct err err = { 0 };

	(void)err_set(&err, -ETIMEDOUT, "hypervisor", "did not answer over QMP within %d s",
	    LAUNCH_MS / 1000);
	fail_launch(m, &err);
}

int
supervise_start(struct mon *m, struct err *err)
{
	int r;

	stop_forget(m);
	r = launch_hypervisor(m, err);
	if (r < 0)
		return r;
	m->phase = MON_LAUNCHED;
	(void)uv_timer_start(&m->phase_timer, on_launch_deadline, LAUNCH_MS, 0);
	qmp_connect(m);
	return 0;
}

int
supervise_adopt(struct mon *m, struct err *err)
{
	m->phase = MON_RUNNING;
	m->facts.ran = true;
	m->qmp_delay_ms = RECONNECT_MIN;
	if (vm_log_open(m, false, NULL) == 0)
		vm_log_watch(m);
	if (m->rs.boot_time_ms == 0)
		m->rs.boot_time_ms = clock_wall_ms();
	m->rs.phase = RUN_RUNNING;
	int r = run_state_save(m->uuid, &m->rs, err);
	if (r < 0)
		return r;
	qmp_connect(m);
	console_connect(m);
	return 0;
}

/* --- The end of the process --- */

static void
on_drained(uv_timer_t *t)
{
	exit_finished(t->data);
}

static void
reap(struct mon *m)
{
	int status;
	pid_t r;

	do
		r = waitpid(m->rs.hypervisor.pid, &status, WNOHANG);
	while (r < 0 && errno == EINTR);
	m->facts.status = m->is_child && r == m->rs.hypervisor.pid ? status : -1;
}

void
supervise_on_exit(uv_poll_t *poll, int status, int events)
{
	struct mon *m = ((struct hyper *)poll->data)->mon;

	(void)status;
	(void)events;
	m->exit_time_ms = clock_wall_ms();
	reap(m);
	hyper_unwatch(m);
	m->phase = MON_GONE;
	(void)uv_timer_stop(&m->stop.timer);
	(void)uv_timer_stop(&m->qmp_timer);
	/* The event with the reason may still be in the socket. */
	if (m->qmp)
		(void)uv_timer_start(&m->phase_timer, on_drained, DRAIN_MS, 0);
	else
		exit_finished(m);
}

/* --- Again, or not --- */

/* Exits within the window, this one included. */
static unsigned
count_exits(struct mon *m)
{
	int64_t since = m->exit_time_ms - conf_int("vm.restart_window") * 1000;
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_exits; i++) {
		if (m->exits[i] > since)
			m->exits[n++] = m->exits[i];
	}
	if (n == EXITS_MAX) {
		memmove(m->exits, m->exits + 1, (EXITS_MAX - 1) * sizeof(m->exits[0]));
		n--;
	}
	m->exits[n++] = m->exit_time_ms;
	m->n_exits = n;
	return n;
}

static int64_t
backoff_ms(unsigned exits)
{
	int64_t s = conf_int("vm.restart_delay");

	for (unsigned i = 1; i < exits && s < BACKOFF_MAX_S; i++)
		s *= 2;
	return (s > BACKOFF_MAX_S ? BACKOFF_MAX_S : s) * 1000;
}

static void after_exit(struct mon *m, enum exit_cause cause);

static void
restart(struct mon *m)
{
	struct err err = { 0 };
	int r;

	m->rs.restarts++;
	r = launch_load(m, &err);
	if (r == 0)
		r = supervise_start(m, &err);
	if (r == 0)
		return;
	log_error("the VM cannot be started again", LS("vm", m->uuid), LE(&err));
	/* No process, or one that nobody watches: it is not let live. */
	if (m->rs.hypervisor.pid > 0 && !m->hyper && m->is_child)
		(void)kill(m->rs.hypervisor.pid, SIGKILL);
	if (m->hyper)
		return;
	m->exit_time_ms = clock_wall_ms();
	after_exit(m, EXIT_HYPERVISOR_FAILURE);
}

static void
on_backoff(uv_timer_t *t)
{
	restart(t->data);
}

void
supervise_retry_now(struct mon *m)
{
	m->n_exits = 0;
	if (m->phase == MON_BACKOFF)
		(void)uv_timer_start(&m->phase_timer, on_backoff, 0, 0);
}

static void
enter_backoff(struct mon *m, unsigned exits)
{
	int64_t delay = backoff_ms(exits);

	m->phase = MON_BACKOFF;
	m->rs.hypervisor = (struct proc_id){ 0 };
	m->rs.boot_time_ms = 0;
	supervise_save(m, RUN_READY);
	log_info("restarting", LS("vm", m->uuid), LI("delay_ms", delay), LI("exits", exits));
	(void)uv_timer_start(&m->phase_timer, on_backoff, (uint64_t)delay, 0);
}

static void
enter_quarantine(struct mon *m)
{
	m->rs.hypervisor = (struct proc_id){ 0 };
	m->rs.monitor = (struct proc_id){ 0 };
	m->rs.boot_time_ms = 0;
	supervise_save(m, RUN_QUARANTINED);
	log_error(
	    "restart budget spent, quarantined", LS("vm", m->uuid), LI("restarts", m->rs.restarts));
	supervise_end(m, 0);
}

static void
enter_stopped(struct mon *m)
{
	struct err err = { 0 };

	if (run_state_remove(m->uuid, &err) < 0)
		log_error("the run state cannot be removed", LS("vm", m->uuid), LE(&err));
	supervise_end(m, 0);
}

void
supervise_give_up(struct mon *m)
{
	(void)uv_timer_stop(&m->phase_timer);
	enter_stopped(m);
	control_stopped(m, exit_causes[EXIT_REQUESTED_STOP].name, NULL);
}

/* The exit is in its files already, so whoever sees the state change sees why. */
static void
after_exit(struct mon *m, enum exit_cause cause)
{
	bool again = m->facts.ran || m->rs.restarts > 0;
	unsigned exits;

	again = again && m->stop.mode == STOP_NONE && verdict_restarts(m->policy, cause);
	if (!again) {
		enter_stopped(m);
	} else {
		exits = count_exits(m);
		if (exits > (unsigned)conf_int("vm.restart_budget"))
			enter_quarantine(m);
		else
			enter_backoff(m, exits);
	}
	control_stopped(m, exit_causes[cause].name, NULL);
}

static void
exit_finished(struct mon *m)
{
	auto_free char *words = NULL;
	struct err err = { 0 };
	enum exit_cause cause;

	(void)uv_timer_stop(&m->phase_timer);
	if (m->qmp) {
		m->facts.listening = m->qmp_ready;
		qmp_close(TAKE(m->qmp));
	}
	m->qmp_ready = false;
	console_disconnect(m);
	if (m->tmp_fd >= 0)
		(void)unlinkat(m->tmp_fd, VMM_PIDFILE, 0);
	cause = exit_record(m);
	words = vm_log_last_words(m);
	(void)err_set(&err, -EIO, "hypervisor", "ended before the guest ran: %s",
	    words ? words : exit_causes[cause].help);
	ready_error(m, &err);
	after_exit(m, cause);
}
