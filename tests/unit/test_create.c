#include "ops_root.h"

#include "host/run_state.h"

static const char *const create_steps[] = { "row", "config", "incomplete", "uid", "filesystem",
	"volumes", "files", "installed", "finish" };

static bool
is_complete_after(const char *step)
{
	return str_eq(step, "finish");
}

static void
created_vm_is_stopped_and_whole(void **state)
{
	struct err err = { 0 };
	json_auto_t *vm = NULL;
	const json_t *disk, *nic;

	if (create_a(&err) < 0)
		fail_msg("%s", err.msg);
	vm = load_a(true);

	assert_string_equal(json_member_str(vm, "state"), "stopped");
	assert_string_equal(json_member_str(vm, "alias"), "first");
	assert_string_equal(json_member_str(vm, "zonepath"), "/zones/" UUID_A);
	assert_null(json_object_get(vm, "provisioning"));
	assert_non_null(json_member_str(vm, "machine_type"));
	assert_non_null(json_member_str(vm, "create_timestamp"));
	assert_int_equal(json_member_int(vm, "v", 0), 1);
	assert_int_equal(json_member_int(vm, "zonedid", 0), 1);
	assert_string_equal(json_member_str(json_object_get(vm, "tags"), "role"), "web");
	disk = json_array_get(json_object_get(vm, "disks"), 0);
	assert_int_equal(json_member_int(disk, "size", 0), 64);
	assert_string_equal(json_member_str(disk, "path"), "/zones/" UUID_A "-disk0.qcow2");
	nic = json_array_get(json_object_get(vm, "nics"), 0);
	assert_non_null(json_member_str(nic, "mac"));
	assert_true(json_member_bool(nic, "primary", false));
}

static void
failure_of_any_step_leaves_nothing(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(create_steps); i++) {
		int status = run_with_fault(fault_of("create", create_steps[i], "fail"), create_a);

		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), EIO);
		assert_false(exists_a());
		assert_nothing_left();
	}
}

static void
signal_in_any_step_undoes_everything(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(create_steps); i++) {
		pid_t pid = fork_operation(fault_of("create", create_steps[i], "wait"), create_a);
		int status = wait_for(pid, WUNTRACED);

		assert_true(WIFSTOPPED(status));
		assert_int_equal(kill(pid, SIGINT), 0);
		assert_int_equal(kill(pid, SIGCONT), 0);
		status = wait_for(pid, 0);
		assert_true(WIFEXITED(status));
		if (is_complete_after(create_steps[i])) {
			/* Nothing was left to do: it is a VM. */
			assert_int_equal(WEXITSTATUS(status), 0);
			assert_int_equal(delete_a(NULL), 0);
		} else {
			assert_int_equal(WEXITSTATUS(status), EINTR);
		}
		assert_nothing_left();
	}
}

static void
killed_at_any_step_it_is_described_and_can_be_deleted(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(create_steps); i++) {
		int status = run_with_fault(fault_of("create", create_steps[i], "kill"), create_a);
		json_auto_t *vm = load_a(false);
		struct err err = { 0 };

		assert_true(WIFSIGNALED(status));
		assert_non_null(vm);
		assert_string_equal(json_member_str(vm, "uuid"), UUID_A);
		if (delete_a(&err) < 0)
			fail_msg("after %s: %s", create_steps[i], err.msg);
		assert_false(exists_a());
		assert_nothing_left();
	}
}

static void
what_a_killed_create_left_is_undone_by_the_next_unless_it_was_complete(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(create_steps); i++) {
		bool complete =
		    is_complete_after(create_steps[i]) || str_eq(create_steps[i], "installed");
		json_auto_t *vm = NULL;
		int r;

		run_with_fault(fault_of("create", create_steps[i], "kill"), create_a);
		r = create_a(NULL);

		assert_int_equal(r, complete ? -EEXIST : 0);
		vm = load_a(true);
		assert_string_equal(json_member_str(vm, "state"), "stopped");
		assert_int_equal(delete_a(NULL), 0);
		assert_nothing_left();
	}
}

static void
second_vm_of_one_uuid_is_refused(void **state)
{
	json_auto_t *before = NULL, *after = NULL;
	struct err err = { 0 };

	assert_int_equal(create_a(NULL), 0);
	before = load_a(true);

	assert_int_equal(create_a(&err), -EEXIST);
	assert_string_equal(err.msg, "VM with UUID " UUID_A " already exists");
	after = load_a(true);
	assert_true(json_equal(before, after));
}

static void
of_two_creates_at_once_one_wins(void **state)
{
	pid_t first = fork_operation(NULL, create_a), second = fork_operation(NULL, create_a);
	int a = wait_for(first, 0), b = wait_for(second, 0);

	assert_true(WIFEXITED(a) && WIFEXITED(b));
	assert_int_equal(WEXITSTATUS(a) + WEXITSTATUS(b), EEXIST);
	assert_true(exists_a());
}

static void
storage_of_nobody_is_neither_used_nor_removed(void **state)
{
	auto_free char *dir = path_host("/zones/" UUID_A);
	struct err err = { 0 };

	assert_int_equal(mkdir(dir, 0755), 0);

	assert_int_equal(create_a(&err), -EEXIST);
	assert_non_null(strstr(err.msg, "already exists"));
	assert_int_equal(access(dir, F_OK), 0);
	assert_false(exists_a());
}

struct refusal {
	const char *name, *change, *msg;
};

static void
bad_payloads_are_refused_before_anything_is_made(void **state)
{
	static const struct refusal rows[] = {
		{ "no brand", "{\"brand\":null}", "brand" },
		{ "brand of another host", "{\"brand\":\"bhyve\"}", "kvm" },
		{ "kernel is missing", "{\"kernel_image\":\"/does/not/exist\"}",
		    "/does/not/exist" },
		{ "kernel is a directory", "{\"kernel_image\":\"/tmp\"}", "not a regular file" },
		{ "nic tag", "{\"nics\":[{\"nic_tag\":\"nowhere\",\"model\":\"virtio\"}]}",
		    "Invalid nic tag \"nowhere\"" },
		{ "pool", "{\"zpool\":\"lake\"}", "lake" },
		{ "ram", "{\"ram\":\"much\"}", "ram" },
	};

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		json_auto_t *payload = payload_a();
		json_auto_t *change = json_loads(rows[i].change, 0, NULL);
		struct op op = user_op();
		char uuid[UUID_LEN + 1];
		struct err err = { 0 };

		json_object_update(payload, change);
		assert_true(op_create(&op, payload, uuid, &err) < 0);
		if (!strstr(err.msg, rows[i].msg))
			fail_msg("%s: %s", rows[i].name, err.msg);
		assert_nothing_left();
	}
}

static void
kernel_must_be_readable_by_the_vms_own_uid(void **state)
{
	struct err err = { 0 };
	char kernel[80];

	(void)snprintf(kernel, sizeof(kernel), "%s/kernel", ops_root);
	assert_int_equal(chmod(kernel, 0), 0);

	assert_int_equal(create_a(&err), -EACCES);
	assert_non_null(strstr(err.msg, kernel));
	assert_nothing_left();
}

static int
others_one(void *arg, json_t **ret, struct err *err)
{
	json_t *vm = load_a(true);

	json_put_str(vm, "uuid", "22222222-2222-4222-8222-222222222222");
	*ret = json_pack("[o]", vm);
	return 0;
}

static void
mac_of_another_vm_is_a_conflict(void **state)
{
	json_auto_t *payload = payload_a(), *vm = NULL;
	struct op op = user_op();
	char uuid[UUID_LEN + 1];
	struct err err = { 0 };

	assert_int_equal(create_a(NULL), 0);
	vm = load_a(true);
	json_object_del(payload, "uuid");
	json_object_set(payload, "nics", json_object_get(vm, "nics"));
	op.others = others_one;

	assert_true(op_create(&op, payload, uuid, &err) < 0);
	assert_true(str_starts(err.msg, "Conflict detected with another vm"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ops_root_setup, ops_root_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(created_vm_is_stopped_and_whole),
		TEST(failure_of_any_step_leaves_nothing),
		TEST(signal_in_any_step_undoes_everything),
		TEST(killed_at_any_step_it_is_described_and_can_be_deleted),
		TEST(what_a_killed_create_left_is_undone_by_the_next_unless_it_was_complete),
		TEST(second_vm_of_one_uuid_is_refused),
		TEST(of_two_creates_at_once_one_wins),
		TEST(storage_of_nobody_is_neither_used_nor_removed),
		TEST(bad_payloads_are_refused_before_anything_is_made),
		TEST(kernel_must_be_readable_by_the_vms_own_uid),
		TEST(mac_of_another_vm_is_a_conflict),
	};

	return cmocka_run_group_tests_name("create", tests, NULL, NULL);
}
