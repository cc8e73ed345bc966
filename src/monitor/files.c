#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/own.h"
#include "base/xmalloc.h"
#include "monitor/mon.h"
#include "vmm/vmm.h"

#define VM_LOG_MAX (1 << 20)
#define VM_LOG_OLD VMM_LOG ".0"
#define LAST_WORDS 512

/* --- Sockets of the hypervisor --- */

int
tmp_connect(const struct mon *m, const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	auto_close int path_fd = openat(m->tmp_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	auto_close int fd = -1;
	struct stat st;

	/* The directory belongs to the VM's uid: through the descriptor nothing can be put in the
	 * socket's place. */
	if (path_fd < 0)
		return -errno;
	if (fstat(path_fd, &st) < 0 || !S_ISSOCK(st.st_mode) || st.st_nlink > 1)
		return -ENOTSOCK;
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d", path_fd);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	return take_fd(&fd);
}

/* --- stderr of the hypervisor --- */

static int
give_away(int fd)
{
	struct fs_owner owner = own_of(OWN_LEDGER, (uid_t)-1);

	if (fchmod(fd, owner.mode) < 0)
		return -errno;
	if ((owner.uid != (uid_t)-1 || owner.gid != (gid_t)-1) &&
	    fchown(fd, owner.uid, owner.gid) < 0)
		return -errno;
	return 0;
}

int
vm_log_open(struct mon *m, bool fresh, struct err *err)
{
	int flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
	struct stat st;

	vm_log_close(m);
	if (fresh) {
		(void)renameat(m->tmp_fd, VMM_LOG, m->tmp_fd, VM_LOG_OLD);
		flags |= O_CREAT | O_EXCL;
	}
	m->log_fd = openat(m->tmp_fd, VMM_LOG, flags, 0600);
	if (m->log_fd < 0)
		return err_errno(err, -errno, VMM_LOG, "cannot be opened");
	/* With a second name it may be anybody's file. */
	if (fstat(m->log_fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 ||
	    give_away(m->log_fd) < 0) {
		vm_log_close(m);
		return err_set(err, -EINVAL, VMM_LOG, "is not a file of ours");
	}
	return 0;
}

static void
copy_old(struct mon *m)
{
	auto_free char *chunk = xmalloc(65536);
	auto_close int to = -1;
	off_t at = 0;
	ssize_t n;

	(void)unlinkat(m->tmp_fd, VM_LOG_OLD, 0);
	to = openat(
	    m->tmp_fd, VM_LOG_OLD, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0 || give_away(to) < 0)
		return;
	while (at < 2 * VM_LOG_MAX && (n = pread(m->log_fd, chunk, 65536, at)) > 0) {
		if (write(to, chunk, (size_t)n) != n)
			return;
		at += n;
	}
}

/* The process holds the file open, so it is copied and cut, not renamed. Its descriptor appends: it
 * goes on at the new end. */
static void
on_log_changed(uv_fs_event_t *h, const char *name, int events, int status)
{
	struct mon *m = h->data;
	struct stat st;

	(void)name;
	(void)events;
	if (status < 0 || m->log_fd < 0 || fstat(m->log_fd, &st) < 0 || st.st_size <= VM_LOG_MAX)
		return;
	copy_old(m);
	if (ftruncate(m->log_fd, 0) < 0)
		log_warn(
		    "the hypervisor's log cannot be cut", LS("vm", m->uuid), LI("errno", errno));
}

void
vm_log_watch(struct mon *m)
{
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", m->log_fd);
	(void)uv_fs_event_stop(&m->log_watch);
	r = uv_fs_event_start(&m->log_watch, on_log_changed, path, 0);
	if (r < 0)
		log_warn("the hypervisor's log is not watched", LS("vm", m->uuid),
		    LS("reason", uv_strerror(r)));
}

void
vm_log_close(struct mon *m)
{
	(void)uv_fs_event_stop(&m->log_watch);
	if (m->log_fd >= 0)
		(void)close(take_fd(&m->log_fd));
}

/* "2026-01-31T06:38:42.457000Z qemu-system-x86_64: what" */
static const char *
skip_prefix(const char *line)
{
	const char *p = line;
	const char *colon;

	if (strlen(p) > 20 && p[4] == '-' && p[10] == 'T' && strchr(p, ' '))
		p = strchr(p, ' ') + 1;
	colon = strstr(p, ": ");
	if (colon && strncmp(p, "qemu", 4) == 0 && !memchr(p, ' ', (size_t)(colon - p)))
		p = colon + 2;
	return *p ? p : line;
}

/* Cut the text behind its last line that says something; NULL when there is none. */
static char *
last_line(char *text, size_t len)
{
	char *line;

	for (;;) {
		while (len > 0 && (unsigned char)text[len - 1] <= ' ')
			len--;
		if (len == 0)
			return NULL;
		text[len] = '\0';
		line = strrchr(text, '\n');
		line = line ? line + 1 : text;
		/* QEMU ends some errors with a hint: "Use -machine help to list supported
		 * machines". */
		if (line == text || strncmp(line, "Use -", 5) != 0)
			return line;
		len = (size_t)(line - text);
	}
}

char *
vm_log_last_words(const struct mon *m)
{
	char text[LAST_WORDS + 1];
	struct stat st;
	char *line;
	ssize_t n;

	if (m->log_fd < 0 || fstat(m->log_fd, &st) < 0)
		return NULL;
	n = pread(
	    m->log_fd, text, LAST_WORDS, st.st_size > LAST_WORDS ? st.st_size - LAST_WORDS : 0);
	if (n <= 0)
		return NULL;
	for (ssize_t i = 0; i < n; i++) {
		if (text[i] == '\0')
			text[i] = '?';
	}
	line = last_line(text, (size_t)n);
	return line ? xstrdup(skip_prefix(line)) : NULL;
}
