#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <jansson.h>

#include "unit.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

static int pipe_fds[2];

static int
setup(void **state)
{
	(void)unsetenv("VMNODE_LOG_FILE");
	(void)unsetenv("VMNODE_LOG_LEVEL");
	log_init("unit", LOG_DEBUG);
	assert_int_equal(pipe2(pipe_fds, O_NONBLOCK | O_CLOEXEC), 0);
	log_set_fd(pipe_fds[1]);
	return 0;
}

static int
teardown(void **state)
{
	log_set_fd(-1);
	(void)close(pipe_fds[0]);
	(void)close(pipe_fds[1]);
	return 0;
}

/* The one line written, parsed. NULL when there is none. */
static json_t *
read_line(void)
{
	struct buf b auto_buf = BUF_INIT;

	if (buf_read(&b, pipe_fds[0], 65536) <= 0)
		return NULL;
	assert_int_equal(b.data[b.len - 1], '\n');
	assert_ptr_equal(strchr(b.data, '\n'), b.data + b.len - 1);
	return json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, NULL);
}

static void
line_has_the_fields_of_bunyan(void **state)
{
	json_auto_t *line = NULL;
	int64_t ms = 0;

	log_warn("something happened", LS("vm", "a\"b\n"), LI("n", INT64_MIN), LB("ok", true));
	line = read_line();
	assert_non_null(line);
	assert_string_equal(json_string_value(json_object_get(line, "name")), "unit");
	assert_true(json_is_string(json_object_get(line, "hostname")));
	assert_int_equal(json_integer_value(json_object_get(line, "pid")), getpid());
	assert_int_equal(json_integer_value(json_object_get(line, "level")), 40);
	assert_int_equal(json_integer_value(json_object_get(line, "v")), 0);
	assert_string_equal(json_string_value(json_object_get(line, "msg")), "something happened");
	assert_string_equal(json_string_value(json_object_get(line, "vm")), "a\"b\n");
	assert_true(json_integer_value(json_object_get(line, "n")) == INT64_MIN);
	assert_true(json_is_true(json_object_get(line, "ok")));
	assert_int_equal(iso8601_parse(json_string_value(json_object_get(line, "time")), &ms), 0);
}

static void
null_and_json_and_err_are_fields_too(void **state)
{
	struct err err = { 0 };
	json_auto_t *line = NULL, *expected = NULL;

	(void)err_set(&err, -ENOENT, "ram", "not \"there\"");
	log_error("failed", LS("s", NULL), LJ("j", "[1,{}]"), LJ("no", NULL), LE(&err));
	line = read_line();
	assert_true(json_is_null(json_object_get(line, "s")));
	assert_true(json_is_null(json_object_get(line, "no")));
	assert_int_equal(json_array_size(json_object_get(line, "j")), 2);
	expected =
	    json_pack("{s:s,s:s,s:s}", "message", "not \"there\"", "code", "ENOENT", "what", "ram");
	assert_true(json_equal(json_object_get(line, "err"), expected));
}

static void
absent_error_is_null_and_unset_one_has_no_code(void **state)
{
	struct err unset = { 0 };
	json_auto_t *first = NULL, *second = NULL;

	log_error("failed", LE(NULL));
	first = read_line();
	assert_true(json_is_null(json_object_get(first, "err")));
	log_error("failed", LE(&unset));
	second = read_line();
	assert_true(json_is_null(json_object_get(json_object_get(second, "err"), "code")));
}

static void
lower_levels_are_not_written(void **state)
{
	json_auto_t *line = NULL;

	log_init("unit", LOG_ERROR);
	log_warn("quiet");
	line = read_line();
	assert_null(line);
	assert_false(log_enabled(LOG_WARN));
	assert_true(log_enabled(LOG_FATAL));
}

static void
level_comes_from_the_environment(void **state)
{
	assert_int_equal(setenv("VMNODE_LOG_LEVEL", "trace", 1), 0);
	log_init("unit", LOG_ERROR);
	assert_true(log_enabled(LOG_TRACE));
	assert_int_equal(setenv("VMNODE_LOG_LEVEL", "loud", 1), 0);
	log_init("unit", LOG_ERROR);
	assert_false(log_enabled(LOG_WARN));
}

static void
level_names_and_numbers_are_known(void **state)
{
	static const struct {
		const char *s;
		int r;
		enum log_level level;
	} rows[] = { { "trace", 0, LOG_TRACE }, { "DEBUG", 0, LOG_DEBUG }, { "30", 0, LOG_INFO },
		{ "warn", 0, LOG_WARN }, { "60", 0, LOG_FATAL }, { "31", -EINVAL, 0 },
		{ "", -EINVAL, 0 }, { "x", -EINVAL, 0 }, { "-1", -EINVAL, 0 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum log_level level = 0;

		if (log_level_parse(rows[i].s, &level) != rows[i].r || level != rows[i].level)
			fail_row(rows[i].s, "level %d", (int)level);
	}
}

static void
file_of_the_environment_gets_the_lines(void **state)
{
	char *dir = unit_dir(), *path auto_free = xasprintf("%s/log", dir);
	struct buf b auto_buf = BUF_INIT;

	assert_int_equal(setenv("VMNODE_LOG_FILE", path, 1), 0);
	log_init("unit", LOG_INFO);
	log_info("one");
	log_info("two");
	assert_int_equal(fs_read(path, 65536, &b, NULL, NULL), 0);
	assert_non_null(strstr(b.data, "\"msg\":\"one\""));
	assert_non_null(strstr(b.data, "\"msg\":\"two\""));
	unit_dir_remove(dir);
}

static void
logging_changes_no_errno_and_needs_no_reader(void **state)
{
	log_set_fd(9999);
	errno = ENOTTY;
	log_error("nobody hears");
	assert_int_equal(errno, ENOTTY);
}

#define with_pipe(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_pipe(line_has_the_fields_of_bunyan),
		with_pipe(null_and_json_and_err_are_fields_too),
		with_pipe(absent_error_is_null_and_unset_one_has_no_code),
		with_pipe(lower_levels_are_not_written),
		with_pipe(level_comes_from_the_environment),
		with_pipe(level_names_and_numbers_are_known),
		with_pipe(file_of_the_environment_gets_the_lines),
		with_pipe(logging_changes_no_errno_and_needs_no_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
