#include <errno.h>
#include <string.h>

#include "unit.h"

#include "base/err.h"

static void
setting_fills_all_and_returns_the_code(void **state)
{
	struct err err = { 0 };

	assert_int_equal(err_set(&err, -EINVAL, "ram", "must be at least %d MiB", 64), -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_string_equal(err.what, "ram");
	assert_string_equal(err.msg, "must be at least 64 MiB");
}

static void
nobody_needs_to_want_the_sentence(void **state)
{
	assert_int_equal(err_set(NULL, -EINVAL, NULL, "x"), -EINVAL);
	assert_int_equal(err_errno(NULL, -ENOENT, NULL, "x"), -ENOENT);
	assert_int_equal(err_prefix(NULL, "x"), -EIO);
}

static void
reason_of_the_kernel_is_appended(void **state)
{
	struct err err = { 0 };

	assert_int_equal(err_errno(&err, -ENOENT, NULL, "cannot read %s", "/x"), -ENOENT);
	assert_string_equal(err.msg, "cannot read /x: No such file or directory");
	assert_string_equal(err.what, "");
}

static void
context_comes_before_the_sentence(void **state)
{
	struct err err = { 0 };

	(void)err_set(&err, -EIO, NULL, "broken");
	assert_int_equal(err_prefix(&err, "vm %d", 12), -EIO);
	assert_string_equal(err.msg, "vm 12: broken");
}

static void
own_text_may_be_an_argument(void **state)
{
	struct err err = { 0 };

	(void)err_set(&err, -EIO, "disk", "broken");
	(void)err_set(&err, -EINVAL, err.what, "very %s", err.msg);
	assert_string_equal(err.what, "disk");
	assert_string_equal(err.msg, "very broken");
}

static void
text_is_one_line_of_whole_characters(void **state)
{
	struct err err = { 0 };
	char text[2000];
	size_t len;

	(void)err_set(&err, -EIO, NULL, "a\nb\tc\x1b");
	assert_string_equal(err.msg, "a b c ");
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = "\xe2\x82\xac"[i % 3];
	text[sizeof(text) - 1] = '\0';
	(void)err_set(&err, -EIO, NULL, "%s", text);
	len = strlen(err.msg);
	assert_in_range(len, sizeof(err.msg) - 4, sizeof(err.msg) - 1);
	assert_true(utf8_valid(err.msg, len));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(setting_fills_all_and_returns_the_code),
		cmocka_unit_test(nobody_needs_to_want_the_sentence),
		cmocka_unit_test(reason_of_the_kernel_is_appended),
		cmocka_unit_test(context_comes_before_the_sentence),
		cmocka_unit_test(own_text_may_be_an_argument),
		cmocka_unit_test(text_is_one_line_of_whole_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
