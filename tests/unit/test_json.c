#include <errno.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "unit.h"

#include "base/cleanup.h"
#include "json/json.h"

static json_t *
parse(const char *text)
{
	struct err err = { 0 };
	json_t *v = json_parse(text, strlen(text), "text", &err);

	if (!v)
		fail_row(text, "%s", err.msg);
	return v;
}

static void
compact_text_round_trips(void **state)
{
	static const char *const rows[] = { "{}", "[]", "null", "true", "false", "0", "-1",
		"9223372036854775807", "-9223372036854775808", "\"\"", "\"a\\\"\\\\\\n\\u0001\"",
		"{\"b\":1,\"a\":[1,2,{\"c\":null}],\"\":\"\"}", "1.5", "-0.1",
		"\"\xc3\xbc\xf0\x9f\x98\x80\"", "[[[[]]]]", "1e+21", "1e-7" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_auto_t *v = parse(rows[i]);
		char *text auto_free = json_text(v);

		assert_string_equal(text, rows[i]);
	}
}

static void
indented_text_is_laid_out_like_javascript(void **state)
{
	json_auto_t *v = parse("{\"a\":[1,{\"b\":[]}],\"c\":{},\"d\":\"x\"}");
	struct buf b auto_buf = BUF_INIT;

	json_write(&b, v, 2);
	assert_string_equal(b.data, "{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n    }\n  ],\n"
	                            "  \"c\": {},\n  \"d\": \"x\"\n}");
}

static void
reals_are_printed_like_javascript(void **state)
{
	static const struct {
		double value;
		const char *text;
	} rows[] = {
		{ 0.0, "0" },
		{ -0.0, "0" },
		{ 1.0, "1" },
		{ -5.0, "-5" },
		{ 0.1, "0.1" },
		{ 0.1 + 0.2, "0.30000000000000004" },
		{ 1.0 / 3, "0.3333333333333333" },
		{ 2.0 / 3, "0.6666666666666666" },
		{ 123.456, "123.456" },
		{ 100, "100" },
		{ 1e20, "100000000000000000000" },
		{ 123456789012345680000.0, "123456789012345680000" },
		{ 1e21, "1e+21" },
		{ 1.5e21, "1.5e+21" },
		{ 1e22, "1e+22" },
		{ 1e23, "1e+23" },
		{ 1e-6, "0.000001" },
		{ 1.5e-6, "0.0000015" },
		{ 1e-7, "1e-7" },
		{ 1.5e-7, "1.5e-7" },
		{ 9007199254740993.0, "9007199254740992" },
		{ 5e-324, "5e-324" },
		{ 1.5e-323, "1.5e-323" },
		{ 2.2250738585072014e-308, "2.2250738585072014e-308" },
		{ DBL_MAX, "1.7976931348623157e+308" },
		{ 0x1p-44, "5.684341886080802e-14" },
		{ 0x1p-1, "0.5" },
		{ 4.35, "4.35" },
		{ 0.000035, "0.000035" },
		{ 999999999999999.9, "999999999999999.9" },
		{ 9.5, "9.5" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_auto_t *v = json_real(rows[i].value);
		char *text auto_free = json_text(v);

		assert_string_equal(text, rows[i].text);
	}
}

/* A linear congruential generator: the same numbers in every run. */
static uint64_t
next_random(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed ^ *seed >> 29;
}

static void
every_real_reads_back_equal(void **state)
{
	uint64_t seed = 1;

	for (int i = 0; i < 20000; i++) {
		uint64_t bits = next_random(&seed);
		double d, back;

		if (i % 4 == 0)
			bits = (bits & UINT64_C(0x7ff)) << 52; /* powers of two */
		memcpy(&d, &bits, sizeof(d));
		if (!isfinite(d))
			continue;
		json_auto_t *v = json_real(d);
		char *text auto_free = json_text(v);

		back = strtod(text, NULL);
		if (back != d)
			fail_row(text, "is not %.17g", d);
	}
}

static void
bad_text_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text;
		const char *msg; /* begins like this */
	} rows[] = {
		{ "", "f.json: line 1, column 1: " },
		{ "{", "f.json: line 1, column 1: " },
		{ "{\n  \"a\": 1,\n  \"b\": oops\n}", "f.json: line 3, column 11: invalid token" },
		{ "{\"a\":1,\"a\":2}", "f.json: line 1, column 10: duplicate object key" },
		{ "{} x", "f.json: line 1, column 4: end of file expected" },
		{ "[1,]", "f.json: line 1, column 4: " },
		{ "\"\xff\"", "f.json: line 1, column " },
		{ "\"\\ud800\"", "f.json: line 1, column " },
		{ "99999999999999999999", "f.json: line 1, column 20: too big integer" },
		{ "1e999", "f.json: line 1, column 5: real number overflow" },
		{ "'a'", "f.json: line 1, column 1: invalid token" },
		{ "01", "f.json: line 1, column 1: invalid token" },
		{ "// x", "f.json: line 1, column 1: invalid token" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { 0 };

		assert_null(json_parse(rows[i].text, strlen(rows[i].text), "f.json", &err));
		if (!str_starts(err.msg, rows[i].msg))
			fail_row(rows[i].text, "%s", err.msg);
		assert_int_equal(err.code, -EINVAL);
	}
}

static void
error_quotes_no_text(void **state)
{
	static const char text[] = "{\"password\": \"secret\" \"more\"}";
	struct err err = { 0 };

	assert_null(json_parse(text, strlen(text), "f.json", &err));
	assert_null(strstr(err.msg, "secret"));
	assert_null(strstr(err.msg, "more"));
}

static void
nesting_is_bounded(void **state)
{
	struct buf b auto_buf = BUF_INIT;

	for (int i = 0; i < 100000; i++)
		buf_addc(&b, '[');
	assert_null(json_parse(b.data, b.len, "deep", NULL));
}

static void
zero_bytes_are_refused(void **state)
{
	assert_null(json_parse("{}\0", 3, "x", NULL));
	assert_null(json_parse("\"a\0b\"", 5, "x", NULL));
}

static void
members_of_another_type_are_absent(void **state)
{
	json_auto_t *v = parse("{\"s\":\"x\",\"i\":7,\"b\":true,\"r\":1.5,\"n\":null}");

	assert_string_equal(json_member_str(v, "s"), "x");
	assert_null(json_member_str(v, "i"));
	assert_null(json_member_str(v, "absent"));
	assert_int_equal(json_member_int(v, "i", -1), 7);
	assert_int_equal(json_member_int(v, "r", -1), -1);
	assert_int_equal(json_member_int(v, "s", -1), -1);
	assert_true(json_member_bool(v, "b", false));
	assert_true(json_member_bool(v, "n", true));
	assert_false(json_member_bool(NULL, "n", false));
}

static void
setters_take_plain_values(void **state)
{
	json_auto_t *v = json_object();
	char *text auto_free = NULL;

	json_put_str(v, "s", "x");
	json_put_str(v, "absent", NULL);
	json_put_str(v, "broken",
	    "a\xff"
	    "b");
	json_put_int(v, "i", INT64_MIN);
	json_put_bool(v, "b", false);
	json_put(v, "n", json_null());
	json_put(v, "absent", NULL);
	json_put_str(v, "s", "y");
	text = json_text(v);
	assert_string_equal(text, "{\"s\":\"y\",\"broken\":\"a\xef\xbf\xbd"
	                          "b\","
	                          "\"i\":-9223372036854775808,\"b\":false,\"n\":null}");
}

static void
whole_numbers_become_integers(void **state)
{
	json_auto_t *whole = json_number(-3.0), *part = json_number(0.5),
	            *big = json_number(0x1p53);
	json_auto_t *nan = json_number(NAN);

	assert_true(json_is_integer(whole));
	assert_int_equal(json_integer_value(whole), -3);
	assert_true(json_is_real(part));
	assert_true(json_is_real(big));
	assert_true(json_is_null(nan));
}

/* The slices of `text` say the same as the parsed object. */
static void
assert_slices(const char *text)
{
	struct json_slice *v auto_free = NULL;
	json_auto_t *obj = parse(text);
	unsigned n = json_slices(text, strlen(text), &v), i = 0;
	const char *key;
	json_t *member;

	assert_int_equal(n, json_object_size(obj));
	json_object_foreach (obj, key, member) {
		struct buf name auto_buf = BUF_INIT;
		char *value auto_free = json_text(member);

		buf_add_json_string(&name, key, strlen(key));
		assert_int_equal(v[i].key_len, name.len - 2);
		assert_memory_equal(text + v[i].key_off, name.data + 1, name.len - 2);
		assert_int_equal(v[i].val_len, strlen(value));
		assert_memory_equal(text + v[i].val_off, value, v[i].val_len);
		i++;
	}
}

static void
slices_are_the_members(void **state)
{
	static const char *const rows[] = { "{}", "{\"a\":1}", "{\"a\":1,\"b\":\"x,y}\",\"c\":[]}",
		"{\"a\\\"b\":\"c\\\\\",\"d\":\"\\\\\\\"}\"}",
		"{\"a\":{\"b\":{\"c\":[1,2,{\"d\":\"]}\"}]}},\"e\":null}",
		"{\"\":\"\",\"x\":[[],{},\"\"],\"t\":true,\"r\":-1.5e-7}" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_slices(rows[i]);
}

static json_t *
random_value(uint64_t *seed, int depth)
{
	static const char *const texts[] = { "", "a", "\"", "\\", "}", "]", ",", ":", "\n", "{\"",
		"\\\"", "\xc3\xbc" };
	unsigned kind = (unsigned)(next_random(seed) >> 33) % (depth > 3 ? 5 : 7);
	unsigned n = (unsigned)(next_random(seed) >> 33) % 6;
	json_t *v;

	if (kind < 5)
		return kind == 0   ? json_null()
		       : kind == 1 ? json_integer((json_int_t)next_random(seed))
		       : kind == 2 ? json_number((double)n / 7)
		       : kind == 3 ? json_true()
		                   : json_string(texts[next_random(seed) % ARRAY_LEN(texts)]);
	v = kind == 5 ? json_array() : json_object();
	for (unsigned i = 0; i < n; i++) {
		json_t *child = random_value(seed, depth + 1);

		if (kind == 5)
			(void)json_array_append_new(v, child);
		else
			json_put(v, texts[next_random(seed) % ARRAY_LEN(texts)], child);
	}
	return v;
}

static void
slices_of_random_objects_are_the_members(void **state)
{
	uint64_t seed = 42;

	for (int i = 0; i < 2000; i++) {
		json_auto_t *obj = json_object();
		char *text auto_free = NULL;

		for (int k = 0; k < 5; k++) {
			char *key auto_free = xasprintf("k%d", k);

			json_put(obj, key, random_value(&seed, 0));
		}
		text = json_text(obj);
		assert_slices(text);
	}
}

static void
what_is_no_object_has_no_slices(void **state)
{
	static const char *const rows[] = { "", "{", "[]", "null", "{\"a\"", "{\"a\":", "{\"a\":1",
		"{\"a\":\"", "{\"a\":\"\\", "{\"a\":[1}", "{a:1}", "{\"a\":}", "{\"a\":1,", "{,}",
		"{\"a\":]}" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		/* An exact copy, so that reading behind it is found. */
		char *text auto_free = xmemdup(rows[i], strlen(rows[i]));
		struct json_slice *v auto_free = NULL;

		if (json_slices(text, strlen(rows[i]), &v) != 0 || v)
			fail_row(rows[i], "has slices");
	}
	struct json_slice *v = NULL;

	assert_int_equal(json_slices(NULL, 0, &v), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compact_text_round_trips),
		cmocka_unit_test(indented_text_is_laid_out_like_javascript),
		cmocka_unit_test(reals_are_printed_like_javascript),
		cmocka_unit_test(every_real_reads_back_equal),
		cmocka_unit_test(bad_text_is_refused_with_its_place),
		cmocka_unit_test(error_quotes_no_text),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(zero_bytes_are_refused),
		cmocka_unit_test(members_of_another_type_are_absent),
		cmocka_unit_test(setters_take_plain_values),
		cmocka_unit_test(whole_numbers_become_integers),
		cmocka_unit_test(slices_are_the_members),
		cmocka_unit_test(slices_of_random_objects_are_the_members),
		cmocka_unit_test(what_is_no_object_has_no_slices),
	};

	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
