/*
 * Files. Replacing is write-new, fsync, rename, fsync of the directory; so a reader sees the old or
 * the new text, never half. All paths here are host paths (see base/paths.h). Errors name the
 * logical path.
 */
#ifndef BASE_FS_H
#define BASE_FS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Who owns a file and with which mode; uid/gid -1 = leave as created. */
struct fs_owner {
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

/* What identifies a state of a file. All zero: the file is absent. */
struct fs_stamp {
	uint64_t ino;
	int64_t size;
	int64_t mtime_ns;
	int64_t ctime_ns;
};

/*
 * Append the whole file to `ret`. 0; -ENOENT; -EFBIG beyond `max` bytes; -EINVAL when it is not a
 * regular file; other errno. `stamp` (may be NULL) is taken from the open descriptor. Symlinks are
 * not followed in the last component.
 */
int fs_read(const char *path, size_t max, struct buf *ret, struct fs_stamp *stamp, struct err *err);
int fs_read_at(int dirfd, const char *name, size_t max, struct buf *ret, struct fs_stamp *stamp,
    struct err *err);

/* Replace atomically. The temporary name is ".<name>.new" in the same directory and is removed on
 * any failure; what a killed writer left there is used by the next one. Writers of one file wait
 * for each other. */
int fs_replace(
    const char *path, const void *data, size_t len, const struct fs_owner *owner, struct err *err);
int fs_replace_at(int dirfd, const char *name, const void *data, size_t len,
    const struct fs_owner *owner, struct err *err);
/* Append one block with a single write(2) and fsync; the file is created when absent. */
int fs_append(
    const char *path, const void *data, size_t len, const struct fs_owner *owner, struct err *err);

/* 0 and all-zero stamp when absent. */
int fs_stat(const char *path, struct fs_stamp *ret);
int fs_stat_at(int dirfd, const char *name, struct fs_stamp *ret);
bool fs_stamp_equal(const struct fs_stamp *a, const struct fs_stamp *b);
/* The file changed less than `ms` ago (a second write could hide in the same time stamp). */
bool fs_stamp_is_young(const struct fs_stamp *s, int64_t ms);

/* mkdir -p of the last component with `owner`; parents get 0755. An existing directory is fine and
 * left as it is. */
int fs_mkdir_p(const char *path, const struct fs_owner *owner, struct err *err);
/* Remove; absent is success. */
int fs_unlink(const char *path, struct err *err);
/* The same for a file that fs_replace() writes, with what a killed writer left of it. */
int fs_unlink_replaced(const char *path, struct err *err);
/*
 * rm -r that never follows a symlink and stops with -EXDEV at anything mounted below `path`. Absent
 * is success.
 */
int fs_remove_tree(const char *path, struct err *err);
/* fsync of a directory. */
int fs_sync_dir(const char *path);
/*
 * Open the directory `rel` ("root/tmp") below the open directory `dirfd`, one component at a time
 * with O_NOFOLLOW. Returns the descriptor (O_PATH not set) or negative errno; -ELOOP when a
 * component is a symlink.
 */
int fs_open_dir_beneath(int dirfd, const char *rel);
int fs_open_dir(const char *path);
/* Open the directory `path` is in; *ret_name is its last component, borrowed from `path`. */
int fs_open_parent(const char *path, const char **ret_name);

/*
 * Connect to, or make, a stream socket in an open directory through /proc/self/fd/N/name, so that
 * the 107 byte limit of socket paths does not apply to long roots. Return the descriptor (CLOEXEC;
 * connect: blocking) or negative errno. A name that is a symlink is refused with -ELOOP, something
 * that is no socket with -ENOTSOCK; connecting takes 5 s at most (-ETIMEDOUT).
 */
int fs_unix_connect(int dirfd, const char *name);
/*
 * Removes a stale socket of that name first; -EADDRINUSE while somebody listens there or when the
 * name is not a socket. Non-blocking, listening.
 */
int fs_unix_listen(int dirfd, const char *name, int backlog, const struct fs_owner *owner);
/* The same for a whole path. */
int fs_unix_connect_path(const char *path);
int fs_unix_listen_path(const char *path, int backlog, const struct fs_owner *owner);

#endif
