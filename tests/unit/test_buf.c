#include <errno.h>
#include <string.h>

#include "unit.h"

#include "base/buf.h"
#include "base/cleanup.h"

static void
text_grows_and_stays_terminated(void **state)
{
	struct buf b auto_buf = BUF_INIT;

	for (int i = 0; i < 1000; i++) {
		buf_addc(&b, 'a');
		buf_adds(&b, "bc");
		buf_add(&b, "de", 2);
		assert_int_equal(b.data[b.len], '\0');
	}
	assert_int_equal(b.len, 5000);
	assert_int_equal(strlen(b.data), 5000);
	buf_reset(&b);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
}

static void
formatted_text_of_any_length_fits(void **state)
{
	for (int n = 0; n < 300; n++) {
		struct buf b auto_buf = BUF_INIT;

		buf_adds(&b, "x");
		buf_addf(&b, "%*d|", n, 7);
		assert_int_equal(b.len, (size_t)(n > 1 ? n : 1) + 2);
		assert_int_equal(b.data[b.len - 1], '|');
		assert_int_equal(b.data[b.len], '\0');
	}
}

static void
taking_never_gives_null(void **state)
{
	struct buf b = BUF_INIT;
	char *empty auto_free = buf_take(&b), *text auto_free = NULL;

	assert_string_equal(empty, "");
	buf_adds(&b, "text");
	text = buf_take(&b);
	assert_string_equal(text, "text");
	assert_null(b.data);
	assert_int_equal(b.len, 0);
}

static void
dropping_keeps_the_rest(void **state)
{
	struct buf b auto_buf = BUF_INIT;

	buf_drop(&b, 0);
	buf_adds(&b, "abcdef");
	buf_drop(&b, 2);
	assert_string_equal(b.data, "cdef");
	buf_drop(&b, 4);
	assert_string_equal(b.data, "");
}

static void
reading_appends_and_tells_the_end(void **state)
{
	struct buf b auto_buf = BUF_INIT;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "hello", 5), 5);
	assert_int_equal(buf_read(&b, fds[0], 2), 2);
	assert_int_equal(buf_read(&b, fds[0], 100), 3);
	assert_string_equal(b.data, "hello");
	(void)close(fds[1]);
	assert_int_equal(buf_read(&b, fds[0], 100), 0);
	(void)close(fds[0]);
	assert_int_equal(buf_read(&b, fds[0], 100), -EBADF);
	assert_string_equal(b.data, "hello");
}

static void
json_strings_are_escaped(void **state)
{
	static const struct {
		const char *s;
		size_t len;
		const char *text;
	} rows[] = {
		{ "", 0, "\"\"" },
		{ "plain", 5, "\"plain\"" },
		{ "a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\"" },
		{ "\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"" },
		{ "\x01\x1f\x7f", 3, "\"\\u0001\\u001f\x7f\"" },
		{ "\0", 1, "\"\\u0000\"" },
		{ "\xc3\xbc", 2, "\"\xc3\xbc\"" },
		{ "\xf0\x9f\x98\x80", 4, "\"\xf0\x9f\x98\x80\"" },
		{ "a\xff"
		  "b",
		    3,
		    "\"a\xef\xbf\xbd"
		    "b\"" },
		{ "\xc3", 1, "\"\xef\xbf\xbd\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b auto_buf = BUF_INIT;

		buf_add_json_string(&b, rows[i].s, rows[i].len);
		assert_string_equal(b.data, rows[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_grows_and_stays_terminated),
		cmocka_unit_test(formatted_text_of_any_length_fits),
		cmocka_unit_test(taking_never_gives_null),
		cmocka_unit_test(dropping_keeps_the_rest),
		cmocka_unit_test(reading_appends_and_tells_the_end),
		cmocka_unit_test(json_strings_are_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
