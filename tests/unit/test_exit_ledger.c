#include "private_root.h"

#include <errno.h>

#include "base/str.h"
#include "host/exit_ledger.h"
#include "host/zone_dir.h"

#define ZONE      "/zones/aaaaaaaa-0000-4000-8000-000000000001"
#define FILE_NAME ZONE "/exits.jsonl"

static int
zone_setup(void **state)
{
	int r = root_setup(state);

	return r < 0 ? r : zone_dir_create(ZONE, (uid_t)-1, NULL);
}
#define ZONE_TEST(fn) cmocka_unit_test_setup_teardown(fn, zone_setup, root_teardown)

static struct exit_record
record(int64_t pid)
{
	return (struct exit_record){ .time_ms = 1700000000123,
		.cause = EXIT_GUEST_POWEROFF,
		.pid = pid,
		.by_uid = -1,
		.by_pid = -1 };
}

static void
append(const struct exit_record *r)
{
	struct err err = { 0 };

	if (exit_ledger_append(ZONE, r, &err) < 0)
		fail_msg("%s", err.msg);
}

static json_t *
load(void)
{
	json_t *array = NULL;

	assert_int_equal(exit_ledger_load(ZONE, &array, NULL), 0);
	return array;
}

static void
every_cause_has_a_name_and_a_sentence(void **state)
{
	(void)state;
	for (unsigned i = 0; i < EXIT_CAUSE_COUNT; i++) {
		assert_non_null(exit_causes[i].name);
		assert_true(str_ends(exit_causes[i].help, "."));
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(exit_causes[i].name, exit_causes[k].name);
	}
}

static void
a_record_is_one_line(void **state)
{
	struct exit_record full = { .time_ms = 1700000000123,
		.boot_time_ms = 1600000000000,
		.cause = EXIT_REQUESTED_STOP,
		.status = 9,
		.pid = 5,
		.by_uid = 0,
		.by_pid = 7,
		.by_program = "vmadm",
		.reason = "a \"b\"\n",
		.detail = "bad \xff byte" };

	(void)state;
	append(&full);
	auto_free char *text = root_gets(FILE_NAME);
	assert_string_equal(text,
	    "{\"date\":\"2023-11-14T22:13:20.123Z\",\"cause\":\"requested_stop\",\"status\":9,"
	    "\"pid\":5,"
	    "\"boot_date\":\"2020-09-13T12:26:40.000Z\",\"by\":{\"uid\":0,\"pid\":7,\"program\":"
	    "\"vmadm\"},"
	    "\"reason\":\"a \\\"b\\\"\\n\",\"detail\":\"bad \xef\xbf\xbd byte\"}\n");
	json_auto_t *array = load();
	assert_int_equal(json_array_size(array), 1);
}

static void
no_file_is_an_empty_array(void **state)
{
	json_auto_t *array = load();

	(void)state;
	assert_int_equal(json_array_size(array), 0);
}

static void
a_half_written_line_is_ignored_and_repaired(void **state)
{
	struct exit_record one = record(1), two = record(2);

	(void)state;
	append(&one);
	auto_free char *text = root_gets(FILE_NAME);
	auto_free char *torn = xasprintf("%s{\"date\":\"2023", text);
	root_puts(FILE_NAME, torn);
	json_auto_t *before = load();
	assert_int_equal(json_array_size(before), 1);
	append(&two);
	json_auto_t *after = load();
	assert_int_equal(json_array_size(after), 2);
	assert_int_equal(json_member_int(json_array_get(after, 1), "pid", 0), 2);
	auto_free char *repaired = root_gets(FILE_NAME);
	assert_null(strstr(repaired, "2023{"));
}

static void
lines_that_are_no_object_are_left_out(void **state)
{
	struct exit_record one = record(1);

	(void)state;
	root_puts(FILE_NAME, "garbage\n[]\n\n{\"pid\":9}\n");
	append(&one);
	json_auto_t *array = load();
	assert_int_equal(json_array_size(array), 2);
	assert_int_equal(json_member_int(json_array_get(array, 0), "pid", 0), 9);
}

static void
past_the_limit_the_older_half_goes(void **state)
{
	auto_buf struct buf text = BUF_INIT;
	struct exit_record last = record(77);
	unsigned n = 0;

	(void)state;
	while (text.len < (1u << 20) - 60)
		buf_addf(&text, "{\"pid\":%u,\"reason\":\"%050u\"}\n", n++, 0);
	root_write(FILE_NAME, text.data, text.len);
	append(&last);
	json_auto_t *array = load();
	size_t size = json_array_size(array);
	assert_in_range(size, n / 2 - n / 50, n / 2 + n / 50);
	assert_int_equal(json_member_int(json_array_get(array, size - 1), "pid", 0), 77);
	assert_int_equal(json_member_int(json_array_get(array, size - 2), "pid", 0), n - 1);
	struct fs_stamp stamp = root_stamp(FILE_NAME);
	assert_in_range(stamp.size, 1u << 18, 1u << 20);
}

static void
one_endless_line_does_not_stop_recording(void **state)
{
	auto_free char *text = xmalloc(5u << 20);
	struct exit_record last = record(77);

	(void)state;
	memset(text, 'x', 5u << 20);
	root_write(FILE_NAME, text, 3u << 20);
	append(&last);
	root_write(FILE_NAME, text, 5u << 20);
	append(&last);
	json_auto_t *array = load();
	assert_int_equal(json_array_size(array), 1);
	text[(3u << 20) - 1] = '\n';
	root_write(FILE_NAME, text, 3u << 20);
	append(&last);
	json_auto_t *again = load();
	assert_int_equal(json_array_size(again), 1);
}

static void
texts_are_cut(void **state)
{
	auto_free char *text = xmalloc(100001);
	struct exit_record r = record(1);

	(void)state;
	memset(text, 'x', 100000);
	text[100000] = '\0';
	r.detail = text;
	append(&r);
	assert_in_range(root_stamp(FILE_NAME).size, 4096, 5000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cause_has_a_name_and_a_sentence),
		ZONE_TEST(a_record_is_one_line),
		ZONE_TEST(no_file_is_an_empty_array),
		ZONE_TEST(a_half_written_line_is_ignored_and_repaired),
		ZONE_TEST(lines_that_are_no_object_are_left_out),
		ZONE_TEST(past_the_limit_the_older_half_goes),
		ZONE_TEST(one_endless_line_does_not_stop_recording),
		ZONE_TEST(texts_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
