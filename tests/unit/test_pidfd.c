#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "unit.h"

#include "io/pidfd.h"

struct seen {
	int fd;
	void *who;
	unsigned n;
};

static void
on_exit_of(void *arg, int fd, void *who)
{
	struct seen *s = arg;

	*s = (struct seen){ fd, who, s->n + 1 };
}

static struct proc_id
child(void)
{
	struct proc_id id;
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			(void)pause();
	}
	assert_int_equal(proc_id_of(pid, &id), 0);
	return id;
}

static void
kill_child(const struct proc_id *id)
{
	assert_int_equal(kill(id->pid, SIGKILL), 0);
}

static void
end_is_told_once_with_its_owner(void **state)
{
	struct proc_id id = child();
	struct seen s = { 0 };
	struct pidfds *p;
	uv_loop_t loop;
	int fd, who;

	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(pidfds_open(&loop, on_exit_of, &s, &p, NULL), 0);
	fd = pidfds_add(p, &id, &who);
	assert_true(fd >= 0);
	kill_child(&id);
	while (s.n == 0)
		(void)uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(s.fd, fd);
	assert_ptr_equal(s.who, &who);
	assert_int_equal(waitpid(id.pid, NULL, 0), id.pid);
	assert_int_equal(pidfds_add(p, &id, &who), -ESRCH);
	pidfds_close(p);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(s.n, 1);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static void
removed_process_is_not_told(void **state)
{
	struct proc_id a = child(), b = child();
	struct seen s = { 0 };
	struct pidfds *p;
	uv_loop_t loop;
	int fd, who;

	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(pidfds_open(&loop, on_exit_of, &s, &p, NULL), 0);
	fd = pidfds_add(p, &a, NULL);
	assert_true(pidfds_add(p, &b, &who) >= 0);
	pidfds_remove(p, fd);
	pidfds_remove(p, -1);
	kill_child(&a);
	assert_int_equal(waitpid(a.pid, NULL, 0), a.pid);
	kill_child(&b);
	while (s.n == 0)
		(void)uv_run(&loop, UV_RUN_ONCE);
	assert_ptr_equal(s.who, &who);
	assert_int_equal(waitpid(b.pid, NULL, 0), b.pid);
	pidfds_close(p);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(end_is_told_once_with_its_owner),
		cmocka_unit_test(removed_process_is_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
