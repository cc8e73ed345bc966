/* spawn_run() of base/proc.h: short tools. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/proc.h"

#define OUT_MAX   (1U << 20) /* stdout */
#define ERR_KEPT  4096U      /* stderr: the end of it */
#define BLOCK     16384U
#define NS_PER_MS INT64_C(1000000)

enum { FD_OUT, FD_ERR, FD_PID, FD_COUNT };

/* A running tool and what came out of it. */
struct run {
	pid_t pid;
	int fds[FD_COUNT]; /* owned; pipes are -1 after their end */
	struct buf *out;   /* borrowed */
	size_t out_left;
	struct buf errors;
	int64_t deadline_ns;
};

static void
run_done(struct run *run)
{
	for (int i = 0; i < FD_COUNT; i++)
		auto_close_(&run->fds[i]);
	buf_done(&run->errors);
}

static int
run_start(struct run *run, const char *const *argv, struct err *err)
{
	int out[2] = { -1, -1 }, errors[2];
	struct spawn s = SPAWN_INIT;

	if (pipe2(errors, O_CLOEXEC) < 0)
		return err_errno(err, -errno, NULL, "cannot run \"%s\"", argv[0]);
	run->fds[FD_ERR] = errors[0];
	if (run->out && pipe2(out, O_CLOEXEC) < 0) {
		(void)close(errors[1]);
		return err_errno(err, -errno, NULL, "cannot run \"%s\"", argv[0]);
	}
	run->fds[FD_OUT] = out[0];
	s.argv = argv;
	s.stdout_fd = out[1];
	s.stderr_fd = errors[1];
	s.die_with_parent = true;
	run->pid = spawn_process(&s, err);
	auto_close_(&out[1]);
	(void)close(errors[1]);
	return run->pid < 0 ? run->pid : 0;
}

static int
read_out(struct run *run)
{
	ssize_t n = buf_read(run->out, run->fds[FD_OUT], BLOCK);

	if (n <= 0)
		(void)close(take_fd(&run->fds[FD_OUT]));
	if (n > (ssize_t)run->out_left)
		return -EFBIG;
	run->out_left -= n > 0 ? (size_t)n : 0;
	return n < 0 ? (int)n : 0;
}

static int
read_errors(struct run *run)
{
	ssize_t n = buf_read(&run->errors, run->fds[FD_ERR], BLOCK);

	if (n <= 0)
		(void)close(take_fd(&run->fds[FD_ERR]));
	if (run->errors.len > ERR_KEPT)
		buf_drop(&run->errors, run->errors.len - ERR_KEPT);
	return n < 0 ? (int)n : 0;
}

static int
left_ms(const struct run *run)
{
	int64_t left = run->deadline_ns - clock_mono_ns();

	if (run->deadline_ns == INT64_MAX)
		return -1;
	if (left <= 0)
		return 0;
	left = (left + NS_PER_MS - 1) / NS_PER_MS;
	return left > INT_MAX ? INT_MAX : (int)left;
}

/* Until it has ended and its pipes are empty; not until they are closed, a grandchild may hold
 * them. */
static int
run_collect(struct run *run)
{
	for (;;) {
		struct pollfd p[FD_COUNT];
		int timeout = left_ms(run), r;

		for (int i = 0; i < FD_COUNT; i++)
			p[i] = (struct pollfd){ .fd = run->fds[i], .events = POLLIN };
		r = poll(p, FD_COUNT, timeout);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r < 0)
			continue;
		if (r == 0 || timeout == 0)
			return -ETIMEDOUT;
		r = p[FD_OUT].revents ? read_out(run) : 0;
		if (r == 0 && p[FD_ERR].revents)
			r = read_errors(run);
		if (r < 0)
			return r;
		if (p[FD_PID].revents && !p[FD_OUT].revents && !p[FD_ERR].revents)
			return 0;
	}
}

/* The last line that is not empty. */
static void
last_line(struct buf *text, char *ret, size_t size)
{
	size_t end = text->len, start;

	while (end > 0 && strchr("\r\n ", text->data[end - 1]))
		end--;
	for (start = end; start > 0 && text->data[start - 1] != '\n'; start--)
		continue;
	(void)snprintf(ret, size, "%.*s", (int)(end - start), text->data ? text->data + start : "");
}

static int
run_reason(int r, const char *program, struct err *err)
{
	if (r == -ETIMEDOUT)
		return err_set(err, r, NULL, "\"%s\" did not end in time", program);
	if (r == -EFBIG)
		return err_set(err, r, NULL, "\"%s\" wrote more than %u bytes", program, OUT_MAX);
	return err_errno(err, r, NULL, "cannot read from \"%s\"", program);
}

int
spawn_run(const char *const *argv, int64_t timeout_ms, struct buf *out, char *ret_lasterr,
    size_t lasterr_size, int *ret_status, struct err *err)
{
	struct run run __attribute__((cleanup(run_done))) = {
		.fds = { -1, -1, -1 }, .out = out, .out_left = OUT_MAX, .deadline_ns = INT64_MAX
	};
	int r, status = 0;

	if (timeout_ms >= 0)
		run.deadline_ns = clock_mono_ns() + timeout_ms * NS_PER_MS;
	r = run_start(&run, argv, err);
	if (r < 0)
		return r;
	run.fds[FD_PID] = (int)syscall(SYS_pidfd_open, run.pid, 0);
	r = run.fds[FD_PID] < 0 ? -errno : run_collect(&run);
	if (r < 0)
		(void)kill(run.pid, SIGKILL); /* our child and not waited for: the pid is its own */
	while (waitpid(run.pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (ret_lasterr)
		last_line(&run.errors, ret_lasterr, lasterr_size);
	if (r < 0)
		return run_reason(r, argv[0], err);
	*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return 0;
}
