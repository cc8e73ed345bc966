#include "private_root.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "base/vmgroup.h"
#include "host/vm_uid.h"

#define A "aaaaaaaa-0000-4000-8000-000000000001"
#define B "bbbbbbbb-0000-4000-8000-000000000002"
#define C "cccccccc-0000-4000-8000-000000000003"
#define D "dddddddd-0000-4000-8000-000000000004"

/* A registry of three uids within the private root. */
static int
uid_setup(void **state)
{
	if (root_setup(state) < 0)
		return -1;
	auto_free char *text = xasprintf(
	    "[vm]\nuid_base = 200000\nuid_size = 3\nuid_registry = %s/registry/uids\n", root_dir);
	root_puts(PATH_CONF, text);
	return conf_load(NULL);
}
#define UID_TEST(fn) cmocka_unit_test_setup_teardown(fn, uid_setup, root_teardown)

static uid_t
get(const char *uuid)
{
	uid_t uid = 0;
	struct err err = { 0 };

	if (vm_uid_get(uuid, &uid, &err) < 0)
		fail_msg("%s", err.msg);
	return uid;
}

static void
needs_root(void)
{
	if (!is_privileged())
		skip();
}

static void
each_vm_keeps_its_own(void **state)
{
	(void)state;
	needs_root();
	assert_int_equal(get(A), 200000);
	assert_int_equal(get(B), 200001);
	assert_int_equal(get(A), 200000);
	auto_free char *text = root_gets("/registry/uids");
	auto_free char *want = xasprintf("200000 %s " A "\n200001 %s " B "\n", root_dir, root_dir);
	assert_string_equal(text, want);
}

static void
a_released_uid_rests_as_long_as_possible(void **state)
{
	(void)state;
	needs_root();
	assert_int_equal(get(A), 200000);
	assert_int_equal(get(B), 200001);
	assert_int_equal(vm_uid_release(A, NULL), 0);
	assert_int_equal(vm_uid_release(A, NULL), 0);
	assert_int_equal(get(C), 200002);
	assert_int_equal(get(D), 200000);
}

static void
when_all_are_taken_the_error_says_so(void **state)
{
	struct err err;
	uid_t uid = 5;

	(void)state;
	needs_root();
	(void)get(A);
	(void)get(B);
	(void)get(C);
	assert_int_equal(vm_uid_get(D, &uid, &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "vm.uid_size"));
	assert_int_equal(uid, 5);
}

static void
roots_do_not_share_and_gone_roots_give_back(void **state)
{
	auto_free char *other = xasprintf("%s/other root", root_dir);

	(void)state;
	needs_root();
	assert_int_equal(mkdir(other, 0755), 0);
	auto_free char *text = xasprintf("200000 %s " A "\n200001 /no/such/root " A "\n", other);
	root_puts("/registry/uids", text);
	assert_int_equal(get(A), 200002);
	/* Full: the row of the root that is gone makes room. */
	assert_int_equal(get(B), 200001);
	assert_int_equal(rmdir(other), 0);
	assert_int_equal(vm_uid_release(C, NULL), 0);
	auto_free char *after = root_gets("/registry/uids");
	assert_null(strstr(after, "other root"));
	assert_non_null(strstr(after, A));
}

static void
a_registry_that_is_not_understood_is_not_touched(void **state)
{
	static const char *const texts[] = { "nonsense\n", "200000 /root\n", "200000 /root x\n",
		"0 /root " A "\n", "-1 /root " A "\n", "200000 relative " A "\n" };
	uid_t uid;
	struct err err;

	(void)state;
	needs_root();
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		root_puts("/registry/uids", texts[i]);
		assert_int_equal(vm_uid_get(A, &uid, &err), -EINVAL);
		assert_non_null(strstr(err.msg, "line 1"));
		assert_int_equal(vm_uid_release(A, NULL), -EINVAL);
		auto_free char *after = root_gets("/registry/uids");
		assert_string_equal(after, texts[i]);
	}
	assert_int_equal(vm_uid_get("x", &uid, NULL), -EINVAL);
}

static void
three_at_once_get_different_ones(void **state)
{
	static const char *const uuids[] = { A, B, C };
	unsigned seen = 0;

	(void)state;
	needs_root();
	for (size_t i = 0; i < ARRAY_LEN(uuids); i++) {
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			uid_t uid;
			_exit(vm_uid_get(uuids[i], &uid, NULL) == 0 ? (int)(uid - 200000) : 99);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(uuids); i++) {
		int status;
		assert_true(wait(&status) > 0);
		assert_true(WIFEXITED(status));
		seen |= 1u << WEXITSTATUS(status);
	}
	assert_int_equal(seen, 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		UID_TEST(each_vm_keeps_its_own),
		UID_TEST(a_released_uid_rests_as_long_as_possible),
		UID_TEST(when_all_are_taken_the_error_says_so),
		UID_TEST(roots_do_not_share_and_gone_roots_give_back),
		UID_TEST(a_registry_that_is_not_understood_is_not_touched),
		UID_TEST(three_at_once_get_different_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
