#include <sys/wait.h>

#include "unit.h"

#include "base/own.h"
#include "base/vmgroup.h"

/* design.md, section 3, as written there. */
static const struct {
	enum own_kind kind;
	mode_t mode;
	bool vm_uid, group;
} rows[] = {
	{ OWN_CONFIG_FILE, 0640, false, true },
	{ OWN_INDEX_FILE, 0644, false, true },
	{ OWN_ETC_DIR, 0755, false, true },
	{ OWN_ZONE_DIR, 0711, false, false },
	{ OWN_CONFIG_DIR, 0750, false, true },
	{ OWN_VM_TMP_DIR, 0770, true, true },
	{ OWN_VM_VOLUME, 0600, true, false },
	{ OWN_RUN_DIR, 0755, false, true },
	{ OWN_RUN_FILE, 0644, false, true },
	{ OWN_SOCKET, 0660, false, true },
	{ OWN_LEDGER, 0640, false, true },
};

static void
every_kind_has_its_mode(void **state)
{
	assert_int_equal(ARRAY_LEN(rows), OWN_KIND_COUNT);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(own_of(rows[i].kind, 1234).mode, rows[i].mode);
}

static void
root_gives_files_to_root_and_vms(void **state)
{
	gid_t group = vmgroup_gid() == (gid_t)-1 ? 0 : vmgroup_gid();

	if (!is_privileged())
		skip();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fs_owner o = own_of(rows[i].kind, 1234);
		struct fs_owner none = own_of(rows[i].kind, (uid_t)-1);

		assert_int_equal(o.uid, rows[i].vm_uid ? 1234 : 0);
		assert_int_equal(o.gid, rows[i].group ? group : 0);
		assert_int_equal(none.uid, 0);
	}
}

/* In a child, because there is no way back from giving up root. */
static void
others_change_no_owner(void **state)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		bool kept = !is_privileged() || setuid(65534) == 0;

		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			struct fs_owner o = own_of(rows[i].kind, 1234);

			kept &= o.uid == (uid_t)-1 && o.gid == (gid_t)-1 && o.mode == rows[i].mode;
		}
		_exit(kept ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
root_and_we_ourselves_may_read_all(void **state)
{
	assert_true(vmgroup_may_read_all(0));
	assert_true(vmgroup_may_read_all(geteuid()));
	/* More users than the cache has room for; none of them exists. */
	for (uid_t uid = 3000000000U; uid < 3000000200U; uid++)
		assert_false(vmgroup_may_read_all(uid));
	assert_false(vmgroup_may_read_all(3000000000U));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_has_its_mode),
		cmocka_unit_test(root_gives_files_to_root_and_vms),
		cmocka_unit_test(others_change_no_owner),
		cmocka_unit_test(root_and_we_ourselves_may_read_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
