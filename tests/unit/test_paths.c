#include <errno.h>
#include <string.h>

#include "unit.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/paths.h"

static void
slash_is_no_prefix(void **state)
{
	char *path auto_free = NULL;

	assert_int_equal(paths_init("/", NULL), 0);
	assert_string_equal(paths_root(), "");
	assert_false(paths_is_private());
	path = path_host(PATH_CONF);
	assert_string_equal(path, PATH_CONF);
	assert_string_equal(path_logical("/zones/x"), "/zones/x");
}

static void
private_root_is_put_before_and_stripped(void **state)
{
	char *dir = *state, *given auto_free = xasprintf("%s//./", dir), *host auto_free = NULL;
	char *expected auto_free = xasprintf("%s/zones/7", dir);
	char *beside auto_free = xasprintf("%sx/zones", dir);

	assert_int_equal(paths_init(given, NULL), 0);
	assert_string_equal(paths_root(), dir);
	assert_true(paths_is_private());
	host = path_hostf("%s/%d", PATH_POOL_ROOT, 7);
	assert_string_equal(host, expected);
	assert_ptr_equal(path_logical(host), host + strlen(dir));
	assert_string_equal(path_logical(dir), "/");
	assert_string_equal(path_logical(beside), beside);
	assert_string_equal(path_logical("/zones"), "/zones");
}

static void
other_roots_can_be_named(void **state)
{
	static const char *const rows[][2] = { { "", "/run/x" }, { "/", "/run/x" },
		{ "/srv/a", "/srv/a/run/x" }, { "/srv/a/", "/srv/a/run/x" } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *path auto_free = path_host_below(rows[i][0], "/run/x");

		assert_string_equal(path, rows[i][1]);
	}
}

static void
relative_root_becomes_absolute(void **state)
{
	char *cwd auto_free = getcwd(NULL, 0), *dir = *state;

	assert_int_equal(chdir(dir), 0);
	assert_int_equal(paths_init(".", NULL), 0);
	assert_int_equal(paths_root()[0], '/');
	assert_true(str_ends(paths_root(), strrchr(dir, '/')));
	assert_int_equal(chdir(cwd), 0);
}

static void
environment_is_the_default(void **state)
{
	assert_int_equal(setenv("VMNODE_ROOT", *state, 1), 0);
	assert_int_equal(paths_init(NULL, NULL), 0);
	assert_string_equal(paths_root(), *state);
	assert_int_equal(unsetenv("VMNODE_ROOT"), 0);
	assert_int_equal(paths_init(NULL, NULL), 0);
	assert_string_equal(paths_root(), "");
}

static void
bad_root_is_an_error_and_changes_nothing(void **state)
{
	char *absent auto_free = xasprintf("%s/absent", (char *)*state);
	struct err err = { 0 };

	assert_int_equal(paths_init(*state, NULL), 0);
	assert_int_equal(paths_init(absent, &err), -ENOENT);
	assert_non_null(strstr(err.msg, absent));
	assert_int_equal(paths_init("/dev/null", &err), -ENOTDIR);
	assert_string_equal(paths_root(), *state);
}

static void
boot_id_is_a_uuid(void **state)
{
	assert_true(uuid_valid(host_boot_id()));
	assert_ptr_equal(host_boot_id(), host_boot_id());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slash_is_no_prefix),
		unit_test_in_dir(private_root_is_put_before_and_stripped),
		cmocka_unit_test(other_roots_can_be_named),
		unit_test_in_dir(relative_root_becomes_absolute),
		unit_test_in_dir(environment_is_the_default),
		unit_test_in_dir(bad_root_is_an_error_and_changes_nothing),
		cmocka_unit_test(boot_id_is_a_uuid),
	};

	(void)unsetenv("VMNODE_ROOT");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
