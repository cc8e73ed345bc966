#include "private_root.h"

#include <errno.h>
#include <unistd.h>

#include "base/str.h"
#include "host/config_json.h"
#include "host/zone_dir.h"

#define ZONE "/zones/aaaaaaaa-0000-4000-8000-000000000001"

static json_t *
object(const char *text)
{
	json_t *obj = json_parse(text, strlen(text), "test", NULL);

	assert_non_null(obj);
	return obj;
}

static int
zone_setup(void **state)
{
	int r = root_setup(state);

	return r < 0 ? r : zone_dir_create(ZONE, (uid_t)-1, NULL);
}
#define ZONE_TEST(fn) cmocka_unit_test_setup_teardown(fn, zone_setup, root_teardown)

static void
assert_loads(const char *expected)
{
	json_auto_t *want = object(expected);
	json_auto_t *have = NULL;
	struct fs_stamp stamps[CONFIG_FILE_COUNT];
	struct err err = { 0 };
	int line;

	if (config_json_load(ZONE, &have, stamps, &line, &err) < 0)
		fail_msg("%s line %d: %s", err.what, line, err.msg);
	assert_true(json_equal(want, have));
}

#define NOTHING "{\"customer_metadata\":{},\"internal_metadata\":{},\"routes\":{},\"tags\":{}}"

static void
missing_files_are_empty_objects(void **state)
{
	(void)state;
	assert_loads(NOTHING);
	root_puts(ZONE "/config/metadata.json", "{}");
	assert_loads(NOTHING);
	assert_int_equal(fs_remove_tree(root_dir, NULL), 0);
	assert_loads(NOTHING);
}

static void
members_come_from_their_files(void **state)
{
	json_t *obj = NULL;
	struct fs_stamp stamps[CONFIG_FILE_COUNT];

	(void)state;
	root_puts(ZONE "/config/metadata.json",
	    "{\"internal_metadata\":{\"b\":2},\"customer_metadata\":{\"a\":\"1\"},\"other\":5}");
	root_puts(ZONE "/config/tags.json", "{\"t\":true}");
	assert_loads("{\"customer_metadata\":{\"a\":\"1\"},\"internal_metadata\":{\"b\":2},"
	             "\"routes\":{},\"tags\":{\"t\":true}}");
	assert_int_equal(config_json_load(ZONE, &obj, stamps, NULL, NULL), 0);
	struct fs_stamp tags = root_stamp(ZONE "/config/tags.json");
	assert_true(fs_stamp_equal(&stamps[CONFIG_TAGS], &tags));
	assert_int_equal(stamps[CONFIG_ROUTES].ino, 0);
	json_decref(obj);
}

static void
what_is_no_object_is_an_error_with_file_and_line(void **state)
{
	static const struct {
		const char *file, *text;
		int line;
	} rows[] = {
		{ ZONE "/config/metadata.json", "", 1 },
		{ ZONE "/config/metadata.json", "{\n\"a\": 1,\n\"b\" 2}", 3 },
		{ ZONE "/config/metadata.json", "[]", 1 },
		{ ZONE "/config/metadata.json", "{\"customer_metadata\":[]}", 0 },
		{ ZONE "/config/tags.json", "null", 1 },
		{ ZONE "/config/tags.json", "{\"a\":1,\n\"a\":2}", 2 },
		{ ZONE "/config/routes.json", "{} x", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *obj = NULL;
		struct fs_stamp stamps[CONFIG_FILE_COUNT];
		struct err err = { 0 };
		int line = -1;
		root_puts(rows[i].file, rows[i].text);
		int r = config_json_load(ZONE, &obj, stamps, &line, &err);
		if (r != -EINVAL || obj || line != rows[i].line || !str_eq(err.what, rows[i].file))
			fail_msg(
			    "%s: %d, %s line %d: %s", rows[i].text, r, err.what, line, err.msg);
		json_auto_t *change = object("{\"customer_metadata\":{\"x\":1},\"tags\":{\"x\":1},"
		                             "\"routes\":{\"x\":\"y\"}}");
		assert_true(config_json_save(ZONE, change, NULL) < 0);
		auto_free char *kept = root_gets(rows[i].file);
		assert_string_equal(kept, rows[i].text);
		root_puts(rows[i].file, "{}");
	}
}

static void
only_files_that_differ_are_written(void **state)
{
	json_auto_t *first =
	    object("{\"customer_metadata\":{\"a\":\"1\"},\"tags\":{\"t\":1},\"ram\":5}");
	json_auto_t *second =
	    object("{\"internal_metadata\":{\"b\":2},\"tags\":{\"t\":1},\"routes\":{}}");
	json_auto_t *third = object("{\"tags\":{}}");

	(void)state;
	assert_int_equal(config_json_save(ZONE, first, NULL), 0);
	assert_loads("{\"customer_metadata\":{\"a\":\"1\"},\"internal_metadata\":{},\"routes\":{},"
	             "\"tags\":{\"t\":1}}");
	struct fs_stamp tags = root_stamp(ZONE "/config/tags.json");
	assert_int_equal(config_json_save(ZONE, second, NULL), 0);
	struct fs_stamp same = root_stamp(ZONE "/config/tags.json");
	assert_true(fs_stamp_equal(&tags, &same));
	assert_int_equal(root_stamp(ZONE "/config/routes.json").ino, 0);
	assert_loads("{\"customer_metadata\":{\"a\":\"1\"},\"internal_metadata\":{\"b\":2},"
	             "\"routes\":{},\"tags\":{\"t\":1}}");
	assert_int_equal(config_json_save(ZONE, third, NULL), 0);
	assert_loads("{\"customer_metadata\":{\"a\":\"1\"},\"internal_metadata\":{\"b\":2},"
	             "\"routes\":{},\"tags\":{}}");
}

static void
members_nobody_knows_are_kept(void **state)
{
	json_auto_t *change = object("{\"customer_metadata\":{\"a\":\"2\"}}");

	(void)state;
	root_puts(
	    ZONE "/config/metadata.json", "{\"other\":[1],\"customer_metadata\":{\"a\":\"1\"}}");
	assert_int_equal(config_json_save(ZONE, change, NULL), 0);
	auto_free char *text = root_gets(ZONE "/config/metadata.json");
	json_auto_t *have = object(text);
	json_auto_t *want = object("{\"other\":[1],\"customer_metadata\":{\"a\":\"2\"}}");
	assert_true(json_equal(have, want));
}

static void
values_that_are_no_objects_are_not_saved(void **state)
{
	json_auto_t *change = object("{\"tags\":[]}");
	struct err err;

	(void)state;
	assert_int_equal(config_json_save(ZONE, change, &err), -EINVAL);
	assert_string_equal(err.what, "tags");
}

/* Whoever can write a directory of the VM must not make us read or write elsewhere. */
static void
symlinks_are_not_followed(void **state)
{
	json_auto_t *change = object("{\"tags\":{\"a\":1}}");
	auto_free char *dir = path_host(ZONE "/config"),
	               *file = path_host(ZONE "/config/tags.json");
	struct fs_stamp stamps[CONFIG_FILE_COUNT];
	json_t *obj = NULL;

	(void)state;
	root_puts("/secret/tags.json", "{\"s\":1}");
	auto_free char *secret = path_host("/secret"),
	               *secret_file = path_host("/secret/tags.json");
	assert_int_equal(symlink(secret_file, file), 0);
	assert_true(config_json_load(ZONE, &obj, stamps, NULL, NULL) < 0);
	assert_int_equal(fs_remove_tree(dir, NULL), 0);
	assert_int_equal(symlink(secret, dir), 0);
	assert_true(config_json_load(ZONE, &obj, stamps, NULL, NULL) < 0);
	assert_true(config_json_save(ZONE, change, NULL) < 0);
	assert_null(obj);
	auto_free char *text = root_gets("/secret/tags.json");
	assert_string_equal(text, "{\"s\":1}");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ZONE_TEST(missing_files_are_empty_objects),
		ZONE_TEST(members_come_from_their_files),
		ZONE_TEST(what_is_no_object_is_an_error_with_file_and_line),
		ZONE_TEST(only_files_that_differ_are_written),
		ZONE_TEST(members_nobody_knows_are_kept),
		ZONE_TEST(values_that_are_no_objects_are_not_saved),
		ZONE_TEST(symlinks_are_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
