#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "unit.h"

#include "base/cleanup.h"
#include "base/clock.h"

/* "<dir>/<name>"; freed with the other paths of the test. */
#define path_in(dir, name) xasprintf("%s/%s", (const char *)(dir), name)

static unsigned
count_entries(const char *path)
{
	DIR *dir auto_closedir = opendir(path);
	unsigned n = 0;

	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir));)
		n += !str_eq(e->d_name, ".") && !str_eq(e->d_name, "..");
	return n;
}

static void
assert_content(const char *path, const char *text)
{
	struct buf b auto_buf = BUF_INIT;

	assert_int_equal(fs_read(path, 1 << 20, &b, NULL, NULL), 0);
	assert_string_equal(str_or_empty(b.data), text);
}

static mode_t
mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static void
reading_appends_with_the_stamp(void **state)
{
	char *path auto_free = path_in(*state, "f");
	struct buf b auto_buf = BUF_INIT;
	struct fs_stamp stamp, again;

	buf_adds(&b, "x");
	assert_int_equal(fs_replace(path, "text", 4, UNIT_OWNER(0640), NULL), 0);
	assert_int_equal(fs_read(path, 4, &b, &stamp, NULL), 0);
	assert_string_equal(b.data, "xtext");
	assert_int_equal(stamp.size, 4);
	assert_int_equal(fs_stat(path, &again), 0);
	assert_true(fs_stamp_equal(&stamp, &again));
	assert_int_equal(mode_of(path), 0640);
}

static void
what_cannot_be_read_is_named(void **state)
{
	char *file auto_free = path_in(*state, "f"), *link auto_free = path_in(*state, "l");
	char *fifo auto_free = path_in(*state, "p"), *absent auto_free = path_in(*state, "a");
	const struct {
		const char *path;
		int r;
	} rows[] = { { absent, -ENOENT }, { link, -ELOOP }, { fifo, -EINVAL }, { *state, -EINVAL },
		{ file, -EFBIG } };

	assert_int_equal(fs_replace(file, "text", 4, UNIT_OWNER(0644), NULL), 0);
	assert_int_equal(symlink("f", link), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b auto_buf = BUF_INIT;
		struct err err = { 0 };

		buf_adds(&b, "kept");
		assert_int_equal(fs_read(rows[i].path, 3, &b, NULL, &err), rows[i].r);
		assert_non_null(strstr(err.msg, rows[i].path));
		assert_string_equal(b.data, "kept");
	}
}

static void
files_without_a_size_are_bounded_too(void **state)
{
	struct buf b auto_buf = BUF_INIT;

	assert_int_equal(fs_read("/proc/self/status", 10, &b, NULL, NULL), -EFBIG);
	assert_int_equal(fs_read("/proc/self/status", 1 << 20, &b, NULL, NULL), 0);
	assert_true(b.len > 10);
}

static void
replacing_swaps_the_file(void **state)
{
	char *path auto_free = path_in(*state, "f");
	struct fs_stamp before, after;

	assert_int_equal(fs_replace(path, "old", 3, UNIT_OWNER(0600), NULL), 0);
	assert_int_equal(fs_stat(path, &before), 0);
	assert_int_equal(fs_replace(path, "new text", 8, UNIT_OWNER(0644), NULL), 0);
	assert_int_equal(fs_stat(path, &after), 0);
	assert_content(path, "new text");
	assert_int_equal(mode_of(path), 0644);
	assert_false(fs_stamp_equal(&before, &after));
	assert_int_equal(count_entries(*state), 1);
}

static void
what_a_killed_writer_left_is_used_up(void **state)
{
	char *path auto_free = path_in(*state, "f"), *left auto_free = path_in(*state, ".f.new");

	assert_int_equal(fs_replace(left, "half a much longer te", 21, UNIT_OWNER(0644), NULL), 0);
	assert_int_equal(fs_replace(path, "new", 3, UNIT_OWNER(0600), NULL), 0);
	assert_content(path, "new");
	assert_int_equal(mode_of(path), 0600);
	assert_int_equal(count_entries(*state), 1);
	assert_int_equal(fs_replace(left, "half", 4, UNIT_OWNER(0644), NULL), 0);
	assert_int_equal(fs_unlink_replaced(path, NULL), 0);
	assert_int_equal(count_entries(*state), 0);
	assert_int_equal(fs_unlink_replaced(path, NULL), 0);
}

static void
no_link_is_followed_in_the_place_of_the_temporary_file(void **state)
{
	char *path auto_free = path_in(*state, "f"), *left auto_free = path_in(*state, ".f.new");
	char *other auto_free = path_in(*state, "other");

	assert_int_equal(fs_replace(other, "other", 5, UNIT_OWNER(0600), NULL), 0);
	assert_int_equal(symlink("other", left), 0);
	assert_true(fs_replace(path, "new", 3, UNIT_OWNER(0600), NULL) < 0);
	assert_int_equal(unlink(left), 0);
	assert_int_equal(link(other, left), 0);
	assert_int_equal(fs_replace(path, "new", 3, UNIT_OWNER(0600), NULL), -EEXIST);
	assert_content(other, "other");
}

static void
replacing_replaces_a_symlink_itself(void **state)
{
	char *path auto_free = path_in(*state, "l"), *target auto_free = path_in(*state, "t");

	assert_int_equal(fs_replace(target, "target", 6, UNIT_OWNER(0600), NULL), 0);
	assert_int_equal(symlink("t", path), 0);
	assert_int_equal(fs_replace(path, "new", 3, UNIT_OWNER(0600), NULL), 0);
	assert_content(target, "target");
	assert_content(path, "new");
}

/* RLIMIT_FSIZE makes write() fail as a full disk does: a short write, then an error. */
static int
replace_with_limit(const char *path, rlim_t limit, int (*fn)(const char *))
{
	struct rlimit old, small;
	int r;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = limit;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	r = fn(path);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	return r;
}

static int
replace_hundred(const char *path)
{
	char data[100] = { 0 };

	return fs_replace(path, data, sizeof(data), UNIT_OWNER(0600), NULL);
}

static int
append_hundred(const char *path)
{
	char data[100] = { 0 };

	return fs_append(path, data, sizeof(data), UNIT_OWNER(0600), NULL);
}

static void
failed_replace_leaves_the_old_file_only(void **state)
{
	char *path auto_free = path_in(*state, "f"), *dir auto_free = path_in(*state, "d");

	assert_int_equal(fs_replace(path, "old", 3, UNIT_OWNER(0600), NULL), 0);
	assert_int_equal(replace_with_limit(path, 50, replace_hundred), -EFBIG);
	assert_content(path, "old");
	assert_int_equal(count_entries(*state), 1);
	assert_int_equal(mkdir(dir, 0755), 0);
	assert_int_equal(replace_hundred(dir), -EISDIR);
	assert_int_equal(count_entries(*state), 2);
}

static void
replacing_below_an_open_directory_takes_names_only(void **state)
{
	int dirfd auto_close = fs_open_dir(*state);
	char *path auto_free = path_in(*state, "f");

	assert_int_equal(fs_replace_at(dirfd, "f", "x", 1, UNIT_OWNER(0600), NULL), 0);
	assert_content(path, "x");
	assert_int_equal(fs_replace_at(dirfd, "../f", "x", 1, UNIT_OWNER(0600), NULL), -EINVAL);
	assert_int_equal(fs_replace_at(dirfd, "", "x", 1, UNIT_OWNER(0600), NULL), -EINVAL);
}

static void
appending_creates_then_adds(void **state)
{
	char *path auto_free = path_in(*state, "f"), *link auto_free = path_in(*state, "l");

	assert_int_equal(fs_append(path, "a\n", 2, UNIT_OWNER(0640), NULL), 0);
	assert_int_equal(fs_append(path, "b\n", 2, UNIT_OWNER(0600), NULL), 0);
	assert_content(path, "a\nb\n");
	assert_int_equal(mode_of(path), 0640);
	assert_int_equal(symlink("f", link), 0);
	assert_int_equal(fs_append(link, "c\n", 2, UNIT_OWNER(0600), NULL), -ELOOP);
	assert_int_equal(fs_append("/dev/null", "c", 1, UNIT_OWNER(0600), NULL), -EINVAL);
}

static void
half_a_block_is_taken_back(void **state)
{
	char *path auto_free = path_in(*state, "f");

	assert_int_equal(fs_append(path, "old\n", 4, UNIT_OWNER(0600), NULL), 0);
	assert_int_equal(replace_with_limit(path, 50, append_hundred), -ENOSPC);
	assert_content(path, "old\n");
}

static void
absent_file_has_a_zero_stamp(void **state)
{
	char *absent auto_free = path_in(*state, "a"), *below auto_free = path_in(*state, "f/x");
	char *path auto_free = path_in(*state, "f");
	struct fs_stamp stamp = { 1, 1, 1, 1 }, zero = { 0 };

	assert_int_equal(fs_stat(absent, &stamp), 0);
	assert_true(fs_stamp_equal(&stamp, &zero));
	assert_false(fs_stamp_is_young(&stamp, 1000));
	assert_int_equal(fs_append(path, "", 0, UNIT_OWNER(0600), NULL), 0);
	assert_int_equal(fs_stat(below, &stamp), 0);
	assert_true(fs_stamp_equal(&stamp, &zero));
}

static void
youth_is_about_the_last_change(void **state)
{
	int64_t now_ns = clock_wall_ms() * 1000000;
	struct fs_stamp s = { .ino = 1, .ctime_ns = now_ns };

	assert_true(fs_stamp_is_young(&s, 10000));
	s.ctime_ns = now_ns - INT64_C(11000000000);
	assert_false(fs_stamp_is_young(&s, 10000));
	s.ctime_ns = now_ns + INT64_C(3600000000000);
	assert_true(fs_stamp_is_young(&s, 20));
}

static void
directories_are_made_with_their_parents(void **state)
{
	char *path auto_free = path_in(*state, "a/b/c/"),
	           *parent auto_free = path_in(*state, "a/b");
	char *file auto_free = path_in(*state, "f"), *below auto_free = path_in(*state, "f/x/y");
	mode_t old = umask(077);

	assert_int_equal(fs_mkdir_p(path, UNIT_OWNER(0750), NULL), 0);
	assert_int_equal(mode_of(path), 0750);
	assert_int_equal(mode_of(parent), 0755);
	assert_int_equal(fs_mkdir_p(path, UNIT_OWNER(0700), NULL), 0);
	assert_int_equal(mode_of(path), 0750);
	assert_int_equal(fs_append(file, "", 0, UNIT_OWNER(0600), NULL), 0);
	assert_int_equal(fs_mkdir_p(file, UNIT_OWNER(0700), NULL), -ENOTDIR);
	assert_int_equal(fs_mkdir_p(below, UNIT_OWNER(0700), NULL), -ENOTDIR);
	assert_int_equal(fs_mkdir_p("", UNIT_OWNER(0700), NULL), -EINVAL);
	(void)umask(old);
}

static void
removing_what_is_absent_succeeds(void **state)
{
	char *absent auto_free = path_in(*state, "a"), *deep auto_free = path_in(*state, "a/b/c");

	assert_int_equal(fs_unlink(absent, NULL), 0);
	assert_int_equal(fs_remove_tree(absent, NULL), 0);
	assert_int_equal(fs_remove_tree(deep, NULL), 0);
}

static void
removing_a_tree_does_not_follow_symlinks(void **state)
{
	char *tree auto_free = path_in(*state, "t"), *sub auto_free = path_in(*state, "t/a/b");
	char *keep auto_free = path_in(*state, "keep"), *kept auto_free = path_in(*state, "keep/f");
	char *link auto_free = path_in(*state, "t/a/l"), *file auto_free = path_in(*state, "t/a/f");

	assert_int_equal(fs_mkdir_p(sub, UNIT_OWNER(0755), NULL), 0);
	assert_int_equal(fs_mkdir_p(keep, UNIT_OWNER(0755), NULL), 0);
	assert_int_equal(fs_append(kept, "x", 1, UNIT_OWNER(0600), NULL), 0);
	assert_int_equal(fs_append(file, "x", 1, UNIT_OWNER(0600), NULL), 0);
	assert_int_equal(symlink("../../keep", link), 0);
	assert_int_equal(fs_remove_tree(tree, NULL), 0);
	assert_content(kept, "x");
	assert_int_equal(count_entries(*state), 1);
	/* A symlink as the tree itself is removed, not what it names. */
	assert_int_equal(symlink("keep", tree), 0);
	assert_int_equal(fs_remove_tree(tree, NULL), 0);
	assert_content(kept, "x");
}

static void
removing_a_very_deep_tree_needs_few_descriptors(void **state)
{
	char *tree auto_free = path_in(*state, "t");
	struct rlimit old, few;
	int fd;

	assert_int_equal(mkdir(tree, 0755), 0);
	fd = fs_open_dir(tree);
	for (int i = 0; i < 3000; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)close(fd);
		fd = next;
	}
	(void)close(fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = 256;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(fs_remove_tree(tree, NULL), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(count_entries(*state), 0);
}

/* In a mount namespace of its own: 0 when what is mounted into the tree stopped the removal, 77
 * when we may not mount. */
static int
remove_tree_with_a_mount(const char *dir)
{
	char *mount_point auto_free = path_in(dir, "t/a/m"), *tree auto_free = path_in(dir, "t");
	char *keep auto_free = path_in(dir, "keep"), *kept auto_free = path_in(dir, "keep/f");
	int status = -1;
	pid_t pid;

	assert_int_equal(fs_mkdir_p(mount_point, UNIT_OWNER(0755), NULL), 0);
	assert_int_equal(fs_mkdir_p(keep, UNIT_OWNER(0755), NULL), 0);
	assert_int_equal(fs_append(kept, "x", 1, UNIT_OWNER(0600), NULL), 0);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount(keep, mount_point, NULL, MS_BIND, NULL) < 0)
			_exit(77);
		_exit(fs_remove_tree(tree, NULL) == -EXDEV ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_content(kept, "x");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A bind mount of the same file system is a way out of the tree too. */
static void
removing_a_tree_stops_at_mounts(void **state)
{
	int r = remove_tree_with_a_mount(*state);

	if (r == 77)
		skip();
	assert_int_equal(r, 0);
}

static void
opening_beneath_refuses_symlinks_and_parents(void **state)
{
	char *sub auto_free = path_in(*state, "root/tmp"), *link auto_free = path_in(*state, "l");
	char *file auto_free = path_in(*state, "f");
	static const struct {
		const char *rel;
		int r;
	} rows[] = { { "root/tmp", 0 }, { "root//./tmp/", 0 }, { "", 0 }, { "l", -ELOOP },
		{ "l/tmp", -ELOOP }, { "root/..", -EINVAL }, { "f", -ENOTDIR }, { "a", -ENOENT } };
	int dirfd auto_close = fs_open_dir(*state);

	assert_int_equal(fs_mkdir_p(sub, UNIT_OWNER(0755), NULL), 0);
	assert_int_equal(symlink("root", link), 0);
	assert_int_equal(fs_append(file, "", 0, UNIT_OWNER(0600), NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int fd auto_close = fs_open_dir_beneath(dirfd, rows[i].rel);

		if (rows[i].r < 0 ? fd != rows[i].r : fd < 0)
			fail_row(rows[i].rel, "gave %d", fd);
	}
}

static void
parent_and_name_are_told_apart(void **state)
{
	static const struct {
		const char *path, *name;
	} rows[] = { { "/etc", "etc" }, { "x", "x" }, { "/proc/self/x", "x" } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *name;
		int fd auto_close = fs_open_parent(rows[i].path, &name);

		assert_true(fd >= 0);
		assert_string_equal(name, rows[i].name);
	}
}

/* --- Sockets --- */

static char *
long_dir(const char *dir)
{
	struct buf b = BUF_INIT;

	buf_adds(&b, dir);
	for (int i = 0; i < 10; i++)
		buf_adds(&b, "/a-rather-long-directory-name");
	assert_true(b.len > 107);
	assert_int_equal(fs_mkdir_p(b.data, UNIT_OWNER(0755), NULL), 0);
	return buf_take(&b);
}

static void
sockets_work_at_any_length_of_path(void **state)
{
	char *dir auto_free = long_dir(*state), *path auto_free = path_in(dir, "s.sock");
	int server auto_close = fs_unix_listen_path(path, 5, UNIT_OWNER(0660));
	int client auto_close = fs_unix_connect_path(path), peer auto_close = -1;
	char c = 0;

	assert_true(server >= 0);
	assert_true(client >= 0);
	assert_int_equal(mode_of(path), 0660);
	peer = accept(server, NULL, NULL);
	assert_true(peer >= 0);
	assert_int_equal(write(peer, "x", 1), 1);
	assert_int_equal(read(client, &c, 1), 1);
	assert_int_equal(c, 'x');
	assert_int_equal(fcntl(server, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	assert_int_equal(fcntl(client, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(client, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static void
socket_mode_does_not_depend_on_the_umask(void **state)
{
	static const mode_t masks[] = { 0, 022, 077, 0777 };

	for (size_t i = 0; i < ARRAY_LEN(masks); i++) {
		char *path auto_free = path_in(*state, "s");
		mode_t old = umask(masks[i]);
		int fd auto_close = fs_unix_listen_path(path, 5, UNIT_OWNER(0660));

		(void)umask(old);
		assert_true(fd >= 0);
		assert_int_equal(mode_of(path), 0660);
	}
}

static void
stale_socket_is_replaced_and_a_live_one_is_not(void **state)
{
	char *path auto_free = path_in(*state, "s");
	int first = fs_unix_listen_path(path, 5, UNIT_OWNER(0600)), second auto_close = -1;

	assert_true(first >= 0);
	assert_int_equal(fs_unix_listen_path(path, 5, UNIT_OWNER(0600)), -EADDRINUSE);
	(void)close(first);
	assert_int_equal(fs_unix_connect_path(path), -ECONNREFUSED);
	second = fs_unix_listen_path(path, 5, UNIT_OWNER(0600));
	assert_true(second >= 0);
}

static void
only_sockets_are_removed_or_connected_to(void **state)
{
	char *file auto_free = path_in(*state, "f"), *link auto_free = path_in(*state, "l");
	char *path auto_free = path_in(*state, "s"), *absent auto_free = path_in(*state, "a");
	int server auto_close = fs_unix_listen_path(path, 5, UNIT_OWNER(0600));

	assert_true(server >= 0);
	assert_int_equal(fs_append(file, "x", 1, UNIT_OWNER(0600), NULL), 0);
	assert_int_equal(symlink("s", link), 0);
	assert_int_equal(fs_unix_listen_path(file, 5, UNIT_OWNER(0600)), -EADDRINUSE);
	assert_int_equal(fs_unix_listen_path(link, 5, UNIT_OWNER(0600)), -EADDRINUSE);
	assert_content(file, "x");
	assert_int_equal(fs_unix_connect_path(file), -ENOTSOCK);
	assert_int_equal(fs_unix_connect_path(link), -ELOOP);
	assert_int_equal(fs_unix_connect_path(absent), -ENOENT);
	assert_int_equal(fs_unix_connect(AT_FDCWD, "a/b"), -EINVAL);
	assert_int_equal(linkat(AT_FDCWD, path, AT_FDCWD, absent, 0), 0);
	assert_int_equal(fs_unix_connect_path(absent), -EMLINK);
	assert_int_equal(fs_unix_listen_path(absent, 5, UNIT_OWNER(0600)), -EADDRINUSE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit_test_in_dir(reading_appends_with_the_stamp),
		unit_test_in_dir(what_cannot_be_read_is_named),
		unit_test_in_dir(files_without_a_size_are_bounded_too),
		unit_test_in_dir(replacing_swaps_the_file),
		unit_test_in_dir(what_a_killed_writer_left_is_used_up),
		unit_test_in_dir(no_link_is_followed_in_the_place_of_the_temporary_file),
		unit_test_in_dir(replacing_replaces_a_symlink_itself),
		unit_test_in_dir(failed_replace_leaves_the_old_file_only),
		unit_test_in_dir(replacing_below_an_open_directory_takes_names_only),
		unit_test_in_dir(appending_creates_then_adds),
		unit_test_in_dir(half_a_block_is_taken_back),
		unit_test_in_dir(absent_file_has_a_zero_stamp),
		cmocka_unit_test(youth_is_about_the_last_change),
		unit_test_in_dir(directories_are_made_with_their_parents),
		unit_test_in_dir(removing_what_is_absent_succeeds),
		unit_test_in_dir(removing_a_tree_does_not_follow_symlinks),
		unit_test_in_dir(removing_a_very_deep_tree_needs_few_descriptors),
		unit_test_in_dir(removing_a_tree_stops_at_mounts),
		unit_test_in_dir(opening_beneath_refuses_symlinks_and_parents),
		cmocka_unit_test(parent_and_name_are_told_apart),
		unit_test_in_dir(sockets_work_at_any_length_of_path),
		unit_test_in_dir(socket_mode_does_not_depend_on_the_umask),
		unit_test_in_dir(stale_socket_is_replaced_and_a_live_one_is_not),
		unit_test_in_dir(only_sockets_are_removed_or_connected_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
