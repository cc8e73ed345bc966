#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "unit.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/proc.h"

/* Start `sh -c script` as `s` says and collect its stdout. Returns its wait status. */
static int
run_shell(struct spawn s, const char *script, struct buf *out)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	int fds[2], status = -1;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	s.argv = argv;
	s.stdout_fd = fds[1];
	s.stderr_fd = STDERR_FILENO;
	pid = spawn_process(&s, NULL);
	assert_true(pid > 0);
	(void)close(fds[1]);
	while (buf_read(out, fds[0], 4096) > 0)
		continue;
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static pid_t
start_sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			(void)pause();
	return pid;
}

static void
process_is_its_pid_and_start(void **state)
{
	struct proc_id me, other;

	assert_int_equal(proc_id_of(getpid(), &me), 0);
	assert_true(proc_is_alive(&me));
	other = me;
	other.start_ticks++;
	assert_false(proc_is_alive(&other));
	assert_int_equal(proc_open(&other), -ESRCH);
	assert_int_equal(proc_id_of(0, &me), -ESRCH);
	assert_int_equal(proc_open(&(struct proc_id){ 0 }), -ESRCH);
}

static void
pidfd_tells_the_end_and_dead_ones_are_gone(void **state)
{
	pid_t pid = start_sleeper();
	struct proc_id id;
	int fd auto_close = -1;
	struct pollfd p = { .events = POLLIN };

	assert_int_equal(proc_id_of(pid, &id), 0);
	fd = proc_open(&id);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(proc_signal(fd, SIGKILL), 0);
	p.fd = fd;
	assert_int_equal(poll(&p, 1, 10000), 1);
	/* Dead and not waited for. */
	assert_false(proc_is_alive(&id));
	assert_int_equal(proc_open(&id), -ESRCH);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(proc_open(&id), -ESRCH);
	assert_int_equal(proc_signal(fd, SIGTERM), -ESRCH);
}

static void
name_with_parentheses_does_not_confuse(void **state)
{
	struct proc_id before, after;

	assert_int_equal(proc_id_of(getpid(), &before), 0);
	assert_int_equal(prctl(PR_SET_NAME, "a) Z 1 (b"), 0);
	assert_int_equal(proc_id_of(getpid(), &after), 0);
	assert_true(before.start_ticks == after.start_ticks);
}

static void
failure_to_start_is_a_sentence(void **state)
{
	char *file auto_free = xasprintf("%s/plain", (char *)*state);
	char *text auto_free = xasprintf("cannot run \"%s\": Permission denied", file);
	const struct {
		const char *program;
		int r;
		const char *text;
	} rows[] = {
		{ "no-such-program-here", -ENOENT,
		    "cannot run \"no-such-program-here\": No such file or directory" },
		{ "/no/such/program", -ENOENT,
		    "cannot run \"/no/such/program\": No such file or directory" },
		{ file, -EACCES, text },
	};

	assert_int_equal(fs_append(file, "x", 1, UNIT_OWNER(0644), NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *const argv[] = { rows[i].program, NULL };
		struct spawn s = SPAWN_INIT;
		struct err err = { 0 };

		s.argv = argv;
		assert_int_equal(spawn_process(&s, &err), rows[i].r);
		assert_string_equal(err.msg, rows[i].text);
	}
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie left */
}

static void
failed_step_is_named(void **state)
{
	static const char *const argv[] = { "true", NULL };
	struct spawn s = SPAWN_INIT;
	struct err err = { 0 };

	s.argv = argv;
	s.cgroup = *state;
	assert_int_equal(spawn_process(&s, &err), -ENOENT);
	assert_string_equal(
	    err.msg, "cannot run \"true\": joining its control group: No such file or directory");
}

static void
only_kept_descriptors_are_inherited(void **state)
{
	int kept auto_close = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int lost auto_close = open("/dev/null", O_RDONLY); /* not CLOEXEC */
	struct buf out auto_buf = BUF_INIT;
	struct spawn s = SPAWN_INIT;
	char *script auto_free = NULL;

	script = xasprintf("for i in 0 1 2 %d; do [ -e /proc/$$/fd/$i ] && echo $i; done;"
	                   "for f in /proc/$$/fd/*; do case ${f##*/} in 0|1|2|%d) ;;"
	                   "*) [ -e $f ] && echo extra ${f##*/};; esac; done; true",
	    kept, kept);
	s.keep_fds = &kept;
	s.n_keep = 1;
	assert_int_equal(run_shell(s, script, &out), 0);
	char *expected auto_free = xasprintf("0\n1\n2\n%d\n", kept);

	assert_string_equal(out.data, expected);
	assert_true(lost >= 0);
	assert_int_equal(fcntl(kept, F_GETFD), FD_CLOEXEC);
}

static void
standard_descriptors_may_be_crossed(void **state)
{
	static const char *const argv[] = { "sh", "-c", "read x; echo out-$x; echo err-$x >&2",
		NULL };
	struct spawn s = SPAWN_INIT;
	struct buf out auto_buf = BUF_INIT, errors auto_buf = BUF_INIT;
	int in[2] = { -1, -1 }, o[2] = { -1, -1 }, e[2] = { -1, -1 }, saved[3], status;
	pid_t pid;

	assert_true(
	    pipe2(in, O_CLOEXEC) == 0 && pipe2(o, O_CLOEXEC) == 0 && pipe2(e, O_CLOEXEC) == 0);
	assert_int_equal(write(in[1], "hi\n", 3), 3);
	for (int i = 0; i < 3; i++)
		saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
	(void)dup2(o[1], 0); /* ours are just the wrong way round */
	(void)dup2(e[1], 1);
	(void)dup2(in[0], 2);
	s.argv = argv;
	s.stdin_fd = 2;
	s.stdout_fd = 0;
	s.stderr_fd = 1;
	pid = spawn_process(&s, NULL);
	for (int i = 0; i < 3; i++) {
		(void)dup2(saved[i], i);
		(void)close(saved[i]);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(buf_read(&out, o[0], 100), 7);
	assert_int_equal(buf_read(&errors, e[0], 100), 7);
	assert_string_equal(out.data, "out-hi\n");
	assert_string_equal(errors.data, "err-hi\n");
	for (int i = 0; i < 2; i++) {
		(void)close(in[i]);
		(void)close(o[i]);
		(void)close(e[i]);
	}
}

static void
signals_of_the_parent_do_not_leak(void **state)
{
	struct buf out auto_buf = BUF_INIT;
	sigset_t set, old;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &set, &old);
	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(
	    run_shell(SPAWN_INIT, "grep -E '^Sig(Blk|Ign)' /proc/self/status", &out), 0);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	assert_string_equal(out.data, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

static void
place_environment_session_and_limit_are_set(void **state)
{
	static const char *const env[] = { "ONLY=this", "PATH=/usr/bin:/bin", NULL };
	int dir auto_close = fs_open_dir(*state);
	struct buf out auto_buf = BUF_INIT;
	struct spawn s = SPAWN_INIT;
	char *expected auto_free = NULL;

	s.cwd_fd = dir;
	s.env = env;
	s.new_session = true;
	s.nofile = 100;
	assert_int_equal(run_shell(s,
	                     "pwd -P; echo $ONLY$HOME; ulimit -n; ulimit -Hn;"
	                     "set -- $(cat /proc/$$/stat); [ $6 = $$ ] && echo leader",
	                     &out),
	    0);
	expected = realpath(*state, NULL);
	assert_true(str_starts(out.data, expected));
	assert_string_equal(out.data + strlen(expected), "\nthis\n100\n100\nleader\n");
}

static void
user_is_changed_for_good(void **state)
{
	struct buf out auto_buf = BUF_INIT;
	struct spawn s = SPAWN_INIT;

	if (geteuid() != 0)
		skip();
	s.uid = 123456;
	s.gid = 123456;
	s.die_with_parent = true;
	assert_int_equal(
	    run_shell(s,
	        "grep -E '^(Uid|Gid|Groups|NoNewPrivs)' /proc/self/status | tr -s ' \\t' ' '",
	        &out),
	    0);
	assert_string_equal(out.data,
	    "Uid: 123456 123456 123456 123456\n"
	    "Gid: 123456 123456 123456 123456\nGroups: \nNoNewPrivs: 1\n");
}

/* The middle process dies; its child, whose stdout we read, must die with it even as another user.
 */
static void
child_dies_with_its_parent(void **state)
{
	static const char *const argv[] = { "sleep", "1000", NULL };
	struct spawn s = SPAWN_INIT;
	int fds[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	s.argv = argv;
	s.stdout_fd = fds[1];
	s.die_with_parent = true;
	s.uid = geteuid() == 0 ? 123456 : (uid_t)-1;
	pid = fork();
	if (pid == 0) {
		(void)close(fds[0]);
		_exit(spawn_process(&s, NULL) > 0 ? 0 : 1);
	}
	(void)close(fds[1]);
	assert_int_equal(read(fds[0], &c, 1), 0);
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void
short_tool_gives_output_status_and_last_line(void **state)
{
	static const struct {
		const char *script, *out, *lasterr;
		int status;
	} rows[] = {
		{ "echo hello", "hello\n", "", 0 },
		{ "echo one >&2; echo two >&2; echo >&2; exit 3", "", "two", 3 },
		{ "kill -9 $$", "", "", 128 + 9 },
		{ "sleep 1000 & echo started", "started\n", "", 0 },
		{ "i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done", "",
		    "line 2999", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *const argv[] = { "sh", "-c", rows[i].script, NULL };
		struct buf out auto_buf = BUF_INIT;
		char lasterr[100];
		int status = -1;

		assert_int_equal(
		    spawn_run(argv, 20000, &out, lasterr, sizeof(lasterr), &status, NULL), 0);
		assert_string_equal(str_or_empty(out.data), rows[i].out);
		assert_string_equal(lasterr, rows[i].lasterr);
		assert_int_equal(status, rows[i].status);
	}
}

static void
short_tool_needs_no_output(void **state)
{
	static const char *const argv[] = { "sh", "-c", "echo x; echo y >&2", NULL };
	int status = -1;

	assert_int_equal(spawn_run(argv, -1, NULL, NULL, 0, &status, NULL), 0);
	assert_int_equal(status, 0);
}

static void
short_tool_is_bounded(void **state)
{
	static const char *const slow[] = { "sleep", "1000", NULL }, *const much[] = { "yes",
		NULL };
	static const char *const loud[] = { "sh", "-c", "exec yes >&2", NULL };
	static const char *const none[] = { "no-such-program-here", NULL };
	struct buf out auto_buf = BUF_INIT;
	struct err err = { 0 };
	int status = 4711;

	assert_int_equal(spawn_run(slow, 20, &out, NULL, 0, &status, &err), -ETIMEDOUT);
	assert_string_equal(err.msg, "\"sleep\" did not end in time");
	assert_int_equal(spawn_run(loud, 50, &out, NULL, 0, &status, NULL), -ETIMEDOUT);
	assert_int_equal(spawn_run(much, 60000, &out, NULL, 0, &status, NULL), -EFBIG);
	assert_int_equal(spawn_run(none, 60000, &out, NULL, 0, &status, NULL), -ENOENT);
	assert_int_equal(status, 4711);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void
sibling_is_beside_us(void **state)
{
	char *path auto_free = proc_sibling("vmadm"),
	           *self auto_free = realpath("/proc/self/exe", NULL);
	size_t dir = (size_t)(strrchr(self, '/') - self);

	assert_memory_equal(path, self, dir);
	assert_string_equal(path + dir, "/vmadm");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(process_is_its_pid_and_start),
		cmocka_unit_test(pidfd_tells_the_end_and_dead_ones_are_gone),
		cmocka_unit_test(name_with_parentheses_does_not_confuse),
		unit_test_in_dir(failure_to_start_is_a_sentence),
		unit_test_in_dir(failed_step_is_named),
		cmocka_unit_test(only_kept_descriptors_are_inherited),
		cmocka_unit_test(standard_descriptors_may_be_crossed),
		cmocka_unit_test(signals_of_the_parent_do_not_leak),
		unit_test_in_dir(place_environment_session_and_limit_are_set),
		cmocka_unit_test(user_is_changed_for_good),
		cmocka_unit_test(child_dies_with_its_parent),
		cmocka_unit_test(short_tool_gives_output_status_and_last_line),
		cmocka_unit_test(short_tool_needs_no_output),
		cmocka_unit_test(short_tool_is_bounded),
		cmocka_unit_test(sibling_is_beside_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
