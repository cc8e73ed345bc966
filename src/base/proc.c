#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/xmalloc.h"

#define STAT_MAX 4096 /* /proc/<pid>/stat is some 350 bytes */

/*
 * Status (field 3) and start time (field 22) of the line. The name in field 2 may hold anything, so
 * fields are counted from its last parenthesis.
 */
static int
parse_stat(const char *line, char *ret_status, uint64_t *ret_start)
{
	const char *p = strrchr(line, ')');
	char *end;

	if (!p || p[1] != ' ' || !p[2])
		return -EINVAL;
	*ret_status = p[2];
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return -EINVAL;
	*ret_start = strtoull(p + 1, &end, 10);
	return end == p + 1 ? -EINVAL : 0;
}

int
proc_id_of(pid_t pid, struct proc_id *ret)
{
	struct buf text auto_buf = BUF_INIT;
	int fd auto_close = -1;
	char path[48], status;
	uint64_t start;

	if (pid <= 0)
		return -ESRCH;
	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || buf_read(&text, fd, STAT_MAX) <= 0)
		return -ESRCH;
	if (parse_stat(text.data, &status, &start) < 0)
		return -ESRCH;
	if (status == 'Z' || status == 'X' || status == 'x')
		return -ESRCH;
	*ret = (struct proc_id){ pid, start };
	return 0;
}

bool
proc_is_alive(const struct proc_id *id)
{
	struct proc_id now;

	return proc_id_of(id->pid, &now) == 0 && now.start_ticks == id->start_ticks;
}

int
proc_open(const struct proc_id *id)
{
	int fd auto_close = -1;

	if (id->pid <= 0)
		return -ESRCH;
	fd = (int)syscall(SYS_pidfd_open, id->pid, 0);
	if (fd < 0)
		return errno == EINVAL ? -ESRCH : -errno;
	/* The descriptor holds on to whatever has the pid now; only then look who that is. */
	return proc_is_alive(id) ? take_fd(&fd) : -ESRCH;
}

int
proc_signal(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

char *
proc_sibling(const char *name)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	exe[n > 0 ? n : 0] = '\0';
	slash = strrchr(exe, '/');
	if (!slash)
		return xstrdup(name);
	*slash = '\0';
	return xasprintf("%s/%s", exe, name);
}

int
proc_claim_stdio(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* The lowest free number is this one. */
		/* cppcheck-suppress leakReturnValNotUsed ; it stays open as standard input, output
		 * or error */
		if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return -EBADF;
	}
	return 0;
}
