#include <errno.h>

#include "unit.h"

#include "base/clock.h"

static void
iso_times_round_trip(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 1, "1970-01-01T00:00:00.001Z" },
		{ -1, "1969-12-31T23:59:59.999Z" },
		{ INT64_C(1769841522457), "2026-01-31T06:38:42.457Z" },
		{ INT64_C(951782400000), "2000-02-29T00:00:00.000Z" },
		{ INT64_C(253402300799999), "9999-12-31T23:59:59.999Z" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[ISO8601_SIZE];
		int64_t ms = 0;

		assert_string_equal(iso8601_format(rows[i].ms, text), rows[i].text);
		assert_int_equal(iso8601_parse(rows[i].text, &ms), 0);
		assert_int_equal(ms, rows[i].ms);
	}
}

static void
iso_times_of_any_value_fit(void **state)
{
	char text[ISO8601_SIZE];

	assert_string_equal(
	    iso8601_format(INT64_C(253402300800000), text), "+010000-01-01T00:00:00.000Z");
	assert_int_equal(iso8601_format(INT64_MAX, text)[0], '+');
	assert_int_equal(iso8601_format(INT64_MIN, text)[0], '-');
	assert_true(str_ends(text, "Z"));
}

static void
iso_fractions_are_cut_to_ms(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
		{ "1970-01-01T00:00:01Z", 1000 },
		{ "1970-01-01T00:00:01.5Z", 1500 },
		{ "1970-01-01T00:00:01.25Z", 1250 },
		{ "1970-01-01T00:00:01.123456789Z", 1123 },
		{ "1970-01-01T00:00:01.000999999Z", 1000 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t ms = 0;

		assert_int_equal(iso8601_parse(rows[i].text, &ms), 0);
		assert_int_equal(ms, rows[i].ms);
	}
}

static void
other_times_are_refused(void **state)
{
	static const char *const rows[] = { "", "1970-01-01", "1970-01-01T00:00:00",
		"1970-01-01 00:00:00Z", "1970-13-01T00:00:00Z", "1970-00-01T00:00:00Z",
		"1970-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "1970-01-32T00:00:00Z",
		"1970-01-00T00:00:00Z", "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z",
		"1970-01-01T00:00:60Z", "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00.1234567890Z",
		"1970-01-01T00:00:00Zx", "1970-01-01T00:00:00+01:00", "70-01-01T00:00:00Z",
		"1970-1-01T00:00:00Z", "-970-01-01T00:00:00Z" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t ms = 4711;

		if (iso8601_parse(rows[i], &ms) != -EINVAL || ms != 4711)
			fail_row(rows[i], "accepted");
	}
}

static void
hrtime_has_nine_digits(void **state)
{
	char text[HRTIME_SIZE];

	assert_string_equal(hrtime_format(INT64_C(54859766171547), text), "54859.766171547");
	assert_string_equal(hrtime_format(0, text), "0.000000000");
	assert_string_equal(hrtime_format(5, text), "0.000000005");
}

static void
pretty_deltas_name_the_largest_unit(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} rows[] = {
		{ 0, "0.000000000s (0ns)" },
		{ 1, "0.000000001s (1ns)" },
		{ 999, "0.000000999s (999ns)" },
		{ 1000, "0.000001000s (1us)" },
		{ 500478, "0.000500478s (500.48us)" },
		{ 1000000, "0.001000000s (1ms)" },
		{ 1500000, "0.001500000s (1.5ms)" },
		{ INT64_C(1000000000), "1.000000000s (1s)" },
		{ INT64_C(1999999999), "1.999999999s (2s)" },
		{ INT64_C(59500000000), "59.500000000s (59.5s)" },
		{ INT64_C(60000000000), "60.000000000s (1m)" },
		{ INT64_C(90999999999), "90.999999999s (1.5m)" },
		{ INT64_C(3600000000000), "3600.000000000s (1h)" },
		{ INT64_C(54632555733604), "54632.555733604s (15.18h)" },
		{ INT64_C(864000000000000), "864000.000000000s (10d)" },
		{ INT64_MAX, "9223372036.854775807s (106751.99d)" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[HRTIME_SIZE];

		assert_string_equal(hrtime_pretty(rows[i].ns, text), rows[i].text);
	}
}

static void
clocks_do_not_run_backwards(void **state)
{
	int64_t mono = clock_mono_ns(), boot = clock_boot_ns();

	assert_true(clock_mono_ns() >= mono);
	assert_true(clock_boot_ns() >= boot);
	assert_true(boot >= mono || mono - boot < 1000000000);
	assert_true(clock_wall_ms() > INT64_C(1600000000000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(iso_times_round_trip),
		cmocka_unit_test(iso_times_of_any_value_fit),
		cmocka_unit_test(iso_fractions_are_cut_to_ms),
		cmocka_unit_test(other_times_are_refused),
		cmocka_unit_test(hrtime_has_nine_digits),
		cmocka_unit_test(pretty_deltas_name_the_largest_unit),
		cmocka_unit_test(clocks_do_not_run_backwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
