#include "ops_root.h"

#include <sched.h>

#include "host/run_state.h"
#include "host/zone_index.h"
#include "host/zone_xml.h"

static const char *const delete_steps[] = { "autoboot", "halt", "uninstall", "run", "uid",
	"journals", "config", "row" };

static void
deleted_vm_leaves_nothing(void **state)
{
	struct err err = { 0 };

	assert_int_equal(create_a(NULL), 0);
	if (delete_a(&err) < 0)
		fail_msg("%s", err.msg);
	assert_false(exists_a());
	assert_nothing_left();
}

static void
killed_at_any_step_it_is_finished_by_the_next(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(delete_steps); i++) {
		json_auto_t *vm = NULL;
		struct err err = { 0 };
		int status;

		assert_int_equal(create_a(NULL), 0);
		status = run_with_fault(fault_of("delete", delete_steps[i], "kill"), delete_a);
		assert_true(WIFSIGNALED(status));
		vm = load_a(false);
		assert_int_equal(vm == NULL, str_eq(delete_steps[i], "row"));
		if (delete_a(&err) < 0)
			fail_msg("after %s: %s", delete_steps[i], err.msg);
		assert_nothing_left();
	}
}

static void
failed_at_any_step_it_can_be_repeated(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(delete_steps); i++) {
		assert_int_equal(create_a(NULL), 0);
		assert_int_equal(WEXITSTATUS(run_with_fault(
		                     fault_of("delete", delete_steps[i], "fail"), delete_a)),
		    EIO);
		if (!str_eq(delete_steps[i], "row"))
			assert_int_equal(delete_a(NULL), 0);
		assert_nothing_left();
	}
}

static int
start_a(struct op *op)
{
	return op_start(op, UUID_A, NULL, NULL);
}

static int
stop_a(struct op *op)
{
	return op_stop(op, UUID_A, false, 1, NULL);
}

static int
update_a(struct op *op)
{
	json_auto_t *payload = json_pack("{s:i}", "ram", 256);

	return op_update(op, UUID_A, payload, NULL, NULL);
}

static void
any_operation_finishes_a_killed_delete(void **state)
{
	int (*const operations[])(struct op *) = { start_a, stop_a, update_a };

	for (unsigned i = 0; i < ARRAY_LEN(operations); i++) {
		struct op op = user_op();

		assert_int_equal(create_a(NULL), 0);
		run_with_fault("delete:uninstall:kill", delete_a);
		assert_int_equal(operations[i](&op), -ENOENT);
		assert_nothing_left();
	}
}

static void
unknown_vm_is_not_found(void **state)
{
	static const char *const uuids[] = { UUID_A, "", "not-a-uuid",
		"../../..-....-....-....-............", "11111111-1111-4111-8111-11111111111A" };

	for (unsigned i = 0; i < ARRAY_LEN(uuids); i++) {
		struct op op = user_op();
		struct err err = { 0 };

		assert_int_equal(op_delete(&op, uuids[i], &err), -ENOENT);
		assert_true(str_starts(err.msg, "VM "));
		assert_true(str_ends(err.msg, " not found"));
	}
}

static void
remains_of_a_vm_are_deleted(void **state)
{
	assert_int_equal(create_a(NULL), 0);
	assert_int_equal(zone_xml_remove(UUID_A, NULL), 0); /* only the row */
	assert_int_equal(delete_a(NULL), 0);
	assert_nothing_left();

	assert_int_equal(create_a(NULL), 0);
	assert_int_equal(zone_index_remove(UUID_A, NULL), 0); /* only the XML */
	assert_int_equal(delete_a(NULL), 0);
	assert_nothing_left();
}

static void
a_vm_with_broken_files_is_deleted(void **state)
{
	auto_free char *xml = path_host("/etc/zones/" UUID_A ".xml");
	auto_free char *journal = path_host(PATH_LIB_OPS "/" UUID_A ".create.json");

	assert_int_equal(create_a(NULL), 0);
	write_file(xml, "<zone");
	write_file(journal, "{");

	assert_int_equal(delete_a(NULL), 0);
	assert_nothing_left();
}

static void
an_unreadable_index_deletes_nothing(void **state)
{
	auto_free char *index = path_host(PATH_ZONE_INDEX);
	auto_free char *volume = path_host("/zones/" UUID_A "-disk0.qcow2");
	struct err err = { 0 };

	assert_int_equal(create_a(NULL), 0);
	write_file(index, "");

	assert_true(delete_a(&err) < 0);
	assert_int_equal(access(volume, F_OK), 0);
}

static void
other_vms_stay(void **state)
{
	json_auto_t *payload = payload_a();
	struct op op = user_op();
	struct err err = { 0 };
	json_auto_t *vm = NULL;
	char other[UUID_LEN + 1];

	assert_int_equal(create_a(NULL), 0);
	json_object_del(payload, "uuid");
	assert_int_equal(op_create(&op, payload, other, &err), 0);

	assert_int_equal(delete_a(NULL), 0);
	assert_int_equal(load_one(other, true, &vm, &err), 0);
	assert_int_equal(json_array_size(json_object_get(vm, "disks")), 1);
}

static pid_t
sleeper(struct proc_id *ret)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	assert_int_equal(proc_id_of(pid, ret), 0);
	return pid;
}

/* Neither answers anybody: the worst kind of running VM. */
static void
processes_that_do_not_answer_are_killed(void **state)
{
	struct run_state rs = {
		.phase = RUN_RUNNING, .zoneid = 1, .boot_time_ms = 1700000000000, .uid = -1
	};
	pid_t hypervisor, monitor;
	struct err err = { 0 };

	assert_int_equal(create_a(NULL), 0);
	hypervisor = sleeper(&rs.hypervisor);
	monitor = sleeper(&rs.monitor);
	assert_int_equal(run_state_save(UUID_A, &rs, NULL), 0);

	if (delete_a(&err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(WTERMSIG(wait_for(hypervisor, 0)), SIGKILL);
	assert_int_equal(WTERMSIG(wait_for(monitor, 0)), SIGKILL);
	assert_nothing_left();
}

static int
update_ram(struct err *err)
{
	json_auto_t *payload = json_pack("{s:i, s:{s:s}}", "ram", 256, "set_tags", "a", "b");
	struct op op = user_op();

	return op_update(&op, UUID_A, payload, NULL, err);
}

/* A signal sent to a stopped process is pending until it goes on. */
static bool
has_pending(pid_t pid, int number)
{
	unsigned long long pending = 0, one;
	char text[256];
	FILE *f;

	(void)snprintf(text, sizeof(text), "/proc/%d/status", (int)pid);
	f = fopen(text, "r");
	assert_non_null(f);
	while (fgets(text, sizeof(text), f))
		if (sscanf(text, "SigPnd: %llx", &one) == 1 ||
		    sscanf(text, "ShdPnd: %llx", &one) == 1)
			pending |= one;
	assert_int_equal(fclose(f), 0);
	return pending & (1ULL << (number - 1));
}

/* The update stands still in its first step, until delete has asked it to give up. */
static void
delete_ends_a_running_update(void **state)
{
	pid_t update, delete;

	assert_int_equal(create_a(NULL), 0);
	update = fork_operation("update:files:wait", update_ram);
	assert_true(WIFSTOPPED(wait_for(update, WUNTRACED)));
	delete = fork_operation(NULL, delete_a);
	while (!has_pending(update, SIGTERM))
		sched_yield();
	kill(update, SIGCONT);

	assert_int_equal(WEXITSTATUS(wait_for(update, 0)), EINTR);
	assert_int_equal(wait_for(delete, 0), 0);
	assert_nothing_left();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ops_root_setup, ops_root_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(deleted_vm_leaves_nothing),
		TEST(killed_at_any_step_it_is_finished_by_the_next),
		TEST(failed_at_any_step_it_can_be_repeated),
		TEST(any_operation_finishes_a_killed_delete),
		TEST(unknown_vm_is_not_found),
		TEST(remains_of_a_vm_are_deleted),
		TEST(a_vm_with_broken_files_is_deleted),
		TEST(an_unreadable_index_deletes_nothing),
		TEST(other_vms_stay),
		TEST(processes_that_do_not_answer_are_killed),
		TEST(delete_ends_a_running_update),
	};

	return cmocka_run_group_tests_name("delete", tests, NULL, NULL);
}
