#include <errno.h>
#include <string.h>

#include "unit.h"

#include "base/cleanup.h"

static void
only_equal_texts_are_equal(void **state)
{
	assert_true(str_eq("a", "a"));
	assert_false(str_eq("a", "b"));
	assert_false(str_eq("a", NULL));
	assert_false(str_eq(NULL, ""));
	assert_true(str_eq(NULL, NULL));
}

static void
prefix_and_suffix_are_whole(void **state)
{
	assert_true(str_starts("--root", "--"));
	assert_true(str_starts("x", ""));
	assert_false(str_starts("-", "--"));
	assert_true(str_ends("a.xml", ".xml"));
	assert_false(str_ends("xml", ".xml"));
}

static void
membership_is_exact(void **state)
{
	static const char *const list[] = { "kvm", "lx", NULL };

	assert_true(str_in("lx", list));
	assert_false(str_in("l", list));
	assert_false(str_in(NULL, list));
}

static void
numbers_are_strict(void **state)
{
	static const struct {
		const char *s;
		bool hex;
		int64_t min, max;
		int r;
		int64_t value;
	} rows[] = {
		{ "0", false, 0, 10, 0, 0 },
		{ "-5", false, -10, 10, 0, -5 },
		{ "007", false, 0, 10, 0, 7 },
		{ "11", false, 0, 10, -ERANGE, 0 },
		{ "-1", false, 0, 10, -ERANGE, 0 },
		{ "", false, 0, 10, -EINVAL, 0 },
		{ "-", false, -10, 10, -EINVAL, 0 },
		{ "+1", false, 0, 10, -EINVAL, 0 },
		{ " 1", false, 0, 10, -EINVAL, 0 },
		{ "1 ", false, 0, 10, -EINVAL, 0 },
		{ "1.0", false, 0, 10, -EINVAL, 0 },
		{ "0x10", false, 0, 100, -EINVAL, 0 },
		{ "0x10", true, 0, 100, 0, 16 },
		{ "0xFf", true, 0, 255, 0, 255 },
		{ "ff", true, 0, 255, -EINVAL, 0 },
		{ "0x", true, 0, 255, -EINVAL, 0 },
		{ "0xg", true, 0, 255, -EINVAL, 0 },
		{ "12", true, 0, 255, 0, 12 },
		{ "9223372036854775807", false, INT64_MIN, INT64_MAX, 0, INT64_MAX },
		{ "9223372036854775808", false, INT64_MIN, INT64_MAX, -ERANGE, 0 },
		{ "-9223372036854775808", false, INT64_MIN, INT64_MAX, 0, INT64_MIN },
		{ "-9223372036854775809", false, INT64_MIN, INT64_MAX, -ERANGE, 0 },
		{ "99999999999999999999999999", false, INT64_MIN, INT64_MAX, -ERANGE, 0 },
		{ "99999999999999999999999999x", false, INT64_MIN, INT64_MAX, -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t value = 4711;
		int r = str_to_int(rows[i].s, rows[i].hex, rows[i].min, rows[i].max, &value);

		if (r != rows[i].r || value != (r < 0 ? 4711 : rows[i].value))
			fail_row(rows[i].s, "returned %d, value %lld", r, (long long)value);
	}
}

static void
splitting_and_joining_are_inverse(void **state)
{
	static const struct {
		const char *s;
		size_t n;
	} rows[] = { { "", 0 }, { "a", 1 }, { "a,b", 2 }, { ",", 2 }, { "a,,b,", 4 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char **v auto_strv = strv_split(rows[i].s, ',');
		char *joined auto_free = strv_join(v, ",");

		assert_int_equal(strv_len(v), rows[i].n);
		assert_string_equal(joined, rows[i].s);
	}
}

static void
vector_grows_from_nothing(void **state)
{
	char **v auto_strv = NULL;

	for (int i = 0; i < 100; i++)
		v = strv_push(v, xasprintf("%d", i));
	assert_int_equal(strv_len(v), 100);
	assert_string_equal(v[0], "0");
	assert_string_equal(v[99], "99");
	assert_int_equal(strv_len(NULL), 0);
}

static void
utf8_is_checked_as_unicode_says(void **state)
{
	static const struct {
		const char *s;
		bool valid;
	} rows[] = {
		{ "", true },
		{ "plain", true },
		{ "gr\xc3\xbc\xc3\x9f", true },
		{ "\xe2\x82\xac", true },
		{ "\xf0\x9f\x98\x80", true },
		{ "\xf4\x8f\xbf\xbf", true },
		{ "\xf4\x90\x80\x80", false }, /* beyond U+10FFFF */
		{ "\xed\xa0\x80", false },     /* surrogate */
		{ "\xed\x9f\xbf", true },
		{ "\xc0\x80", false }, /* overlong */
		{ "\xc1\xbf", false },
		{ "\xe0\x80\x80", false },
		{ "\xf0\x80\x80\x80", false },
		{ "\x80", false },
		{ "\xff", false },
		{ "\xc3", false }, /* cut */
		{ "\xe2\x82", false },
		{ "\xc3(", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (utf8_valid(rows[i].s, strlen(rows[i].s)) != rows[i].valid)
			fail_row(rows[i].s, "row %zu is not %d", i, rows[i].valid);
	assert_true(utf8_valid("a\0b", 3));
}

static void
base64_is_rfc_4648(void **state)
{
	static const char *const rows[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" }, { "\xfb\xff\xfe", "+//+" } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *text auto_free = base64_encode(rows[i][0], strlen(rows[i][0]));
		size_t len;
		char *data auto_free = base64_decode(rows[i][1], &len);

		assert_string_equal(text, rows[i][1]);
		assert_int_equal(len, strlen(rows[i][0]));
		assert_string_equal(data, rows[i][0]);
	}
}

static void
base64_decoding_is_lenient(void **state)
{
	static const char *const rows[][2] = { { "Zm9v\nYmFy", "foobar" }, { "Zm9vYg", "foob" },
		{ "-__-", "\xfb\xff\xfe" }, { " Z g = = ", "f" }, { "Z", "" }, { "!?", "" } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *data auto_free = base64_decode(rows[i][0], NULL);

		assert_string_equal(data, rows[i][1]);
	}
}

static void
words_are_split_like_a_shell(void **state)
{
	/* Joined with '|'; NULL is a refusal. */
	static const char *const rows[][2] = { { "", "" }, { "  ", "" }, { "a b\tc ", "a|b|c" },
		{ "'a b' c", "a b|c" }, { "\"a b\"c", "a bc" }, { "a\\ b", "a b" },
		{ "'a\\'", "a\\" }, { "\"a\\\"\\\\\\n\"", "a\"\\\\n" }, { "'' b", "|b" },
		{ "a''", "a" }, { "$HOME *", "$HOME|*" }, { "'a", NULL }, { "\"a", NULL },
		{ "a\\", NULL }, { "a\nb", NULL }, { "'a\nb'", NULL } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char **v auto_strv = words_split(rows[i][0]);
		char *joined auto_free = v ? strv_join(v, "|") : NULL;

		if (!str_eq(joined, rows[i][1]))
			fail_row(rows[i][0], "became %s", joined ? joined : "NULL");
	}
}

static void
uuids_are_recognised(void **state)
{
	static const struct {
		const char *s;
		bool valid, shaped;
	} rows[] = {
		{ "4c1b2f5e-1d3a-4f6b-8c7d-9e0f1a2b3c4d", true, true },
		{ "4C1B2F5E-1d3a-4f6b-8c7d-9e0f1a2b3c4d", false, true },
		{ "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz", false, true },
		{ "4c1b2f5e-1d3a-4f6b-8c7d-9e0f1a2b3c4", false, false },
		{ "4c1b2f5e-1d3a-4f6b-8c7d-9e0f1a2b3c4dd", false, false },
		{ "4c1b2f5e01d3a-4f6b-8c7d-9e0f1a2b3c4d", false, false },
		{ "", false, false },
		{ "4c1b2f5e-", false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (uuid_valid(rows[i].s) != rows[i].valid ||
		    uuid_shaped(rows[i].s) != rows[i].shaped)
			fail_row(rows[i].s, "misjudged");
}

static void
random_uuids_are_version_4(void **state)
{
	char a[UUID_LEN + 1], b[UUID_LEN + 1];

	uuid_random(a);
	uuid_random(b);
	assert_true(uuid_valid(a));
	assert_string_not_equal(a, b);
	assert_int_equal(a[14], '4');
	assert_non_null(strchr("89ab", a[19]));
}

static void
control_characters_are_hidden(void **state)
{
	static const struct {
		const char *text, *shown;
	} rows[] = {
		{ "", "" },
		{ "a b", "a b" },
		{ "a\nb\x1b[2J\x7f", "a?b?[2J?" },
		{ "\xc2\x9b"
		  "31m",
		    "??31m" },
		{ "\xc2\xa0\xc3\x9b", "\xc2\xa0\xc3\x9b" },
		{ "\xc2", "\xc2" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *text = xstrdup(rows[i].text);

		str_hide_controls(text, strlen(text));
		assert_string_equal(text, rows[i].shown);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_equal_texts_are_equal),
		cmocka_unit_test(prefix_and_suffix_are_whole),
		cmocka_unit_test(membership_is_exact),
		cmocka_unit_test(numbers_are_strict),
		cmocka_unit_test(splitting_and_joining_are_inverse),
		cmocka_unit_test(vector_grows_from_nothing),
		cmocka_unit_test(utf8_is_checked_as_unicode_says),
		cmocka_unit_test(base64_is_rfc_4648),
		cmocka_unit_test(base64_decoding_is_lenient),
		cmocka_unit_test(words_are_split_like_a_shell),
		cmocka_unit_test(control_characters_are_hidden),
		cmocka_unit_test(uuids_are_recognised),
		cmocka_unit_test(random_uuids_are_version_4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
