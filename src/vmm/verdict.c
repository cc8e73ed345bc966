#include "vmm/verdict.h"

#include <string.h>
#include <sys/wait.h>

#include "base/str.h"

/* Reasons of the SHUTDOWN event (vmadmd.md 9.5) when nobody asked us for a stop. */
static const struct {
	const char *reason;
	enum exit_cause cause;
} reasons[] = {
	{ "guest-panic", EXIT_PANIC },
	{ "guest-reset", EXIT_GUEST_RESET },
	{ "guest-shutdown", EXIT_GUEST_POWEROFF },
	{ "host-error", EXIT_HYPERVISOR_FAILURE },
	{ "host-qmp-quit", EXIT_FORCED_STOP }, /* by somebody on the public socket */
	{ "host-signal", EXIT_SIGNAL },
	{ "host-ui", EXIT_FORCED_STOP },
};

static const struct {
	bool failure, always;
} restarts[EXIT_CAUSE_COUNT] = {
	[EXIT_GUEST_POWEROFF] = { false, true },
	[EXIT_GUEST_RESET] = { true, true },
	[EXIT_PANIC] = { true, true },
	[EXIT_SIGNAL] = { true, true },
	[EXIT_OUT_OF_MEMORY] = { true, true },
	[EXIT_HYPERVISOR_FAILURE] = { true, true },
	[EXIT_MONITOR_LOST] = { true, true },
};

static enum exit_cause
asked_for(const struct exit_facts *f)
{
	if (f->host_shutdown)
		return EXIT_HOST_SHUTDOWN;
	if (f->stop == STOP_FORCE)
		return EXIT_FORCED_STOP;
	return f->stop == STOP_DEADLINE ? EXIT_DEADLINE_FORCE : EXIT_REQUESTED_STOP;
}

static bool
is_failure(const struct exit_facts *f)
{
	return f->status != -1 && WIFEXITED(f->status) && WEXITSTATUS(f->status) != 0;
}

static enum exit_cause
from_failure(const struct exit_facts *f)
{
	return f->last_words && strcasestr(f->last_words, "cannot allocate memory")
	           ? EXIT_OUT_OF_MEMORY
	           : EXIT_HYPERVISOR_FAILURE;
}

enum exit_cause
verdict(const struct exit_facts *f)
{
	bool orderly = str_eq(f->shutdown, "guest-shutdown") ||
	               (f->shutdown[0] == '\0' && (f->status == 0 || f->status == -1));

	if (f->stop == STOP_FORCE || f->stop == STOP_DEADLINE)
		return asked_for(f);
	if (f->panicked)
		return EXIT_PANIC;
	if (f->status != -1 && WIFSIGNALED(f->status))
		return f->out_of_memory ? EXIT_OUT_OF_MEMORY : EXIT_SIGNAL;
	if (is_failure(f) || !f->ran)
		return from_failure(f);
	if (f->stop == STOP_ACPI && orderly)
		return asked_for(f);
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		if (str_eq(reasons[i].reason, f->shutdown))
			return reasons[i].cause;
	}
	/* No event: a process of ours that said 0 ended in order while we were reconnecting; one
	 * that was taken over and vanished without the event QEMU sends before any orderly end was
	 * killed, if we were there to hear it. */
	if (f->status == 0)
		return EXIT_GUEST_POWEROFF;
	return f->listening ? EXIT_SIGNAL : EXIT_MONITOR_LOST;
}

bool
verdict_restarts(const char *policy, enum exit_cause cause)
{
	if (str_eq(policy, "always"))
		return restarts[cause].always;
	return str_eq(policy, "on-failure") && restarts[cause].failure;
}
