/* fs_remove_tree() of base/fs.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/paths.h"
#include "base/str.h"

#define TREE_LEVELS 64 /* directories open at the same time */

/*
 * Removing a tree. `top` is its root. What lies deeper than TREE_LEVELS is moved up to `top` and
 * removed in a later round, so a tree made deep on purpose uses up neither descriptors nor stack.
 */
struct tree {
	int top;
	uint64_t dev;
	uint64_t mount;
	unsigned n_moved; /* in this round */
	unsigned n_names; /* ever */
};

static int
mount_of(int fd, uint64_t *ret_dev, uint64_t *ret_mount)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &stx) < 0)
		return -errno;
	*ret_dev = (uint64_t)stx.stx_dev_major << 32 | stx.stx_dev_minor;
	/* Kernels before 5.8 do not tell; a bind mount of the same file system then goes unseen. */
	*ret_mount = stx.stx_mask & STATX_MNT_ID ? stx.stx_mnt_id : 0;
	return 0;
}

static int remove_entry(struct tree *t, int dirfd, const char *name, unsigned level);

static int
remove_entries(struct tree *t, int dirfd, unsigned level)
{
	DIR *dir auto_closedir = NULL;
	int fd auto_close = fs_open_dir_beneath(dirfd, ".");
	struct dirent *e;
	int r = 0;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir)
		return -errno;
	(void)take_fd(&fd);
	while (r == 0) {
		errno = 0;
		e = readdir(dir);
		if (!e)
			return -errno;
		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, ".."))
			r = remove_entry(t, dirfd, e->d_name, level);
	}
	return r;
}

static int
remove_dir(struct tree *t, int dirfd, const char *name, unsigned level)
{
	int fd auto_close = fs_open_dir_beneath(dirfd, name);
	uint64_t dev, mount;
	int r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	r = mount_of(fd, &dev, &mount);
	if (r < 0)
		return r;
	if (dev != t->dev || mount != t->mount)
		return -EXDEV;
	r = remove_entries(t, fd, level + 1);
	if (r < 0)
		return r;
	return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int
move_up(struct tree *t, int dirfd, const char *name)
{
	char moved[32];

	for (;;) {
		(void)snprintf(moved, sizeof(moved), ".removing.%u", t->n_names++);
		/* Over a file it fails, over an empty directory it removes that one: nothing is
		 * lost. */
		if (renameat(dirfd, name, t->top, moved) == 0)
			break;
		if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
			return -errno;
	}
	t->n_moved++;
	return 0;
}

static int
remove_entry(struct tree *t, int dirfd, const char *name, unsigned level)
{
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	if (level < TREE_LEVELS)
		return remove_dir(t, dirfd, name, level);
	return move_up(t, dirfd, name);
}

static int
remove_tree_at(int dirfd, const char *name)
{
	int fd auto_close = -1;
	struct tree t = { 0 };
	int r;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	fd = fs_open_dir_beneath(dirfd, name);
	if (fd < 0)
		return fd;
	t.top = fd;
	r = mount_of(fd, &t.dev, &t.mount);
	do {
		t.n_moved = 0;
		if (r == 0)
			r = remove_entries(&t, fd, 1);
	} while (r == 0 && t.n_moved > 0);
	if (r == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
		r = -errno;
	return r;
}

int
fs_remove_tree(const char *path, struct err *err)
{
	const char *name;
	int dirfd auto_close = fs_open_parent(path, &name);
	int r = dirfd;

	if (dirfd == -ENOENT)
		return 0;
	if (dirfd >= 0)
		r = remove_tree_at(dirfd, name);
	return r < 0 ? err_errno(err, r, NULL, "cannot remove %s", path_logical(path)) : 0;
}
