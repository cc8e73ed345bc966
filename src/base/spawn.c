/* spawn_process() of base/proc.h. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/xmalloc.h"

/* What the child was doing when it failed; sent to the parent through the error pipe. */
enum step {
	STEP_PIDFILE,
	STEP_STDIO,
	STEP_FDS,
	STEP_SESSION,
	STEP_CGROUP,
	STEP_NOFILE,
	STEP_CWD,
	STEP_IDENTITY,
	STEP_PARENT,
	STEP_EXEC,
};

static const char *const step_names[] = {
	[STEP_PIDFILE] = "writing its pid file",
	[STEP_STDIO] = "setting up its standard input and output",
	[STEP_FDS] = "passing descriptors",
	[STEP_SESSION] = "making a session",
	[STEP_CGROUP] = "joining its control group",
	[STEP_NOFILE] = "limiting open files",
	[STEP_CWD] = "changing the directory",
	[STEP_IDENTITY] = "changing the user",
	[STEP_PARENT] = "tying it to its parent",
	[STEP_EXEC] = NULL, /* the reason alone says it */
};

struct failure {
	enum step step;
	int code; /* negative errno */
};

/* Everything the child needs, prepared before fork: after it only async-signal-safe calls are
 * allowed. */
struct child {
	const struct spawn *s;
	char **argv;
	char **env;
	char *program;     /* owned */
	char *cgroup_file; /* owned; NULL: none */
	int error_fd;
	pid_t parent;
};

/* The file to execute; when there is none the name itself, so that exec gives the reason. */
static char *
find_program(const char *name)
{
	const char *path = getenv("PATH");
	char **dirs auto_strv = NULL;

	if (strchr(name, '/'))
		return xstrdup(name);
	dirs = strv_split(path ? path : "/usr/local/bin:/usr/bin:/bin", ':');
	for (char **d = dirs; *d; d++) {
		char *full auto_free = xasprintf("%s/%s", **d ? *d : ".", name);

		if (access(full, X_OK) == 0)
			return TAKE(full);
	}
	/* Not found: a bare name would be looked for in the working directory. */
	return xasprintf("/nonexistent/%s", name);
}

/* --- In the child --- */

/* Sources may be 0 to 2 themselves, in any order: move all of them out of the way first. */
static int
child_stdio(const struct spawn *s)
{
	int from[3] = { s->stdin_fd, s->stdout_fd, s->stderr_fd };

	for (int i = 0; i < 3; i++) {
		int fd = from[i] >= 0 ? from[i] : open("/dev/null", O_RDWR | O_CLOEXEC);

		from[i] = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (from[i] < 0)
			return -errno;
	}
	for (int i = 0; i < 3; i++)
		if (dup2(from[i], i) < 0)
			return -errno;
	return 0;
}

/* Without stdio, which is not safe between fork and exec. */
static int
child_pidfile(const struct spawn *s)
{
	char text[16];
	size_t at = sizeof(text);

	if (s->pidfile_fd < 0)
		return 0;
	text[--at] = '\n';
	for (pid_t pid = getpid(); pid > 0; pid /= 10)
		text[--at] = (char)('0' + pid % 10);
	return write(s->pidfile_fd, text + at, sizeof(text) - at) < 0 ? -errno : 0;
}

static int
child_fds(const struct spawn *s)
{
	if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) < 0) {
		struct rlimit rl;

		/* Before Linux 5.11. */
		if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
			return -errno;
		for (int fd = 3; fd < (int)rl.rlim_cur; fd++)
			(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	for (unsigned i = 0; i < s->n_keep; i++)
		if (fcntl(s->keep_fds[i], F_SETFD, 0) < 0)
			return -errno;
	return 0;
}

static int
child_cgroup(const struct child *c)
{
	int fd, r = 0;

	if (!c->cgroup_file)
		return 0;
	fd = open(c->cgroup_file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, "0", 1) < 0)
		r = -errno;
	(void)close(fd);
	return r;
}

static int
child_nofile(const struct spawn *s)
{
	struct rlimit rl = { (rlim_t)s->nofile, (rlim_t)s->nofile };
	struct rlimit now;

	if (s->nofile <= 0 || setrlimit(RLIMIT_NOFILE, &rl) == 0)
		return 0;
	if (errno != EPERM || getrlimit(RLIMIT_NOFILE, &now) < 0)
		return -errno;
	/* Only root may raise the hard limit: as much as we have. */
	now.rlim_cur = now.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &now) < 0 ? -errno : 0;
}

static int
child_identity(const struct spawn *s)
{
	gid_t gid = s->gid != (gid_t)-1 ? s->gid : (gid_t)s->uid;

	if (s->uid == (uid_t)-1)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(s->uid, s->uid, s->uid) < 0)
		return -errno;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* After the change of identity, which clears the setting. */
static int
child_parent(const struct child *c)
{
	if (!c->s->die_with_parent)
		return 0;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return getppid() != c->parent ? -ESRCH : 0; /* it died before we asked */
}

static void
child_signals(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &sa, NULL); /* fails for KILL, STOP and libc's own */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void
child_fail(const struct child *c, enum step step, int code)
{
	struct failure f = { step, code };

	(void)!write(c->error_fd, &f, sizeof(f));
	_exit(127);
}

static void
child_step(const struct child *c, enum step step, int r)
{
	if (r < 0)
		child_fail(c, step, r);
}

static _Noreturn void
child_main(struct child *c)
{
	const struct spawn *s = c->s;
	int fd = fcntl(c->error_fd, F_DUPFD_CLOEXEC, 3); /* dup2 to 0..2 must not hit it */

	child_step(c, STEP_STDIO, fd < 0 ? -errno : 0);
	c->error_fd = fd;
	child_signals();
	child_step(c, STEP_PIDFILE, child_pidfile(s));
	child_step(c, STEP_STDIO, child_stdio(s));
	child_step(c, STEP_FDS, child_fds(s));
	child_step(c, STEP_SESSION, s->new_session && setsid() < 0 ? -errno : 0);
	child_step(c, STEP_CGROUP, child_cgroup(c));
	child_step(c, STEP_NOFILE, child_nofile(s));
	child_step(c, STEP_CWD, s->cwd_fd >= 0 && fchdir(s->cwd_fd) < 0 ? -errno : 0);
	child_step(c, STEP_IDENTITY, child_identity(s));
	child_step(c, STEP_PARENT, child_parent(c));
	(void)execve(c->program, c->argv, c->env);
	child_fail(c, STEP_EXEC, -errno);
}

/* --- In the parent --- */

/* fork with all signals blocked, so that no handler of ours ever runs in the child. */
static pid_t
fork_child(struct child *c)
{
	sigset_t all, old;
	pid_t pid;
	int code;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0)
		child_main(c);
	code = errno;
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return pid < 0 ? -code : pid;
}

static void
reap(pid_t pid, int *ret_status)
{
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		continue;
}

/* The pipe closes at exec. -errno and the sentence when the child sent a failure instead. */
static int
await_exec(int fd, const struct spawn *s, struct err *err)
{
	struct failure f;
	ssize_t n;

	do
		n = read(fd, &f, sizeof(f));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(f))
		return 0;
	if (step_names[f.step])
		return err_errno(
		    err, f.code, NULL, "cannot run \"%s\": %s", s->argv[0], step_names[f.step]);
	return err_errno(err, f.code, NULL, "cannot run \"%s\"", s->argv[0]);
}

pid_t
spawn_process(const struct spawn *s, struct err *err)
{
	char *program auto_free = find_program(s->argv[0]);
	char *cgroup auto_free = s->cgroup ? xasprintf("%s/cgroup.procs", s->cgroup) : NULL;
	struct child c = { .s = s,
		/* execve() takes its vectors without const but changes nothing (POSIX, rationale of
		   exec). */
		.argv = (char **)(uintptr_t)s->argv,
		.env = s->env ? (char **)(uintptr_t)s->env : environ,
		.program = program,
		.cgroup_file = cgroup,
		.parent = getpid() };
	int fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, -errno, NULL, "cannot run \"%s\"", s->argv[0]);
	c.error_fd = fds[1];
	pid = fork_child(&c);
	(void)close(fds[1]);
	r = pid < 0 ? err_errno(err, pid, NULL, "cannot run \"%s\"", s->argv[0])
	            : await_exec(fds[0], s, err);
	(void)close(fds[0]);
	if (r < 0 && pid > 0)
		reap(pid, NULL);
	return r < 0 ? r : pid;
}
