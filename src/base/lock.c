#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/paths.h"

#define NS_PER_MS   INT64_C(1000000)
#define WAIT_MIN_NS (NS_PER_MS / 2)
#define WAIT_MAX_NS (10 * NS_PER_MS)

static struct flock
whole_file(void)
{
	return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
}

/* One attempt; with `wait` until it is ours. */
static int
set_lock(int fd, bool wait)
{
	struct flock fl = whole_file();

	while (fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &fl) < 0) {
		if (errno == EINTR)
			continue;
		return errno == EACCES ? -EAGAIN : -errno;
	}
	return 0;
}

/* The kernel knows no deadline for locks and a timer signal is not for a library: ask again, more
 * and more slowly. */
static int
set_lock_until(int fd, int64_t deadline_ns)
{
	int64_t wait_ns = WAIT_MIN_NS;

	for (;;) {
		int64_t left_ns = deadline_ns - clock_mono_ns();
		int r = set_lock(fd, false);

		if (r != -EAGAIN)
			return r;
		if (left_ns <= 0)
			return -ETIMEDOUT;
		if (wait_ns > left_ns)
			wait_ns = left_ns;
		(void)nanosleep(&(struct timespec){ .tv_nsec = wait_ns }, NULL);
		wait_ns = wait_ns * 2 > WAIT_MAX_NS ? WAIT_MAX_NS : wait_ns * 2;
	}
}

int
lock_take(const char *path, int64_t timeout_ms, struct err *err)
{
	int fd auto_close = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	int r;

	if (fd < 0)
		return err_errno(err, -errno, NULL, "cannot open lock %s", path_logical(path));
	if (timeout_ms > 0)
		r = set_lock_until(fd, clock_mono_ns() + timeout_ms * NS_PER_MS);
	else
		r = set_lock(fd, timeout_ms < 0);
	if (r == -EAGAIN || r == -ETIMEDOUT)
		return err_set(err, r, NULL, "%s is locked by another process", path_logical(path));
	if (r < 0)
		return err_errno(err, r, NULL, "cannot lock %s", path_logical(path));
	return take_fd(&fd);
}

bool
lock_is_held(const char *path)
{
	return lock_is_held_at(AT_FDCWD, path);
}

bool
lock_is_held_at(int dirfd, const char *name)
{
	int fd auto_close = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct flock fl = whole_file();

	return fd >= 0 && fcntl(fd, F_OFD_GETLK, &fl) == 0 && fl.l_type != F_UNLCK;
}
