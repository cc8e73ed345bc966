/* start and stop as far as they go without a hypervisor; with one they are in tests/system. */
#include "ops_root.h"

#include "host/run_state.h"
#include "host/zone_index.h"
#include "host/zone_xml.h"
#include "ops/journal.h"

static int
stop_a(bool force, const char *reason, struct err *err)
{
	struct op op = user_op();

	op.reason = reason;
	return op_stop(&op, UUID_A, force, 1, err);
}

static int
start_a(const char *reason, struct err *err)
{
	struct op op = user_op();

	op.reason = reason;
	return op_start(&op, UUID_A, NULL, err);
}

static void
set_member(const char *name, json_t *value)
{
	json_auto_t *stored = NULL;

	assert_int_equal(zone_xml_load(UUID_A, &stored, NULL, NULL, NULL), 0);
	json_object_set_new(stored, name, value);
	assert_int_equal(zone_xml_save(UUID_A, stored, NULL), 0);
}

static bool
autoboot(void)
{
	json_auto_t *vm = load_a(true);

	return json_member_bool(vm, "autoboot", false);
}

static void
stop_of_a_stopped_vm_is_a_notice(void **state)
{
	static const struct {
		bool force;
		const char *reason;
		bool autoboot; /* afterwards */
	} rows[] = {
		{ false, NULL, false },
		{ false, "user", false },
		{ false, "host-shutdown", true },
		{ true, NULL, true },
	};

	assert_int_equal(create_a(NULL), 0);
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { 0 };

		set_member("autoboot", json_true());
		assert_int_equal(stop_a(rows[i].force, rows[i].reason, &err), -EALREADY);
		assert_string_equal(
		    err.msg, "VM " UUID_A " is already not 'running' (currently: stopped)");
		assert_int_equal(autoboot(), rows[i].autoboot);
	}
}

static void
left_over_transition_is_cleared(void **state)
{
	json_auto_t *vm = NULL;

	assert_int_equal(create_a(NULL), 0);
	set_member("transition", json_string("stopping:stopped:1700000000000"));
	vm = load_a(true);
	assert_string_equal(json_member_str(vm, "state"), "stopping");

	assert_int_equal(stop_a(true, NULL, NULL), -EALREADY);
	json_decref(vm);
	vm = load_a(true);
	assert_string_equal(json_member_str(vm, "state"), "stopped");
	assert_null(json_object_get(vm, "transition_to"));
}

static void
unknown_vm_is_not_found(void **state)
{
	struct err stop = { 0 }, start = { 0 };

	assert_int_equal(stop_a(false, NULL, &stop), -ENOENT);
	assert_int_equal(start_a(NULL, &start), -ENOENT);
	assert_string_equal(stop.msg, "VM " UUID_A " not found");
	assert_string_equal(start.msg, "VM " UUID_A " not found");
}

static pid_t
pretend_running(struct run_state *rs)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	*rs = (struct run_state){
		.phase = RUN_RUNNING, .zoneid = 1, .boot_time_ms = 1700000000000, .uid = -1
	};
	assert_int_equal(proc_id_of(pid, &rs->hypervisor), 0);
	rs->monitor = rs->hypervisor;
	assert_int_equal(run_state_save(UUID_A, rs, NULL), 0);
	return pid;
}

static void
start_of_a_running_vm_is_a_notice(void **state)
{
	struct err err = { 0 };
	struct run_state rs;
	pid_t pid;
	int r;

	assert_int_equal(create_a(NULL), 0);
	pid = pretend_running(&rs);
	r = start_a(NULL, &err);
	kill(pid, SIGKILL);
	wait_for(pid, 0);

	assert_int_equal(r, -EALREADY);
	assert_string_equal(err.msg, "VM " UUID_A " is already 'running'");
}

static void
only_stopped_vms_start(void **state)
{
	struct err err = { 0 };

	assert_int_equal(create_a(NULL), 0);
	assert_int_equal(zone_index_set_state(UUID_A, ZONE_CONFIGURED, NULL), 0);

	assert_int_equal(start_a(NULL, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "'configured'"));
	assert_non_null(strstr(err.msg, "'stopped'"));
}

static void
a_vm_with_a_broken_file_does_not_start(void **state)
{
	auto_free char *tags = path_host("/zones/" UUID_A "/config/tags.json");
	struct err err = { 0 };

	assert_int_equal(create_a(NULL), 0);
	write_file(tags, "{");

	assert_true(start_a(NULL, &err) < 0);
	assert_non_null(strstr(err.msg, "tags.json"));
}

static void
only_a_user_releases_quarantine(void **state)
{
	struct run_state rs = { .phase = RUN_QUARANTINED, .uid = -1 }, after = { 0 };
	struct err err = { 0 };
	char kernel[80];

	assert_int_equal(create_a(NULL), 0);
	assert_int_equal(run_state_save(UUID_A, &rs, NULL), 0);
	assert_int_equal(start_a("restart", &err), -EPERM);
	assert_non_null(strstr(err.msg, "quarantined"));

	/* It goes no further than the check of its files here. */
	(void)snprintf(kernel, sizeof(kernel), "%s/kernel", ops_root);
	assert_int_equal(unlink(kernel), 0);
	assert_int_equal(start_a(NULL, &err), -ENOENT);
	assert_int_equal(run_state_load(UUID_A, &after, NULL, NULL), 0);
	assert_int_equal(after.phase, RUN_NONE);
}

static int
die_after_boot(struct err *err)
{
	AUTO(journal) struct journal *j = journal_new("start", UUID_A, NULL, "user");

	return journal_step(j, "boot", err);
}

static void
killed_start_of_a_user_gets_its_autoboot(void **state)
{
	struct run_state rs;
	pid_t pid;
	int r;

	assert_int_equal(create_a(NULL), 0);
	pid = pretend_running(&rs);
	assert_int_equal(run_with_fault(NULL, die_after_boot), 0);
	r = start_a("restart", NULL);
	kill(pid, SIGKILL);
	wait_for(pid, 0);

	assert_int_equal(r, -EALREADY);
	assert_true(autoboot());
}

static void
forced_stop_ends_a_vm_whose_monitor_does_not_answer(void **state)
{
	json_auto_t *vm = NULL;
	struct err err = { 0 };
	struct run_state rs;
	pid_t pid;

	assert_int_equal(create_a(NULL), 0);
	set_member("autoboot", json_true());
	pid = pretend_running(&rs);

	if (stop_a(true, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(WTERMSIG(wait_for(pid, 0)), SIGKILL);
	vm = load_a(true);
	assert_string_equal(json_member_str(vm, "state"), "stopped");
	assert_false(autoboot());
}

static void
what_runs_without_configuration_can_be_halted(void **state)
{
	struct err err = { 0 };
	struct run_state rs;
	pid_t pid;

	assert_int_equal(create_a(NULL), 0);
	pid = pretend_running(&rs);
	assert_int_equal(zone_xml_remove(UUID_A, NULL), 0);
	assert_int_equal(zone_index_remove(UUID_A, NULL), 0);

	(void)stop_a(true, NULL, &err);
	assert_int_equal(WTERMSIG(wait_for(pid, 0)), SIGKILL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ops_root_setup, ops_root_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(stop_of_a_stopped_vm_is_a_notice),
		TEST(left_over_transition_is_cleared),
		TEST(unknown_vm_is_not_found),
		TEST(start_of_a_running_vm_is_a_notice),
		TEST(only_stopped_vms_start),
		TEST(a_vm_with_a_broken_file_does_not_start),
		TEST(only_a_user_releases_quarantine),
		TEST(killed_start_of_a_user_gets_its_autoboot),
		TEST(what_runs_without_configuration_can_be_halted),
		TEST(forced_stop_ends_a_vm_whose_monitor_does_not_answer),
	};

	return cmocka_run_group_tests_name("stop", tests, NULL, NULL);
}
