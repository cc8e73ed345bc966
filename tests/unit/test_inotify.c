#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "unit.h"

#include "base/cleanup.h"
#include "io/inotify.h"

struct seen {
	int wd;
	uint32_t mask;
	char name[64];
	unsigned n;
};

static void
on_event(void *arg, int wd, uint32_t mask, const char *name)
{
	struct seen *s = arg;

	s->wd = wd;
	s->mask |= mask;
	(void)snprintf(s->name, sizeof(s->name), "%s", name);
	s->n++;
}

static void
touch(const char *dir, const char *name)
{
	auto_free char *path = xasprintf("%s/%s", dir, name);

	assert_int_equal(fs_replace(path, "x", 1, UNIT_OWNER(0644), NULL), 0);
}

static void
replaced_file_is_named(void **state)
{
	struct seen s = { 0 };
	struct inotify *in;
	uv_loop_t loop;
	int wd;

	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(inotify_open(&loop, on_event, &s, &in, NULL), 0);
	wd = inotify_add(in, *state, IN_MOVED_TO);
	assert_true(wd >= 0);
	assert_int_equal(inotify_add(in, *state, IN_MOVED_TO), wd);
	touch(*state, "file");
	while (s.n == 0)
		(void)uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(s.wd, wd);
	assert_string_equal(s.name, "file");
	inotify_close(in);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static void
removed_watch_says_so(void **state)
{
	auto_free char *sub = xasprintf("%s/sub", (char *)*state);
	struct seen s = { 0 };
	struct inotify *in;
	uv_loop_t loop;
	int wd;

	assert_int_equal(mkdir(sub, 0755), 0);
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(inotify_open(&loop, on_event, &s, &in, NULL), 0);
	wd = inotify_add(in, sub, IN_DELETE_SELF);
	assert_int_equal(rmdir(sub), 0);
	inotify_drain(in);
	assert_int_equal(s.wd, wd);
	assert_true(s.mask & IN_IGNORED);
	assert_int_equal(inotify_add(in, sub, IN_CREATE), -ENOENT);
	inotify_close(in);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static void
only_directories_are_watched(void **state)
{
	auto_free char *file = xasprintf("%s/file", (char *)*state);
	struct seen s = { 0 };
	struct inotify *in;
	uv_loop_t loop;

	touch(*state, "file");
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(inotify_open(&loop, on_event, &s, &in, NULL), 0);
	assert_int_equal(inotify_add(in, file, IN_MODIFY), -ENOTDIR);
	inotify_close(in);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(replaced_file_is_named),
		unit_test_in_dir(removed_watch_says_so),
		unit_test_in_dir(only_directories_are_watched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
