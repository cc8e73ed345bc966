#include "ops_root.h"

#include "base/lock.h"
#include "host/run_state.h"
#include "ops/journal.h"

static const char *const update_steps[] = { "add_volumes", "files", "quota", "config",
	"remove_volumes" };

/* Every step has something to do: a disk more, a disk less, tags, quota, ram. */
static json_t *
payload_of_all(void)
{
	return json_pack("{s:i, s:i, s:{s:s}, s:[{s:i, s:s}], s:[s]}", "ram", 256, "quota", 20,
	    "set_tags", "role", "db", "add_disks", "size", 32, "model", "virtio", "remove_disks",
	    "/zones/" UUID_A "-disk0.qcow2");
}

static int
update_a(const char *payload_text, json_t **ret_boot, struct err *err)
{
	json_auto_t *payload = json_loads(payload_text, 0, NULL);
	struct op op = user_op();

	assert_non_null(payload);
	return op_update(&op, UUID_A, payload, ret_boot, err);
}

static int
update_all(struct err *err)
{
	json_auto_t *payload = payload_of_all();
	struct op op = user_op();

	return op_update(&op, UUID_A, payload, NULL, err);
}

static void
assert_updated(void)
{
	json_auto_t *vm = load_a(true);
	const json_t *disks = json_object_get(vm, "disks");
	auto_free char *old = path_host("/zones/" UUID_A "-disk0.qcow2");

	assert_int_equal(json_member_int(vm, "ram", 0), 256);
	assert_int_equal(json_member_int(vm, "quota", 0), 20);
	assert_string_equal(json_member_str(json_object_get(vm, "tags"), "role"), "db");
	assert_int_equal(json_array_size(disks), 1);
	assert_int_equal(json_member_int(json_array_get(disks, 0), "size", 0), 32);
	assert_string_equal(
	    json_member_str(json_array_get(disks, 0), "path"), "/zones/" UUID_A "-disk1.qcow2");
	assert_int_equal(access(old, F_OK), -1);
}

/* last_modified may differ: files were written and written back. */
static void
assert_same(const json_t *before, const json_t *after)
{
	json_auto_t *a = json_copy((json_t *)(uintptr_t)before),
	            *b = json_copy((json_t *)(uintptr_t)after);

	json_object_del(a, "last_modified");
	json_object_del(b, "last_modified");
	if (!json_equal(a, b)) {
		auto_free char *ta = json_text(a), *tb = json_text(b);

		fail_msg("%s\n%s", ta, tb);
	}
}

static void
all_parts_change(void **state)
{
	struct err err = { 0 };

	assert_int_equal(create_a(NULL), 0);
	if (update_all(&err) < 0)
		fail_msg("%s", err.msg);
	assert_updated();
}

static void
failure_of_any_step_takes_back_the_others(void **state)
{
	auto_free char *added = path_host("/zones/" UUID_A "-disk1.qcow2");
	json_auto_t *before = NULL;

	assert_int_equal(create_a(NULL), 0);
	before = load_a(true);
	for (unsigned i = 0; i + 1 < ARRAY_LEN(update_steps); i++) {
		int status =
		    run_with_fault(fault_of("update", update_steps[i], "fail"), update_all);
		json_auto_t *after = load_a(true);

		assert_int_equal(WEXITSTATUS(status), EIO);
		assert_same(before, after);
		assert_int_equal(access(added, F_OK), -1);
	}
}

static void
killed_at_any_step_it_can_be_repeated_and_deleted(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(update_steps); i++) {
		json_auto_t *vm = NULL;
		struct err err = { 0 };
		int status;

		assert_int_equal(create_a(NULL), 0);
		status = run_with_fault(fault_of("update", update_steps[i], "kill"), update_all);
		assert_true(WIFSIGNALED(status));
		vm = load_a(true); /* strict: every file is whole */
		assert_non_null(vm);
		/* Settles what was left: a volume that nobody names is gone. */
		if (update_a("{\"alias\":\"again\"}", NULL, &err) < 0)
			fail_msg("after %s: %s", update_steps[i], err.msg);
		json_decref(vm);
		vm = load_a(true);
		assert_int_equal(json_array_size(json_object_get(vm, "disks")), 1);
		assert_int_equal(delete_a(NULL), 0);
		assert_nothing_left();
	}
}

static unsigned
count_volumes(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 4; i++) {
		auto_free char *path = path_hostf("/zones/" UUID_A "-disk%u.qcow2", i);

		n += access(path, F_OK) == 0;
	}
	return n;
}

static void
volumes_of_a_killed_update_are_settled_by_the_next(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(update_steps); i++) {
		assert_int_equal(create_a(NULL), 0);
		run_with_fault(fault_of("update", update_steps[i], "kill"), update_all);

		assert_int_equal(update_a("{\"alias\":\"again\"}", NULL, NULL), 0);
		assert_int_equal(count_volumes(), 1);
		assert_int_equal(delete_a(NULL), 0);
	}
}

static void
what_is_so_already_is_not_written(void **state)
{
	auto_free char *xml = path_host("/etc/zones/" UUID_A ".xml");
	auto_free char *tags = path_host("/zones/" UUID_A "/config/tags.json");
	struct fs_stamp before[2], after[2];

	assert_int_equal(create_a(NULL), 0);
	assert_int_equal(fs_stat(xml, &before[0]), 0);
	assert_int_equal(fs_stat(tags, &before[1]), 0);

	assert_int_equal(
	    update_a(
	        "{\"ram\":128,\"alias\":\"first\",\"set_tags\":{\"role\":\"web\"}}", NULL, NULL),
	    0);
	assert_int_equal(fs_stat(xml, &after[0]), 0);
	assert_int_equal(fs_stat(tags, &after[1]), 0);
	assert_true(fs_stamp_equal(&before[0], &after[0]));
	assert_true(fs_stamp_equal(&before[1], &after[1]));
}

static void
an_object_fed_back_changes_nothing(void **state)
{
	json_auto_t *vm = NULL, *after = NULL;
	struct op op = user_op();
	struct err err = { 0 };

	assert_int_equal(create_a(NULL), 0);
	vm = load_a(true);
	if (op_update(&op, UUID_A, vm, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	after = load_a(true);
	assert_true(json_equal(vm, after));
}

static void
unset_members_disappear(void **state)
{
	json_auto_t *vm = NULL;

	assert_int_equal(create_a(NULL), 0);
	assert_int_equal(update_a("{\"alias\":null,\"remove_tags\":[\"role\"]}", NULL, NULL), 0);
	vm = load_a(true);
	assert_null(json_member_str(vm, "alias"));
	assert_int_equal(json_object_size(json_object_get(vm, "tags")), 0);
}

static void
other_parts_of_the_xml_stay(void **state)
{
	auto_free char *xml = path_host("/etc/zones/" UUID_A ".xml");
	auto_buf struct buf text = BUF_INIT, after = BUF_INIT;
	char *end;

	assert_int_equal(create_a(NULL), 0);
	assert_int_equal(fs_read(xml, 1 << 20, &text, NULL, NULL), 0);
	end = strstr(text.data, "</zone>");
	assert_non_null(end);
	*end = '\0';
	buf_adds(&after, text.data);
	buf_adds(&after, "<rctl name=\"zone.unknown\"/></zone>\n");
	write_file(xml, after.data);

	assert_int_equal(update_a("{\"ram\":512}", NULL, NULL), 0);
	buf_reset(&after);
	assert_int_equal(fs_read(xml, 1 << 20, &after, NULL, NULL), 0);
	assert_non_null(strstr(after.data, "zone.unknown"));
}

/* --- while it runs: a process of ours stands in for hypervisor and monitor --- */

static pid_t
pretend_running(void)
{
	struct run_state rs = {
		.phase = RUN_RUNNING, .zoneid = 1, .boot_time_ms = 1700000000000, .uid = -1
	};
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	assert_int_equal(proc_id_of(pid, &rs.hypervisor), 0);
	rs.monitor = rs.hypervisor;
	assert_int_equal(run_state_save(UUID_A, &rs, NULL), 0);
	return pid;
}

static void
changes_that_wait_for_the_next_boot_are_named(void **state)
{
	json_auto_t *stopped = NULL, *running = NULL;
	pid_t pid;

	assert_int_equal(create_a(NULL), 0);
	assert_int_equal(update_a("{\"ram\":256}", &stopped, NULL), 0);
	pid = pretend_running();
	assert_int_equal(update_a("{\"ram\":512,\"alias\":\"x\"}", &running, NULL), 0);
	kill(pid, SIGKILL);
	wait_for(pid, 0);

	assert_int_equal(json_array_size(stopped), 0);
	assert_int_equal(json_array_size(running), 1);
	assert_string_equal(json_string_value(json_array_get(running, 0)), "ram");
}

static void
disks_of_a_running_vm_are_not_changed(void **state)
{
	struct err err = { 0 };
	pid_t pid;
	int r;

	assert_int_equal(create_a(NULL), 0);
	pid = pretend_running();
	r = update_a("{\"add_disks\":[{\"size\":16,\"model\":\"virtio\"}]}", NULL, &err);
	kill(pid, SIGKILL);
	wait_for(pid, 0);

	assert_int_equal(r, -EBUSY);
	assert_non_null(strstr(err.msg, "'stopped'"));
	assert_non_null(strstr(err.msg, "running"));
	assert_int_equal(count_volumes(), 1);
}

/* --- several at once --- */

static int
set_tag_one(struct err *err)
{
	return update_a("{\"set_tags\":{\"one\":\"1\"}}", NULL, err);
}

static int
set_tag_two(struct err *err)
{
	return update_a("{\"set_tags\":{\"two\":\"2\"}}", NULL, err);
}

static void
two_updates_at_once_both_succeed(void **state)
{
	json_auto_t *vm = NULL;
	pid_t first, second;

	assert_int_equal(create_a(NULL), 0);
	first = fork_operation(NULL, set_tag_one);
	second = fork_operation(NULL, set_tag_two);
	assert_int_equal(wait_for(first, 0), 0);
	assert_int_equal(wait_for(second, 0), 0);

	vm = load_a(true);
	assert_int_equal(json_object_size(json_object_get(vm, "tags")), 3);
}

static void
writes_happen_inside_the_bracket(void **state)
{
	auto_free char *busy = path_host(PATH_RUN_ZONES "/" UUID_A ".busy");
	pid_t pid;

	assert_int_equal(create_a(NULL), 0);
	pid = fork_operation("update:files:wait", set_tag_one);
	assert_true(WIFSTOPPED(wait_for(pid, WUNTRACED)));
	assert_true(lock_is_held(busy));
	kill(pid, SIGCONT);
	assert_int_equal(wait_for(pid, 0), 0);
	assert_false(lock_is_held(busy));
}

static void
unknown_vm_is_not_found(void **state)
{
	struct err err = { 0 };

	assert_int_equal(update_a("{\"ram\":256}", NULL, &err), -ENOENT);
	assert_string_equal(err.msg, "VM " UUID_A " not found");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ops_root_setup, ops_root_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_parts_change),
		TEST(failure_of_any_step_takes_back_the_others),
		TEST(killed_at_any_step_it_can_be_repeated_and_deleted),
		TEST(volumes_of_a_killed_update_are_settled_by_the_next),
		TEST(what_is_so_already_is_not_written),
		TEST(an_object_fed_back_changes_nothing),
		TEST(unset_members_disappear),
		TEST(other_parts_of_the_xml_stay),
		TEST(changes_that_wait_for_the_next_boot_are_named),
		TEST(disks_of_a_running_vm_are_not_changed),
		TEST(two_updates_at_once_both_succeed),
		TEST(writes_happen_inside_the_bracket),
		TEST(unknown_vm_is_not_found),
	};

	return cmocka_run_group_tests_name("update", tests, NULL, NULL);
}
