#include "private_root.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "base/str.h"
#include "base/vmgroup.h"
#include "host/zone_dir.h"

#define ZONE   "/zones/aaaaaaaa-0000-4000-8000-000000000001"
#define VM_UID 200000

static struct stat
stat_of(const char *logical)
{
	auto_free char *host = path_host(logical);
	struct stat st;

	assert_int_equal(lstat(host, &st), 0);
	return st;
}

static void
directories_get_their_owners_and_modes(void **state)
{
	static const struct {
		const char *path;
		mode_t mode;
	} rows[] = {
		{ ZONE, 0711 },
		{ ZONE "/config", 0750 },
		{ ZONE "/root", 0711 },
		{ ZONE "/root/tmp", 0770 },
	};

	(void)state;
	assert_int_equal(zone_dir_create(ZONE, VM_UID, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(stat_of(rows[i].path).st_mode, S_IFDIR | rows[i].mode);
	if (is_privileged()) {
		assert_int_equal(stat_of(ZONE "/root/tmp").st_uid, VM_UID);
		assert_int_equal(stat_of(ZONE "/root").st_uid, 0);
	}
}

static void
existing_directories_are_put_right(void **state)
{
	auto_free char *tmp = path_host(ZONE "/root/tmp");

	(void)state;
	assert_int_equal(zone_dir_create(ZONE, (uid_t)-1, NULL), 0);
	assert_int_equal(chmod(tmp, 0700), 0);
	assert_int_equal(zone_dir_create(ZONE, VM_UID, NULL), 0);
	assert_int_equal(stat_of(ZONE "/root/tmp").st_mode & 07777, 0770);
	if (is_privileged())
		assert_int_equal(stat_of(ZONE "/root/tmp").st_uid, VM_UID);
}

static void
a_symlink_in_the_way_is_not_followed(void **state)
{
	auto_free char *tmp = path_host(ZONE "/root/tmp"), *victim = path_host("/victim");
	struct err err;

	(void)state;
	assert_int_equal(zone_dir_create(ZONE, VM_UID, NULL), 0);
	assert_int_equal(rmdir(tmp), 0);
	assert_int_equal(mkdir(victim, 0755), 0);
	assert_int_equal(symlink(victim, tmp), 0);
	assert_int_equal(zone_dir_create(ZONE, VM_UID, &err), -ELOOP);
	assert_int_equal(zone_dir_open_tmp(ZONE, &err), -ELOOP);
	assert_int_equal(stat_of("/victim").st_mode & 07777, 0755);
}

static void
the_tmp_directory_is_opened(void **state)
{
	(void)state;
	assert_int_equal(zone_dir_open_tmp(ZONE, NULL), -ENOENT);
	assert_int_equal(zone_dir_create(ZONE, (uid_t)-1, NULL), 0);
	auto_close int fd = zone_dir_open_tmp(ZONE, NULL);
	assert_true(fd >= 0);
}

static void
a_new_root_gets_all_it_needs_and_keeps_what_it_has(void **state)
{
	static const char *const dirs[] = { PATH_ZONES_ETC, PATH_LIB, PATH_LIB_OPS, PATH_POOL_ROOT,
		PATH_POOL_ROOT "/.pool", PATH_RUN, PATH_RUN_ZONES, PATH_RUN_LOCKS, PATH_RUN_OPS };

	(void)state;
	assert_int_equal(host_init(NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		assert_int_equal(stat_of(dirs[i]).st_mode, S_IFDIR | 0755);
	auto_free char *index = root_gets(PATH_ZONE_INDEX);
	assert_non_null(strstr(index, "global:installed:/\n"));
	root_puts(PATH_ZONE_INDEX, "# mine\nglobal:installed:/\n");
	assert_int_equal(host_init(NULL), 0);
	auto_free char *kept = root_gets(PATH_ZONE_INDEX);
	assert_string_equal(kept, "# mine\nglobal:installed:/\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ROOT_TEST(directories_get_their_owners_and_modes),
		ROOT_TEST(existing_directories_are_put_right),
		ROOT_TEST(a_symlink_in_the_way_is_not_followed),
		ROOT_TEST(the_tmp_directory_is_opened),
		ROOT_TEST(a_new_root_gets_all_it_needs_and_keeps_what_it_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
