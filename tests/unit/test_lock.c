#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "unit.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/lock.h"

static char *
lock_path(void **state)
{
	return xasprintf("%s/vm.lock", (char *)*state);
}

static void
second_descriptor_does_not_get_it(void **state)
{
	char *path auto_free = lock_path(state);
	int fd = lock_take(path, 0, NULL), again auto_close = -1;
	struct err err = { 0 };

	assert_true(fd >= 0);
	assert_int_equal(lock_take(path, 0, &err), -EAGAIN);
	assert_non_null(strstr(err.msg, path));
	assert_true(lock_is_held(path));
	(void)close(fd);
	assert_false(lock_is_held(path));
	again = lock_take(path, 0, NULL);
	assert_true(again >= 0);
}

static void
waiting_ends_at_the_deadline(void **state)
{
	char *path auto_free = lock_path(state);
	int fd auto_close = lock_take(path, -1, NULL);
	int64_t start = clock_mono_ns();

	assert_true(fd >= 0);
	assert_int_equal(lock_take(path, 30, NULL), -ETIMEDOUT);
	assert_true(clock_mono_ns() - start >= 30000000);
}

/* A child that holds the lock until it is killed. */
static pid_t
start_holder(const char *path)
{
	int fds[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		if (lock_take(path, 0, NULL) < 0 || write(fds[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	assert_int_equal(read(fds[0], &c, 1), 1);
	(void)close(fds[0]);
	(void)close(fds[1]);
	return pid;
}

static void
killed_holder_leaves_nothing_behind(void **state)
{
	static const int64_t timeouts[] = { -1, 60000 };

	for (size_t i = 0; i < ARRAY_LEN(timeouts); i++) {
		char *path auto_free = lock_path(state);
		pid_t pid = start_holder(path);
		int fd auto_close = -1;

		assert_true(lock_is_held(path));
		assert_int_equal(kill(pid, SIGKILL), 0);
		fd = lock_take(path, timeouts[i], NULL);
		assert_true(fd >= 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
}

static void
absent_file_is_not_held_and_not_made(void **state)
{
	char *path auto_free = lock_path(state);
	int dirfd auto_close = fs_open_dir(*state), fd auto_close = -1;
	struct stat st;

	assert_false(lock_is_held(path));
	assert_int_equal(stat(path, &st), -1);
	fd = lock_take(path, 0, NULL);
	assert_true(fd >= 0);
	assert_true(lock_is_held_at(dirfd, "vm.lock"));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
}

static void
symlink_is_refused(void **state)
{
	char *path auto_free = lock_path(state);

	assert_int_equal(symlink("elsewhere", path), 0);
	assert_int_equal(lock_take(path, 0, NULL), -ELOOP);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(second_descriptor_does_not_get_it),
		unit_test_in_dir(waiting_ends_at_the_deadline),
		unit_test_in_dir(killed_holder_leaves_nothing_behind),
		unit_test_in_dir(absent_file_is_not_held_and_not_made),
		unit_test_in_dir(symlink_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
