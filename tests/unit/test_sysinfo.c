#include "private_root.h"

#include <errno.h>

#include "base/str.h"
#include "host/sysinfo.h"
#include "host/zone_dir.h"

static void
the_file_has_the_facts_and_is_written_once(void **state)
{
	static const char *const names[] = { "UUID", "Hostname", "Live Image", "Boot ID",
		"Memory MiB", "CPU Count" };
	json_t *info = NULL;
	struct fs_stamp stamp;

	(void)state;
	assert_int_equal(host_init(NULL), 0);
	assert_int_equal(sysinfo_write(NULL), 0);
	assert_int_equal(sysinfo_load(&info, &stamp, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_non_null(json_object_get(info, names[i]));
	assert_true(uuid_valid(json_member_str(info, "UUID")));
	assert_true(json_member_int(info, "Memory MiB", 0) > 0);
	assert_int_equal(sysinfo_write(NULL), 0);
	struct fs_stamp again = root_stamp(PATH_SYSINFO);
	assert_true(fs_stamp_equal(&stamp, &again));
	json_decref(info);
}

static void
names_given_by_the_operator_are_kept(void **state)
{
	json_t *info = NULL;

	(void)state;
	assert_int_equal(
	    host_init(NULL), 0); /* a host without machine-id keeps its uuid in a file */
	root_puts(
	    PATH_SYSINFO, "{\"Datacenter Name\":\"east\",\"Headnode ID\":[1],\"UUID\":\"x\"}");
	assert_int_equal(sysinfo_write(NULL), 0);
	assert_int_equal(sysinfo_load(&info, NULL, NULL), 0);
	json_auto_t *part = sysinfo_part(info);
	assert_string_equal(json_member_str(part, "datacenter_name"), "east");
	assert_true(json_is_array(json_object_get(part, "headnode_id")));
	assert_true(uuid_valid(json_member_str(part, "server_uuid")));
	assert_non_null(json_member_str(part, "platform_buildstamp"));
	assert_int_equal(json_object_size(part), 4);
	json_decref(info);
}

static void
the_uuid_is_stable_and_not_the_machine_id(void **state)
{
	json_t *first = NULL, *second = NULL;
	auto_buf struct buf id = BUF_INIT;

	(void)state;
	assert_int_equal(host_init(NULL), 0);
	assert_int_equal(sysinfo_write(NULL), 0);
	assert_int_equal(sysinfo_load(&first, NULL, NULL), 0);
	root_puts(PATH_SYSINFO, "not even JSON");
	assert_int_equal(sysinfo_write(NULL), 0);
	assert_int_equal(sysinfo_load(&second, NULL, NULL), 0);
	assert_string_equal(json_member_str(first, "UUID"), json_member_str(second, "UUID"));
	if (fs_read("/etc/machine-id", 4096, &id, NULL, NULL) == 0 && id.len >= 8)
		assert_memory_not_equal(json_member_str(first, "UUID"), id.data, 8);
	json_decref(first);
	json_decref(second);
}

static void
an_absent_file_is_collected_and_not_written(void **state)
{
	json_t *info = NULL;
	struct fs_stamp stamp;

	(void)state;
	assert_int_equal(sysinfo_load(&info, &stamp, NULL), 0);
	assert_non_null(json_member_str(info, "Hostname"));
	assert_int_equal(stamp.ino, 0);
	assert_int_equal(root_stamp(PATH_SYSINFO).ino, 0);
	json_decref(info);
}

static void
what_is_no_object_is_an_error(void **state)
{
	static const char *const texts[] = { "", "{", "[]", "5" };
	json_t *info = NULL;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		root_puts(PATH_SYSINFO, texts[i]);
		assert_int_equal(sysinfo_load(&info, NULL, &err), -EINVAL);
		assert_string_equal(err.what, PATH_SYSINFO);
		assert_null(info);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ROOT_TEST(the_file_has_the_facts_and_is_written_once),
		ROOT_TEST(names_given_by_the_operator_are_kept),
		ROOT_TEST(the_uuid_is_stable_and_not_the_machine_id),
		ROOT_TEST(an_absent_file_is_collected_and_not_written),
		ROOT_TEST(what_is_no_object_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
