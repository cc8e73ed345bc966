#include "unit.h"

#include <signal.h>
#include <stdbool.h>

#include "vmm/verdict.h"

#define EXITED(code) ((code) << 8)
#define KILLED(sig)  (sig)

static const struct {
	const char *name;
	struct exit_facts facts;
	enum exit_cause cause;
} rows[] = {
	{ "guest switches itself off", { .ran = true, .shutdown = "guest-shutdown" },
	    EXIT_GUEST_POWEROFF },
	{ "guest obeys the button",
	    { .ran = true, .shutdown = "guest-shutdown", .stop = STOP_ACPI }, EXIT_REQUESTED_STOP },
	{ "guest obeys while we reconnect", { .ran = true, .stop = STOP_ACPI },
	    EXIT_REQUESTED_STOP },
	{ "host shuts down",
	    { .ran = true, .shutdown = "guest-shutdown", .stop = STOP_ACPI, .host_shutdown = true },
	    EXIT_HOST_SHUTDOWN },
	{ "host shuts down by force",
	    { .ran = true, .status = KILLED(SIGKILL), .stop = STOP_FORCE, .host_shutdown = true },
	    EXIT_HOST_SHUTDOWN },
	{ "forced by quit", { .ran = true, .shutdown = "host-qmp-quit", .stop = STOP_FORCE },
	    EXIT_FORCED_STOP },
	{ "forced by SIGKILL", { .ran = true, .status = KILLED(SIGKILL), .stop = STOP_FORCE },
	    EXIT_FORCED_STOP },
	{ "forced before the guest ran", { .status = KILLED(SIGTERM), .stop = STOP_FORCE },
	    EXIT_FORCED_STOP },
	{ "forced at the deadline",
	    { .ran = true, .status = KILLED(SIGKILL), .stop = STOP_DEADLINE },
	    EXIT_DEADLINE_FORCE },
	{ "panic", { .ran = true, .shutdown = "guest-panic", .panicked = true }, EXIT_PANIC },
	{ "panic seen by its reason only", { .ran = true, .shutdown = "guest-panic" }, EXIT_PANIC },
	{ "panic while stopping",
	    { .ran = true, .shutdown = "guest-panic", .panicked = true, .stop = STOP_ACPI },
	    EXIT_PANIC },
	{ "reset that ends", { .ran = true, .shutdown = "guest-reset" }, EXIT_GUEST_RESET },
	{ "killed by somebody", { .ran = true, .status = KILLED(SIGKILL) }, EXIT_SIGNAL },
	{ "killed by somebody while stopping",
	    { .ran = true, .status = KILLED(SIGKILL), .stop = STOP_ACPI }, EXIT_SIGNAL },
	{ "SIGTERM by somebody", { .ran = true, .shutdown = "host-signal" }, EXIT_SIGNAL },
	{ "killed for memory", { .ran = true, .status = KILLED(SIGKILL), .out_of_memory = true },
	    EXIT_OUT_OF_MEMORY },
	{ "no memory at start",
	    { .status = EXITED(1),
	        .last_words = "cannot set up guest memory 'pc.ram': Cannot allocate memory" },
	    EXIT_OUT_OF_MEMORY },
	{ "bad argument", { .status = EXITED(1), .last_words = "invalid option" },
	    EXIT_HYPERVISOR_FAILURE },
	{ "ends at once with 0", { .status = 0 }, EXIT_HYPERVISOR_FAILURE },
	{ "fails later", { .ran = true, .status = EXITED(1) }, EXIT_HYPERVISOR_FAILURE },
	{ "host error", { .ran = true, .shutdown = "host-error" }, EXIT_HYPERVISOR_FAILURE },
	{ "quit by somebody else", { .ran = true, .shutdown = "host-qmp-quit" }, EXIT_FORCED_STOP },
	{ "in order, unheard", { .ran = true, .status = 0 }, EXIT_GUEST_POWEROFF },
	{ "taken over, obeys",
	    { .ran = true,
	        .status = -1,
	        .shutdown = "guest-shutdown",
	        .stop = STOP_ACPI,
	        .listening = true },
	    EXIT_REQUESTED_STOP },
	{ "taken over, off",
	    { .ran = true, .status = -1, .shutdown = "guest-shutdown", .listening = true },
	    EXIT_GUEST_POWEROFF },
	{ "taken over, vanishes", { .ran = true, .status = -1, .listening = true }, EXIT_SIGNAL },
	{ "taken over, unheard", { .ran = true, .status = -1 }, EXIT_MONITOR_LOST },
	{ "unknown reason of a newer QEMU, 0", { .ran = true, .shutdown = "cosmic-ray" },
	    EXIT_GUEST_POWEROFF },
};

static void
every_end_has_its_cause(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum exit_cause got = verdict(&rows[i].facts);

		if (got != rows[i].cause)
			fail_row(rows[i].name, "%s, not %s", exit_causes[got].name,
			    exit_causes[rows[i].cause].name);
	}
}

static void
policy_decides_by_cause(void **state)
{
	static const bool on_failure[EXIT_CAUSE_COUNT] = {
		[EXIT_GUEST_RESET] = true,
		[EXIT_PANIC] = true,
		[EXIT_SIGNAL] = true,
		[EXIT_OUT_OF_MEMORY] = true,
		[EXIT_HYPERVISOR_FAILURE] = true,
		[EXIT_MONITOR_LOST] = true,
	};

	(void)state;
	for (unsigned c = 0; c < EXIT_CAUSE_COUNT; c++) {
		assert_false(verdict_restarts("never", c));
		assert_false(verdict_restarts("sometimes", c));
		assert_false(verdict_restarts(NULL, c));
		assert_int_equal(verdict_restarts("on-failure", c), on_failure[c]);
		assert_int_equal(
		    verdict_restarts("always", c), on_failure[c] || c == EXIT_GUEST_POWEROFF);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_end_has_its_cause),
		cmocka_unit_test(policy_decides_by_cause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
