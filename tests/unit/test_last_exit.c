#include "private_root.h"

#include <errno.h>

#include "base/str.h"
#include "host/last_exit.h"
#include "host/zone_dir.h"

#define ZONE "/zones/aaaaaaaa-0000-4000-8000-000000000001"

static void
two_words_are_an_exit_and_nothing_else_is(void **state)
{
	static const struct {
		const char *text;
		int result, status;
		int64_t time_ms;
	} rows[] = {
		{ "1500000000.123 0\n", 1, 0, 1500000000123 },
		{ "1500000000 256", 1, 256, 1500000000000 },
		{ "  1500000000.5\t9\n\n", 1, 9, 1500000000500 },
		{ "1500000000.123999999 -1", 1, -1, 1500000000123 },
		{ "1500000000. 139", 1, 139, 1500000000000 },
		{ "", 0, 0, 0 },
		{ "1500000000.123", 0, 0, 0 },
		{ "1 2 3", 0, 0, 0 },
		{ "x 0", 0, 0, 0 },
		{ "-5 0", 0, 0, 0 },
		{ "1.x 0", 0, 0, 0 },
		{ "1 x", 0, 0, 0 },
		{ "99999999999999999999 0", 0, 0, 0 },
		{ "1 4294967296", 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct last_exit e = { 0 };
		int r = last_exit_parse(rows[i].text, &e);
		if (r != rows[i].result || e.status != rows[i].status ||
		    e.time_ms != rows[i].time_ms)
			fail_msg(
			    "\"%s\": %d %lld %d", rows[i].text, r, (long long)e.time_ms, e.status);
	}
}

static void
status_words_become_exit_statuses(void **state)
{
	static const struct {
		int word, status;
	} rows[] = { { 0, 0 }, { 256, 1 }, { 3328, 13 }, { 9, -9 }, { 139, -139 }, { -1, 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct last_exit e = { 1500000000123, rows[i].word };
		json_auto_t *part = last_exit_part(&e);
		assert_int_equal(json_member_int(part, "exit_status", 99), rows[i].status);
		assert_string_equal(
		    json_member_str(part, "exit_timestamp"), "2017-07-14T02:40:00.123Z");
	}
}

static void
what_is_saved_is_loaded(void **state)
{
	const struct last_exit e = { 1500000000007, 9 };
	struct last_exit back = { 0 };
	struct fs_stamp stamp;

	(void)state;
	assert_int_equal(last_exit_load(ZONE, &back, &stamp, NULL), 0);
	assert_int_equal(stamp.ino, 0);
	assert_int_equal(zone_dir_create(ZONE, (uid_t)-1, NULL), 0);
	assert_int_equal(last_exit_load(ZONE, &back, NULL, NULL), 0);
	assert_int_equal(last_exit_save(ZONE, &e, NULL), 0);
	auto_free char *text = root_gets(ZONE "/lastexited");
	assert_string_equal(text, "1500000000.007 9\n");
	assert_int_equal(last_exit_load(ZONE, &back, &stamp, NULL), 1);
	assert_int_equal(back.time_ms, e.time_ms);
	assert_int_equal(back.status, e.status);
	assert_true(stamp.ino != 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ROOT_TEST(two_words_are_an_exit_and_nothing_else_is),
		ROOT_TEST(status_words_become_exit_statuses),
		ROOT_TEST(what_is_saved_is_loaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
