#include "vmm/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/own.h"
#include "base/paths.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/vmgroup.h"
#include "base/xmalloc.h"
#include "json/json.h"

#define LINE_MAX_BYTES (16u << 20)
#define LOG_MAX_BYTES  (1 << 20)

/* --- A line from a descriptor before a deadline --- */

static int64_t
deadline_ns(int64_t timeout_ms)
{
	return timeout_ms < 0 ? INT64_MAX : clock_mono_ns() + timeout_ms * 1000000;
}

/* 1: ready; 0: the time is over; negative errno. */
static int
wait_fd(int fd, short events, int64_t until_ns)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		int64_t left = until_ns == INT64_MAX ? -1 : (until_ns - clock_mono_ns()) / 1000000;
		int r;

		if (until_ns != INT64_MAX && left < 0)
			return 0;
		r = poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left);
		if (r > 0)
			return 1;
		if (r < 0 && errno != EINTR)
			return -errno;
	}
}

/* A line without its newline, allocated; the rest stays in `in`. -ECONNRESET: end of file first. */
static int
read_line(int fd, struct buf *in, int64_t until_ns, char **ret, size_t *ret_len)
{
	for (;;) {
		const char *end = in->len > 0 ? memchr(in->data, '\n', in->len) : NULL;
		ssize_t n;
		int r;

		if (end) {
			*ret_len = (size_t)(end - in->data);
			*ret = xstrndup(in->data, *ret_len);
			buf_drop(in, *ret_len + 1);
			return 0;
		}
		if (in->len > LINE_MAX_BYTES)
			return -EFBIG;
		r = wait_fd(fd, POLLIN, until_ns);
		if (r <= 0)
			return r < 0 ? r : -ETIMEDOUT;
		n = buf_read(in, fd, 65536);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && n != -EINTR && n != -EAGAIN)
			return (int)n;
	}
}

/* --- The control socket --- */

struct monitor_conn {
	int fd;
	struct buf in;
};

int
monitor_connect(const char *uuid, struct monitor_conn **ret, struct err *err)
{
	auto_free char *path = path_hostf(PATH_RUN_ZONES "/%s.sock", uuid);
	struct monitor_conn *c;
	int fd;

	fd = fs_unix_connect_path(path);
	if (fd < 0)
		return err_errno(
		    err, fd, "vm-monitor", "cannot be reached at %s", path_logical(path));
	c = xcalloc(1, sizeof(*c));
	c->fd = fd;
	*ret = c;
	return 0;
}

void
monitor_close(struct monitor_conn *c)
{
	if (!c)
		return;
	(void)close(c->fd);
	buf_done(&c->in);
	free(c);
}

static int
send_all(int fd, const char *data, size_t len, int64_t until_ns)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		int r;

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = wait_fd(fd, POLLOUT, until_ns);
		if (r <= 0)
			return r < 0 ? r : -ETIMEDOUT;
	}
	return 0;
}

/* The errors an answer may name; anything else is -EIO. */
static int
code_of(const char *name)
{
	static const struct {
		const char *name;
		int code;
	} codes[] = {
		{ "EACCES", -EACCES },
		{ "EBUSY", -EBUSY },
		{ "ECONNRESET", -ECONNRESET },
		{ "EINVAL", -EINVAL },
		{ "ENOENT", -ENOENT },
		{ "ENOTCONN", -ENOTCONN },
		{ "EREMOTEIO", -EREMOTEIO },
		{ "ETIMEDOUT", -ETIMEDOUT },
	};

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (str_eq(codes[i].name, name))
			return codes[i].code;
	}
	return -EIO;
}

static int
parse_answer(const char *text, size_t len, json_t **ret, struct err *err)
{
	json_auto_t *v = json_parse(text, len, "the answer of vm-monitor", err);
	const char *sentence;

	if (!v)
		return -EPROTO;
	if (json_member_bool(v, "ok", false)) {
		*ret = TAKE(v);
		return 0;
	}
	sentence = json_member_str(v, "error");
	return err_set(err, code_of(json_member_str(v, "code")), "vm-monitor", "%s",
	    sentence ? sentence : "gave no reason");
}

int
monitor_next(struct monitor_conn *c, int64_t timeout_ms, json_t **ret, struct err *err)
{
	auto_free char *line = NULL;
	size_t len = 0;
	int r;

	r = read_line(c->fd, &c->in, deadline_ns(timeout_ms), &line, &len);
	if (r < 0)
		return err_errno(err, r, "vm-monitor", "no answer");
	return parse_answer(line, len, ret, err);
}

int
monitor_ask(struct monitor_conn *c, json_t *owned_request, int64_t timeout_ms, json_t **ret,
    struct err *err)
{
	int64_t until = deadline_ns(timeout_ms);
	auto_buf struct buf b = BUF_INIT;
	int64_t left;
	int r;

	json_write(&b, owned_request, 0);
	json_decref(owned_request);
	buf_addc(&b, '\n');
	r = send_all(c->fd, b.data, b.len, until);
	if (r < 0)
		return err_errno(err, r, "vm-monitor", "the request could not be sent");
	left = until == INT64_MAX ? -1 : (until - clock_mono_ns()) / 1000000;
	return monitor_next(c, timeout_ms >= 0 && left < 0 ? 0 : left, ret, err);
}

/* --- Starting one --- */

/* Bounded: what is there moves to .0 when it has grown. */
static int
open_log(const char *uuid, struct err *err)
{
	auto_free char *dir = path_hostf(PATH_POOL_ROOT "/%s", uuid);
	struct fs_owner owner = own_of(OWN_LEDGER, (uid_t)-1);
	auto_close int dirfd = fs_open_dir(dir);
	struct stat st;
	int fd, r;

	if (dirfd < 0)
		return err_errno(err, dirfd, path_logical(dir), "cannot be opened");
	if (fstatat(dirfd, "monitor.log", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_size > LOG_MAX_BYTES)
		(void)renameat(dirfd, "monitor.log", dirfd, "monitor.log.0");
	fd = openat(dirfd, "monitor.log", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
	    owner.mode);
	if (fd < 0) {
		r = -errno;
		return err_errno(err, r, "monitor.log", "cannot be opened");
	}
	(void)fchmod(fd, owner.mode);
	if (owner.uid != (uid_t)-1 || owner.gid != (gid_t)-1)
		(void)!fchown(fd, owner.uid, owner.gid);
	return fd;
}

static char **
add(char **argv, const char *option, const char *value)
{
	if (!value)
		return argv;
	argv = strv_push(argv, xstrdup(option));
	return strv_push(argv, xstrdup(value));
}

/* Under systemd a scope of its own, so that stopping the service or session that started the VM
 * does not stop the VM. */
static char **
add_scope(char **argv, const char *uuid)
{
	static const char *const words[] = { "systemd-run", "--scope", "--quiet", "--collect",
		"--slice=vmnode.slice" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		argv = strv_push(argv, xstrdup(words[i]));
	argv = strv_push(argv, xasprintf("--unit=vm-%s", uuid));
	return strv_push(argv, xstrdup("--"));
}

static char **
make_argv(const struct monitor_start *s, bool scope, int ready_fd)
{
	auto_free char *ready = xasprintf("%d", ready_fd);
	char **argv = NULL;

	if (scope)
		argv = add_scope(argv, s->uuid);
	argv = strv_push(argv, proc_sibling("vm-monitor"));
	argv = add(argv, "--uuid", s->uuid);
	argv = add(argv, "--root", paths_is_private() ? paths_root() : NULL);
	argv = add(argv, "--ready-fd", ready);
	argv = add(argv, "--order", s->order);
	argv = add(argv, "--by", s->by);
	argv = add(argv, "--reason", s->reason);
	if (s->adopt)
		argv = strv_push(argv, xstrdup("--adopt"));
	return argv;
}

/* -ENOEXEC: the process ended without a word, so whatever was put before vm-monitor did not get
 * there. */
static int
wait_ready(int fd, int64_t timeout_ms, struct err *err)
{
	auto_buf struct buf in = BUF_INIT;
	auto_free char *line = NULL;
	json_auto_t *answer = NULL;
	size_t len = 0;
	int r;

	r = read_line(fd, &in, deadline_ns(timeout_ms), &line, &len);
	if (r == -ECONNRESET)
		return err_set(
		    err, -ENOEXEC, "vm-monitor", "ended without saying why; see monitor.log");
	if (r < 0)
		return err_errno(err, r, "vm-monitor", "is not ready");
	return parse_answer(line, len, &answer, err);
}

static int
spawn_once(const struct monitor_start *s, bool scope, int log_fd, struct err *err)
{
	struct spawn sp = SPAWN_INIT;
	auto_strv char **argv = NULL;
	auto_close int rd = -1, wr = -1;
	int pipe_fds[2];
	pid_t pid;
	int r;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_errno(err, -errno, "pipe", "cannot be made");
	rd = pipe_fds[0];
	wr = pipe_fds[1];
	argv = make_argv(s, scope, wr);
	sp.argv = (const char *const *)argv;
	sp.stderr_fd = log_fd;
	sp.keep_fds = &wr;
	sp.n_keep = 1;
	sp.new_session = true;
	pid = spawn_process(&sp, err);
	if (pid < 0)
		return pid;
	(void)close(take_fd(&wr));
	r = wait_ready(rd, s->timeout_ms, err);
	/* A monitor that failed has ended or is about to; one that runs is left to init when we
	 * end. */
	if (r < 0 && r != -ETIMEDOUT)
		(void)waitpid(pid, NULL, 0);
	return r;
}

int
monitor_spawn(const struct monitor_start *s, struct err *err)
{
	bool scope = is_privileged() && access("/run/systemd/system", F_OK) == 0;
	auto_close int log_fd = open_log(s->uuid, err);
	int r;

	if (log_fd < 0)
		return log_fd;
	r = spawn_once(s, scope, log_fd, err);
	if (scope && (r == -ENOEXEC || r == -ENOENT)) {
		log_warn(
		    "no scope of its own for the VM, starting without", LS("vm", s->uuid), LE(err));
		r = spawn_once(s, false, log_fd, err);
	}
	return r;
}
