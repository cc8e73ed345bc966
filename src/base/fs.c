#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/paths.h"
#include "base/str.h"
#include "base/xmalloc.h"

#define NS_PER_S   INT64_C(1000000000)
#define READ_BLOCK 65536U

/* --- Reading --- */

static int64_t
timespec_ns(const struct timespec *ts)
{
	return (int64_t)ts->tv_sec * NS_PER_S + ts->tv_nsec;
}

static struct fs_stamp
stamp_of(const struct stat *st)
{
	return (struct fs_stamp){ .ino = st->st_ino,
		.size = st->st_size,
		.mtime_ns = timespec_ns(&st->st_mtim),
		.ctime_ns = timespec_ns(&st->st_ctim) };
}

/* `size` is what the file said it has: one read, and a buffer no larger, serve most files. */
static int
read_all(int fd, size_t size, size_t max, struct buf *ret)
{
	size_t start = ret->len, block = size > 0 ? size + 1 : READ_BLOCK;

	for (;;) {
		size_t left = max - (ret->len - start);
		/* One byte more than allowed shows that the file is too long. */
		size_t want = left < block ? left + 1 : block;
		ssize_t n = buf_read(ret, fd, want);

		if (n < 0 || (size_t)n > left)
			return n < 0 ? (int)n : -EFBIG;
		if (n == 0 || (size > 0 && (size_t)n < want))
			return 0;
		block = READ_BLOCK;
	}
}

static int
read_file(int dirfd, const char *name, size_t max, struct buf *ret, struct fs_stamp *stamp)
{
	int fd auto_close =
	    openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	size_t start = ret->len;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > 0 && (uint64_t)st.st_size > max)
		return -EFBIG;
	r = read_all(fd, (size_t)st.st_size, max, ret);
	if (r < 0) {
		ret->len = start;
		ret->data[start] = '\0';
		return r;
	}
	/* Taken before the reading: a change in between makes the stamp old, never the text. */
	if (stamp)
		*stamp = stamp_of(&st);
	return 0;
}

static int
read_reason(int r, const char *name, size_t max, struct err *err)
{
	if (r == -EFBIG)
		return err_set(err, r, NULL, "%s is longer than %zu bytes", name, max);
	if (r == -EINVAL)
		return err_set(err, r, NULL, "%s is not a regular file", name);
	if (r == -ELOOP)
		return err_set(err, r, NULL, "%s is a symbolic link", name);
	return r < 0 ? err_errno(err, r, NULL, "cannot read %s", name) : r;
}

int
fs_read_at(int dirfd, const char *name, size_t max, struct buf *ret, struct fs_stamp *stamp,
    struct err *err)
{
	return read_reason(read_file(dirfd, name, max, ret, stamp), name, max, err);
}

int
fs_read(const char *path, size_t max, struct buf *ret, struct fs_stamp *stamp, struct err *err)
{
	int r = read_file(AT_FDCWD, path, max, ret, stamp);

	return read_reason(r, path_logical(path), max, err);
}

int
fs_stat_at(int dirfd, const char *name, struct fs_stamp *ret)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		*ret = stamp_of(&st);
		return 0;
	}
	if (errno != ENOENT && errno != ENOTDIR)
		return -errno;
	*ret = (struct fs_stamp){ 0 };
	return 0;
}

int
fs_stat(const char *path, struct fs_stamp *ret)
{
	return fs_stat_at(AT_FDCWD, path, ret);
}

bool
fs_stamp_equal(const struct fs_stamp *a, const struct fs_stamp *b)
{
	return a->ino == b->ino && a->size == b->size && a->mtime_ns == b->mtime_ns &&
	       a->ctime_ns == b->ctime_ns;
}

bool
fs_stamp_is_young(const struct fs_stamp *s, int64_t ms)
{
	struct timespec now;

	if (s->ino == 0)
		return false;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	/* Every change sets the ctime, and nobody can set it otherwise. One in the future (the
	 * clock was moved) is young. */
	return timespec_ns(&now) - s->ctime_ns < ms * 1000000;
}

/* --- Writing --- */

static int
write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The owner first: a change of owner may clear mode bits. */
static int
apply_owner(int fd, const struct fs_owner *owner)
{
	if ((owner->uid != (uid_t)-1 || owner->gid != (gid_t)-1) &&
	    fchown(fd, owner->uid, owner->gid) < 0)
		return -errno;
	return fchmod(fd, owner->mode) < 0 ? -errno : 0;
}

/* Not a file that a writer of ours made. */
static bool
is_foreign(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink > 1;
}

/* The name is still that of the open file: neither renamed into place nor removed meanwhile. */
static bool
is_named(int dirfd, const char *name, int fd)
{
	struct stat here, there;

	return fstat(fd, &here) == 0 && fstatat(dirfd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

/*
 * The temporary file, locked. One name per file, so that what a killed writer left is used by the
 * next one instead of staying for ever; the lock keeps two writers apart.
 */
static int
open_new(int dirfd, const char *name)
{
	for (;;) {
		int fd auto_close = openat(dirfd, name,
		    O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
		int r;

		if (fd < 0)
			return -errno;
		do
			r = flock(fd, LOCK_EX);
		while (r < 0 && errno == EINTR);
		if (r < 0)
			return -errno;
		if (is_foreign(fd))
			return -EEXIST;
		if (is_named(dirfd, name, fd))
			return ftruncate(fd, 0) < 0 ? -errno : take_fd(&fd);
	}
}

/* Some file systems report a full disk only when the file is closed: one of two descriptors is,
 * the other keeps the lock. */
static int
close_copy(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return copy < 0 || close(copy) < 0 ? -errno : 0;
}

static int
write_new(int fd, const void *data, size_t len, const struct fs_owner *owner)
{
	int r = write_all(fd, data, len);

	if (r == 0)
		r = apply_owner(fd, owner);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r == 0 ? close_copy(fd) : r;
}

static char *
new_name(const char *name)
{
	return xasprintf(".%s.new", name);
}

static int
replace_file(
    int dirfd, const char *name, const void *data, size_t len, const struct fs_owner *owner)
{
	char *temp auto_free = NULL;
	int fd auto_close = -1;
	int r;

	if (strchr(name, '/') || !*name)
		return -EINVAL;
	temp = new_name(name);
	fd = open_new(dirfd, temp);
	if (fd < 0)
		return fd;
	r = write_new(fd, data, len, owner);
	if (r == 0 && renameat(dirfd, temp, dirfd, name) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dirfd, temp, 0);
		return r;
	}
	return fsync(dirfd) < 0 ? -errno : 0;
}

int
fs_replace_at(int dirfd, const char *name, const void *data, size_t len,
    const struct fs_owner *owner, struct err *err)
{
	int r = replace_file(dirfd, name, data, len, owner);

	return r < 0 ? err_errno(err, r, NULL, "cannot write %s", name) : 0;
}

int
fs_open_parent(const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	char *dir auto_free = NULL;

	if (!slash) {
		*ret_name = path;
		return fs_open_dir(".");
	}
	*ret_name = slash + 1;
	dir = xstrndup(path, slash == path ? 1 : (size_t)(slash - path));
	return fs_open_dir(dir);
}

int
fs_replace(
    const char *path, const void *data, size_t len, const struct fs_owner *owner, struct err *err)
{
	const char *name;
	int dirfd auto_close = fs_open_parent(path, &name);
	int r = dirfd < 0 ? dirfd : replace_file(dirfd, name, data, len, owner);

	return r < 0 ? err_errno(err, r, NULL, "cannot write %s", path_logical(path)) : 0;
}

/* Open for appending; a new file gets its owner. */
static int
open_append(const char *path, const struct fs_owner *owner)
{
	const int flags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd auto_close = open(path, flags);
	struct stat st;
	int r;

	if (fd < 0 && errno == ENOENT) {
		fd = open(path, flags | O_CREAT | O_EXCL, 0600);
		if (fd >= 0) {
			r = apply_owner(fd, owner);
			return r < 0 ? r : take_fd(&fd);
		}
		if (errno == EEXIST) /* somebody was faster */
			fd = open(path, flags);
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? take_fd(&fd) : -EINVAL;
}

static int
append_block(int fd, const void *data, size_t len)
{
	struct stat st;
	ssize_t n;

	do
		n = write(fd, data, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if ((size_t)n == len)
		return fsync(fd) < 0 ? -errno : 0;
	/* The disk is full: take half a block back, so that the next one does not begin in its
	 * middle. */
	if (fstat(fd, &st) == 0 && st.st_size >= n && ftruncate(fd, st.st_size - n) < 0)
		return -errno;
	return -ENOSPC;
}

int
fs_append(
    const char *path, const void *data, size_t len, const struct fs_owner *owner, struct err *err)
{
	int fd auto_close = open_append(path, owner);
	int r = fd < 0 ? fd : append_block(fd, data, len);

	return r < 0 ? err_errno(err, r, NULL, "cannot append to %s", path_logical(path)) : 0;
}

/* --- Directories --- */

int
fs_open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* One component, no symlink. */
static int
open_dir_at(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int code = errno;
	struct stat st;

	if (fd >= 0)
		return fd;
	/* With O_DIRECTORY the kernel calls a symlink "not a directory". */
	if (code == ENOTDIR && fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(st.st_mode))
		return -ELOOP;
	return -code;
}

int
fs_open_dir_beneath(int dirfd, const char *rel)
{
	char **parts auto_strv = strv_split(rel, '/');
	int fd auto_close = open_dir_at(dirfd, ".");

	for (char **p = parts; *p && fd >= 0; p++) {
		int next;

		if (!**p || str_eq(*p, "."))
			continue;
		if (str_eq(*p, ".."))
			return -EINVAL;
		next = open_dir_at(fd, *p);
		(void)close(fd);
		fd = next;
	}
	return take_fd(&fd);
}

int
fs_sync_dir(const char *path)
{
	int fd auto_close = fs_open_dir(path);

	if (fd < 0)
		return fd;
	return fsync(fd) < 0 ? -errno : 0;
}

/* -EEXIST when there was a directory already. */
static int
make_dir(const char *path, const struct fs_owner *owner)
{
	int fd auto_close = -1;
	struct stat st;

	if (mkdir(path, owner->mode & 0777) < 0) {
		if (errno != EEXIST)
			return -errno;
		if (stat(path, &st) < 0)
			return -errno;
		return S_ISDIR(st.st_mode) ? -EEXIST : -ENOTDIR;
	}
	fd = open_dir_at(AT_FDCWD, path);
	return fd < 0 ? fd : apply_owner(fd, owner);
}

static int
make_dirs(char *path, const struct fs_owner *owner)
{
	static const struct fs_owner parent = { (uid_t)-1, (gid_t)-1, 0755 };
	int r = make_dir(path, owner);
	char *slash;

	if (r != -ENOENT)
		return r;
	for (slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		r = make_dir(path, &parent);
		*slash = '/';
		if (r < 0 && r != -EEXIST)
			return r;
	}
	return make_dir(path, owner);
}

int
fs_mkdir_p(const char *path, const struct fs_owner *owner, struct err *err)
{
	char *copy auto_free = xstrdup(path);
	size_t len = strlen(copy);
	int r;

	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	if (len == 0)
		return err_set(err, -EINVAL, NULL, "cannot make a directory without a name");
	r = make_dirs(copy, owner);
	if (r == 0 || r == -EEXIST)
		return 0;
	return err_errno(err, r, NULL, "cannot make directory %s", path_logical(path));
}

int
fs_unlink(const char *path, struct err *err)
{
	if (unlink(path) == 0 || errno == ENOENT)
		return 0;
	return err_errno(err, -errno, NULL, "cannot remove %s", path_logical(path));
}

int
fs_unlink_replaced(const char *path, struct err *err)
{
	const char *name;
	int dirfd auto_close = fs_open_parent(path, &name);
	char *temp auto_free = new_name(name);

	if (dirfd < 0)
		return dirfd == -ENOENT
		           ? 0
		           : err_errno(err, dirfd, NULL, "cannot remove %s", path_logical(path));
	if ((unlinkat(dirfd, temp, 0) < 0 && errno != ENOENT) ||
	    (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT))
		return err_errno(err, -errno, NULL, "cannot remove %s", path_logical(path));
	return 0;
}
