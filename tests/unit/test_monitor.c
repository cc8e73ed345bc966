#include "private_root.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"
#include "vmm/monitor.h"

#define UUID "11111111-1111-4111-8111-111111111111"

static pid_t server;

/* A monitor that reads one line and then writes `answer`, whatever was asked. */
static void
serve(const char *answer)
{
	auto_free char *path = path_hostf(PATH_RUN_ZONES "/" UUID ".sock");
	auto_free char *dir = path_host(PATH_RUN_ZONES);
	int fd;

	assert_int_equal(fs_mkdir_p(dir, &root_anyone, NULL), 0);
	fd = fs_unix_listen_path(path, 1, UNIT_OWNER(0600));
	assert_true(fd >= 0);
	server = fork();
	assert_true(server >= 0);
	if (server == 0) {
		char c = 0;
		int s = -1;

		struct pollfd p = { .fd = fd, .events = POLLIN };

		(void)poll(&p, 1, -1);
		s = accept(fd, NULL, NULL);
		while (read(s, &c, 1) == 1 && c != '\n')
			;
		(void)!write(s, answer, strlen(answer));
		/* A silent one stays until the client has had enough. */
		while (*answer == '\0' && read(s, &c, 1) > 0)
			;
		_exit(0);
	}
	(void)close(fd);
}

static int
ask(const char *answer, int64_t timeout_ms, json_t **ret, struct err *err)
{
	struct monitor_conn *c = NULL;
	int r;

	serve(answer);
	assert_int_equal(monitor_connect(UUID, &c, err), 0);
	r = monitor_ask(c, json_pack("{s:s}", "verb", "status"), timeout_ms, ret, err);
	monitor_close(c);
	assert_int_equal(waitpid(server, NULL, 0), server);
	return r;
}

static const struct {
	const char *name, *answer;
	int64_t timeout_ms;
	int code;
	const char *sentence;
} rows[] = {
	{ "ok", "{\"ok\":true,\"phase\":\"running\"}\n", -1, 0, NULL },
	{ "refused",
	    "{\"ok\":false,\"error\":\"mode must be acpi or force\",\"code\":\"EINVAL\"}\n", 60000,
	    -EINVAL, "mode must be acpi or force" },
	{ "unknown code", "{\"ok\":false,\"error\":\"x\",\"code\":\"EWEIRD\"}\n", 60000, -EIO,
	    "x" },
	{ "garbage", "hello\n", 60000, -EPROTO, NULL },
	{ "half a line", "{\"ok\":tr", 60000, -ECONNRESET, NULL },
	{ "silence", "", 30, -ETIMEDOUT, NULL },
};

static void
answers_become_results(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_auto_t *answer = NULL;
		struct err err = { 0 };
		int r = ask(rows[i].answer, rows[i].timeout_ms, &answer, &err);

		if (r != rows[i].code || (rows[i].sentence && !str_eq(err.msg, rows[i].sentence)))
			fail_row(rows[i].name, "%d %s", r, err.msg);
		if (r == 0 && !str_eq(json_member_str(answer, "phase"), "running"))
			fail_row(rows[i].name, "no answer");
	}
}

static void
second_answer_may_come_with_the_first(void **state)
{
	json_auto_t *first = NULL;
	json_auto_t *second = NULL;
	struct monitor_conn *c = NULL;
	struct err err = { 0 };

	(void)state;
	serve("{\"ok\":true,\"accepted\":true}\n{\"ok\":true,\"stopped\":true}\n");
	assert_int_equal(monitor_connect(UUID, &c, &err), 0);
	assert_int_equal(monitor_ask(c, json_object(), 60000, &first, &err), 0);
	assert_int_equal(monitor_next(c, 60000, &second, &err), 0);
	assert_true(json_member_bool(first, "accepted", false));
	assert_true(json_member_bool(second, "stopped", false));
	monitor_close(c);
	assert_int_equal(waitpid(server, NULL, 0), server);
}

static void
no_monitor_is_told_apart(void **state)
{
	struct monitor_conn *c = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(monitor_connect(UUID, &c, &err), -ENOENT);
	serve("x\n");
	(void)kill(server, SIGKILL);
	(void)waitpid(server, NULL, 0);
	assert_int_equal(monitor_connect(UUID, &c, &err), -ECONNREFUSED);
	assert_null(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ROOT_TEST(answers_become_results),
		ROOT_TEST(second_answer_may_come_with_the_first),
		ROOT_TEST(no_monitor_is_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
