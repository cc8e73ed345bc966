#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "host/exit_ledger.h"
#include "host/last_exit.h"
#include "monitor/mon.h"

void
exit_forget(struct mon *m)
{
	m->facts = (struct exit_facts){ .status = -1 };
	m->exit_time_ms = 0;
}

/* Both files are tried even when one fails: they are all that will be known of this life. */
static void
write_down(struct mon *m, const struct exit_record *r)
{
	struct last_exit last = { .time_ms = r->time_ms, .status = r->status };
	struct err err = { 0 };

	if (last_exit_save(m->zonepath, &last, &err) < 0)
		log_error("the last exit is not recorded", LS("vm", m->uuid), LE(&err));
	if (exit_ledger_append(m->zonepath, r, &err) < 0)
		log_error("the ledger of exits is not written", LS("vm", m->uuid), LE(&err));
	log_info("hypervisor ended", LS("vm", m->uuid), LS("cause", exit_causes[r->cause].name),
	    LI("status", r->status), LI("hypervisor_pid", r->pid), LS("detail", r->detail));
}

enum exit_cause
exit_record(struct mon *m)
{
	auto_free char *words = vm_log_last_words(m);
	const struct who *who = &m->stop.who;
	struct exit_record r = { .boot_time_ms = m->rs.boot_time_ms, .pid = m->rs.hypervisor.pid };

	m->facts.last_words = words;
	m->facts.stop = m->stop.mode;
	m->facts.host_shutdown = str_eq(who->reason, "host-shutdown");
	m->facts.out_of_memory = m->facts.status != -1 && WIFSIGNALED(m->facts.status) &&
	                         WTERMSIG(m->facts.status) == SIGKILL && place_oom_killed(m);
	r.cause = verdict(&m->facts);
	m->facts.last_words = NULL;
	r.time_ms = m->exit_time_ms;
	r.status = m->facts.status;
	/* Taken over: its status went to init, but an orderly end was announced, and QEMU says 0
	 * then. */
	if (r.status == -1 && m->facts.shutdown[0])
		r.status = 0;
	r.by_uid = m->stop.mode == STOP_NONE ? -1 : who->uid;
	r.by_pid = m->stop.mode == STOP_NONE ? -1 : who->pid;
	r.by_program = m->stop.mode != STOP_NONE && who->program[0] ? who->program : NULL;
	r.reason = m->stop.mode != STOP_NONE && who->reason[0] ? who->reason : NULL;
	r.detail = words;
	write_down(m, &r);
	return r.cause;
}

void
exit_record_lost(struct mon *m)
{
	struct exit_record r = { .time_ms = clock_wall_ms(),
		.boot_time_ms = m->rs.boot_time_ms,
		.cause = EXIT_MONITOR_LOST,
		.status = -1,
		.pid = m->rs.hypervisor.pid,
		.by_uid = -1,
		.by_pid = -1 };

	write_down(m, &r);
}
