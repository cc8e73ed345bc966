/* What can be asked over the control socket: ONE table. Requests and answers are described in
 * vmm/monitor.h. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "monitor/mon.h"
#include "json/json.h"

#define STOP_DEFAULT_MS 180000
#define STOP_MAX_MS     (24LL * 3600 * 1000)

static json_t *
ok(void)
{
	return json_pack("{s:b}", "ok", 1);
}

static void
verb_status(struct mon *m, struct conn *c, const json_t *request)
{
	char date[ISO8601_SIZE];
	json_t *a = ok();

	(void)request;
	json_put_str(a, "uuid", m->uuid);
	json_put_str(a, "phase", mon_phase_names[m->phase]);
	json_put_str(a, "state", run_phase_names[m->rs.phase]);
	json_put_int(a, "zoneid", m->rs.zoneid);
	json_put_int(a, "monitor_pid", getpid());
	if (m->rs.hypervisor.pid > 0)
		json_put_int(a, "pid", m->rs.hypervisor.pid);
	if (m->rs.boot_time_ms > 0)
		json_put_str(a, "boot_timestamp", iso8601_format(m->rs.boot_time_ms, date));
	json_put_int(a, "restarts", m->rs.restarts);
	json_put_str(a, "restart_policy", m->policy);
	json_put_str(a, "accel", m->rs.accel);
	json_put_bool(a, "connected", m->qmp_ready);
	json_put_bool(a, "stopping", m->stop.mode != STOP_NONE);
	json_put_int(a, "console_clients", console_clients(m));
	conn_reply(c, a);
}

static void
copy_text(char *to, size_t size, const char *from)
{
	(void)snprintf(to, size, "%s", str_or_empty(from));
}

static void
verb_stop(struct mon *m, struct conn *c, const json_t *request)
{
	static const struct {
		const char *name;
		enum stop_mode mode;
	} modes[] = { { "acpi", STOP_ACPI }, { "force", STOP_FORCE } };
	const char *name = json_member_str(request, "mode");
	const char *by = json_member_str(request, "by");
	int64_t timeout_ms = json_member_int(request, "timeout_ms", STOP_DEFAULT_MS);
	struct who who = { .uid = conn_peer(c)->uid, .pid = conn_peer(c)->pid };
	struct err err = { 0 };
	json_t *accepted;

	/* A command that works for somebody else says for whom. */
	copy_text(
	    who.program, sizeof(who.program), json_member_str(request, by ? "by" : "program"));
	copy_text(who.reason, sizeof(who.reason), json_member_str(request, "reason"));
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		if (!str_eq(modes[i].name, name ? name : "acpi"))
			continue;
		if (timeout_ms < 0 || timeout_ms > STOP_MAX_MS) {
			(void)err_set(&err, -EINVAL, "timeout_ms",
			    "timeout_ms must be from 0 to %lld", (long long)STOP_MAX_MS);
			break;
		}
		accepted = ok();
		json_put_bool(accepted, "accepted", true);
		conn_reply(c, accepted);
		conn_wait_stop(c);
		stop_request(m, modes[i].mode, timeout_ms, &who);
		return;
	}
	if (err.code == 0)
		(void)err_set(&err, -EINVAL, "mode", "mode must be acpi or force");
	conn_reply_error(c, &err);
}

static void
verb_policy(struct mon *m, struct conn *c, const json_t *request)
{
	static const char *const policies[] = { "never", "on-failure", "always", NULL };
	const char *policy = json_member_str(request, "restart");
	struct err err = { 0 };

	if (!str_in(str_or_empty(policy), policies)) {
		(void)err_set(
		    &err, -EINVAL, "restart", "restart must be never, on-failure or always");
		conn_reply_error(c, &err);
		return;
	}
	copy_text(m->policy, sizeof(m->policy), policy);
	m->policy_fixed = true;
	conn_reply(c, ok());
}

/* Forget the failures so far; a VM that waits for its next start gets it at once. */
static void
verb_release(struct mon *m, struct conn *c, const json_t *request)
{
	(void)request;
	supervise_retry_now(m);
	conn_reply(c, ok());
}

/* --- QMP through us --- */

static void
on_qmp_reply(void *arg, int code, const json_t *result, const struct err *err)
{
	struct conn *c = arg;
	json_t *answer;

	if (code < 0) {
		conn_reply_error(c, err);
	} else {
		answer = ok();
		json_put(answer, "result", json_deep_copy(result));
		conn_reply(c, answer);
	}
	conn_unref(c);
}

static void
verb_qmp(struct mon *m, struct conn *c, const json_t *request)
{
	const char *command = json_member_str(request, "command");
	json_t *arguments = json_object_get(request, "arguments");
	struct err err = { 0 };
	int r;

	if (!command || (arguments && !json_is_object(arguments)))
		(void)err_set(
		    &err, -EINVAL, "command", "command must be text and arguments an object");
	else if (!m->qmp)
		(void)err_set(&err, -ENOTCONN, "qmp", "no connection to the hypervisor");
	if (err.code < 0) {
		conn_reply_error(c, &err);
		return;
	}
	conn_ref(c);
	r = qmp_invoke(m->qmp, command, json_incref(arguments),
	    json_member_int(request, "timeout_ms", 0), on_qmp_reply, c);
	if (r < 0) {
		conn_unref(c);
		(void)err_set(&err, r, "qmp", "too many commands at a time");
		conn_reply_error(c, &err);
	}
}

/* --- Upgrade in place --- */

struct reexec {
	uv_timer_t timer;
	struct mon *mon;
};

static void
on_reexec_closed(uv_handle_t *h)
{
	free(h->data);
}

static void
on_reexec(uv_timer_t *t)
{
	struct mon *m = ((struct reexec *)t->data)->mon;

	uv_close((uv_handle_t *)t, on_reexec_closed);
	reexec_now(m);
}

/* The answer goes out first: a small write to a socket with room leaves at once. */
static void
verb_reexec(struct mon *m, struct conn *c, const json_t *request)
{
	struct err err = { 0 };
	struct reexec *x;

	(void)request;
	if (reexec_check(m, &err) < 0) {
		conn_reply_error(c, &err);
		return;
	}
	conn_reply(c, ok());
	x = xcalloc(1, sizeof(*x));
	x->mon = m;
	x->timer.data = x;
	(void)uv_timer_init(&m->loop, &x->timer);
	(void)uv_timer_start(&x->timer, on_reexec, 0, 0);
}

static const struct verb {
	const char *name;
	void (*run)(struct mon *m, struct conn *c, const json_t *request);
	const char *help;
} verbs[] = {
	{ "policy", verb_policy, "Set the restart policy for as long as this monitor lives." },
	{ "qmp", verb_qmp, "Pass a command to the hypervisor and its answer back." },
	{ "reexec", verb_reexec, "Replace the program of the monitor, keeping everything else." },
	{ "release", verb_release, "Forget failures; start now if a restart is waited for." },
	{ "status", verb_status, "Say what is known." },
	{ "stop", verb_stop, "Stop the VM; a second answer follows when it has stopped." },
};

void
verb_run(struct mon *m, struct conn *c, const json_t *request)
{
	const char *name = json_member_str(request, "verb");
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (str_eq(verbs[i].name, name)) {
			verbs[i].run(m, c, request);
			return;
		}
	}
	(void)err_set(&err, -EINVAL, "verb", "\"%.40s\" is not a verb", str_or_empty(name));
	conn_reply_error(c, &err);
}
