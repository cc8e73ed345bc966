/* Unix sockets of base/fs.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"

#define CONNECT_TIMEOUT_S 5

static int
fd_address(struct sockaddr_un *sa, int fd, const char *name)
{
	int n;

	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d%s%s", fd,
	    name ? "/" : "", name ? name : "");
	return n >= (int)sizeof(sa->sun_path) ? -ENAMETOOLONG : 0;
}

/* An O_PATH descriptor of the socket itself: what stands behind the name may change under us, the
 * descriptor does not. */
static int
open_socket(int dirfd, const char *name)
{
	int fd auto_close = -1;
	struct stat st;

	if (!*name || strchr(name, '/'))
		return -EINVAL;
	fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	/* In a directory that others may write, a second name of somebody else's socket is no
	 * better than a symlink. */
	if (st.st_nlink > 1)
		return -EMLINK;
	return S_ISSOCK(st.st_mode) ? take_fd(&fd) : -ENOTSOCK;
}

static int
connect_fd(int target, int flags)
{
	int fd auto_close = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	struct sockaddr_un sa;
	struct timeval tv = { .tv_sec = CONNECT_TIMEOUT_S };
	int r;

	if (fd < 0)
		return -errno;
	r = fd_address(&sa, target, NULL);
	if (r < 0)
		return r;
	/* A full backlog blocks; a hung server must not hang us for ever. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	do
		r = connect(fd, (struct sockaddr *)&sa, sizeof(sa));
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	tv.tv_sec = 0;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	return take_fd(&fd);
}

int
fs_unix_connect(int dirfd, const char *name)
{
	int target auto_close = open_socket(dirfd, name);
	int fd = target < 0 ? target : connect_fd(target, 0);

	return fd == -EAGAIN ? -ETIMEDOUT : fd;
}

/* -EADDRINUSE while somebody listens there. Other kinds of files stay, and bind() fails. */
static int
remove_stale(int dirfd, const char *name)
{
	int target auto_close = open_socket(dirfd, name);
	int fd auto_close = -1;

	if (target == -ENOENT)
		return 0;
	if (target < 0)
		return target == -EINVAL ? target : -EADDRINUSE;
	fd = connect_fd(target, SOCK_NONBLOCK);
	if (fd >= 0 || fd == -EAGAIN)
		return -EADDRINUSE;
	return unlinkat(dirfd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* bind() made it with our umask at most as open as wanted, and nobody can connect before listen().
 */
static int
own_socket(int dirfd, const char *name, const struct fs_owner *owner)
{
	int fd auto_close = open_socket(dirfd, name);
	struct sockaddr_un
	    sa; /* as a place for "/proc/self/fd/N": chmod of an O_PATH descriptor goes that way */

	if (fd < 0)
		return fd;
	if ((owner->uid != (uid_t)-1 || owner->gid != (gid_t)-1) &&
	    fchownat(fd, "", owner->uid, owner->gid, AT_EMPTY_PATH) < 0)
		return -errno;
	(void)fd_address(&sa, fd, NULL);
	return chmod(sa.sun_path, owner->mode) < 0 ? -errno : 0;
}

int
fs_unix_listen(int dirfd, const char *name, int backlog, const struct fs_owner *owner)
{
	int fd auto_close = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sa;
	int r;

	if (fd < 0)
		return -errno;
	r = remove_stale(dirfd, name);
	if (r == 0)
		r = fd_address(&sa, dirfd, name);
	if (r < 0)
		return r;
	/* The file takes its mode from the socket (unix(7) does not say, the kernel does), less the
	 * umask. */
	if (fchmod(fd, owner->mode) < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	r = own_socket(dirfd, name, owner);
	if (r == 0 && listen(fd, backlog) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dirfd, name, 0);
		return r;
	}
	return take_fd(&fd);
}

int
fs_unix_connect_path(const char *path)
{
	const char *name;
	int dirfd auto_close = fs_open_parent(path, &name);

	return dirfd < 0 ? dirfd : fs_unix_connect(dirfd, name);
}

int
fs_unix_listen_path(const char *path, int backlog, const struct fs_owner *owner)
{
	const char *name;
	int dirfd auto_close = fs_open_parent(path, &name);

	return dirfd < 0 ? dirfd : fs_unix_listen(dirfd, name, backlog, owner);
}
