/*
 * vmadm console (vmadm.md 2.10): a bridge between the terminal and the VM's serial console, which
 * vm-monitor serves. Whatever ends it, the terminal gets its modes back.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"
#include "host/zone_dir.h"
#include "vmadm/vmadm.h"
#include "json/json.h"

#define ESCAPE        0x1d /* Ctrl-] */
#define CHUNK         4096 /* a pipe that polls writable takes that much without blocking */
#define QUIET_TIME_MS 1000 /* after the end of piped input: silence that ends the session */

/* Bytes on their way in one direction. */
struct flow {
	char data[CHUNK];
	size_t len, done;
};

enum ended { GOING_ON, DETACHED, CONSOLE_GONE, READER_GONE, SIGNALLED };

struct bridge {
	int console, signals;
	struct flow in, out; /* to the console, to stdout */
	bool stdin_ended;
	bool got_input;
	bool escaped; /* Ctrl-] was seen: end once what came before it is sent */
	int signal;
	enum ended ended;
};

static bool
flow_is_empty(const struct flow *f)
{
	return f->done == f->len;
}

/* Read one piece into an empty flow. Bytes, 0 at the end, -EAGAIN. */
static ssize_t
flow_fill(struct flow *f, int fd)
{
	ssize_t n = read(fd, f->data, sizeof(f->data));

	f->done = 0;
	f->len = n > 0 ? (size_t)n : 0;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -errno;
	return n;
}

/* Write what is there. false: nobody takes it any more. */
static bool
flow_drain(struct flow *f, int fd, bool is_socket)
{
	ssize_t n = is_socket
	                ? send(fd, f->data + f->done, f->len - f->done, MSG_NOSIGNAL | MSG_DONTWAIT)
	                : write(fd, f->data + f->done, f->len - f->done);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	f->done += (size_t)n;
	return true;
}

static void
take_input(struct bridge *b)
{
	ssize_t n = flow_fill(&b->in, STDIN_FILENO);
	const char *escape;

	if (n == -EAGAIN)
		return;
	if (n <= 0) {
		b->stdin_ended = true;
		return;
	}
	b->got_input = true;
	escape = memchr(b->in.data, ESCAPE, (size_t)n);
	if (escape) {
		b->in.len = (size_t)(escape - b->in.data);
		b->escaped = true;
	}
}

static void
take_signal(struct bridge *b)
{
	struct signalfd_siginfo info;

	if (read(b->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	b->signal = (int)info.ssi_signo;
	b->ended = SIGNALLED;
}

/* Input of a pipe that said something and ended: stay only as long as the console talks. */
static int
patience_ms(const struct bridge *b)
{
	return b->stdin_ended && b->got_input && flow_is_empty(&b->in) && flow_is_empty(&b->out)
	           ? QUIET_TIME_MS
	           : -1;
}

static void
step(struct bridge *b)
{
	enum { STDIN, STDOUT, CONSOLE, SIGNALS, N };
	bool reads_in = !b->stdin_ended && !b->escaped && flow_is_empty(&b->in);
	struct pollfd p[N] = {
		[STDIN] = { .fd = reads_in ? STDIN_FILENO : -1, .events = POLLIN },
		[STDOUT] = { .fd = STDOUT_FILENO, .events = flow_is_empty(&b->out) ? 0 : POLLOUT },
		[CONSOLE] = { .fd = b->console,
		    .events = (short)((flow_is_empty(&b->out) ? POLLIN : 0) |
		                      (flow_is_empty(&b->in) ? 0 : POLLOUT)) },
		[SIGNALS] = { .fd = b->signals, .events = POLLIN },
	};
	int r;

	/* A hang-up is reported even to who asks for nothing; it can wait until there is room. */
	if (p[CONSOLE].events == 0)
		p[CONSOLE].fd = -1;
	r = poll(p, N, patience_ms(b));
	if (r == 0)
		b->ended = DETACHED;
	if (r <= 0)
		return;
	if (p[SIGNALS].revents)
		take_signal(b);
	if (p[STDIN].revents)
		take_input(b);
	if (p[STDOUT].revents & POLLOUT ? !flow_drain(&b->out, STDOUT_FILENO, false)
	                                : p[STDOUT].revents != 0)
		b->ended = READER_GONE;
	if (p[CONSOLE].revents & POLLOUT && !flow_drain(&b->in, b->console, true))
		b->ended = CONSOLE_GONE;
	if (p[CONSOLE].revents & (POLLIN | POLLHUP | POLLERR) && flow_is_empty(&b->out)) {
		ssize_t n = flow_fill(&b->out, b->console);

		if (n <= 0 && n != -EAGAIN)
			b->ended = CONSOLE_GONE;
	}
	if (b->ended == GOING_ON && b->escaped && flow_is_empty(&b->in))
		b->ended = DETACHED;
}

/* Signals that would end us come through a descriptor, so that the terminal is restored before they
 * do. */
static int
catch_signals(sigset_t *old)
{
	static const int caught[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	sigset_t set;

	(void)sigemptyset(&set);
	for (unsigned i = 0; i < ARRAY_LEN(caught); i++)
		(void)sigaddset(&set, caught[i]);
	(void)sigprocmask(SIG_BLOCK, &set, old);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int
session(const char *uuid, int console)
{
	struct termios saved, raw;
	bool terminal = tcgetattr(STDIN_FILENO, &saved) == 0;
	sigset_t old;
	auto_close int signals = catch_signals(&old);
	struct bridge b = { .console = console, .signals = signals };

	if (terminal) {
		(void)fprintf(stderr, "Connected to the console of VM %s; Ctrl-] ends.\n", uuid);
		raw = saved;
		cfmakeraw(&raw);
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	while (b.ended == GOING_ON)
		step(&b);
	if (terminal)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	/* As if it had never been caught: the caller sees which one. */
	if (b.ended == SIGNALLED)
		(void)raise(b.signal);
	return VMADM_OK;
}

static int
connect_console(const char *zonepath, struct err *err)
{
	auto_close int dir = zone_dir_open_tmp(zonepath, err);
	int fd;

	if (dir < 0)
		return dir;
	fd = fs_unix_connect(dir, "vm.console");
	if (fd < 0)
		return err_errno(err, fd, NULL,
		    "cannot connect to the console %s/root/tmp/vm.console", zonepath);
	return fd;
}

static int
run(struct vmadm *v)
{
	const char *uuid = vmadm_uuid_operand(v);
	auto_close int console = -1;
	json_auto_t *vm = NULL;
	struct err err = { 0 };

	if (!uuid)
		return VMADM_USAGE;
	if (vmadm_vm(v, uuid, false, &vm, &err) < 0)
		return vmadm_fail(v, &err);
	/* A VM that is stopping or still provisioning runs, too. */
	if (!str_eq(json_member_str(vm, "zone_state"), "running")) {
		(void)err_set(&err, -EINVAL, NULL, "VM %s is not running (currently: %s)", uuid,
		    str_or_empty(json_member_str(vm, "state")));
		return vmadm_fail(v, &err);
	}
	console = connect_console(str_or_empty(json_member_str(vm, "zonepath")), &err);
	if (console < 0)
		return vmadm_fail(v, &err);
	return session(uuid, console);
}

static const struct option_row options[] = { { 0 } };

const struct command cmd_console = {
	.name = "console",
	.usage = "<uuid>",
	.help = "Connect the terminal to the serial console of a running VM; Ctrl-] ends.",
	.options = options,
	.run = run,
};
