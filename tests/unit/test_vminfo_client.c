#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "fake_http.h"
#include "vminfo.h"

#define OK(body_len, body) "HTTP/1.1 200 OK\r\nContent-Length: " #body_len "\r\n\r\n" body
#define NOT_FOUND          "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"
#define BROKEN             "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno"
#define STREAM             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define READY              "{\"type\":\"ready\",\"uuid\":\"u\",\"vms\":\"[]\"}"

static struct vminfo *
open_client(const struct fake_http *f, int64_t timeout_ms)
{
	struct vminfo_options o = { .root = f->root, .name = "tester", .timeout_ms = timeout_ms };
	struct vminfo *v = NULL;

	assert_int_equal(vminfo_open(&o, &v), 0);
	return v;
}

static void
answers_are_given_as_they_came(void **state)
{
	static const struct fake_step steps[] = { { OK(15, "{\"ping\":\"pong\"}"), FAKE_KEEP },
		{ OK(2, "{}"), FAKE_KEEP }, { OK(2, "[]"), FAKE_KEEP },
		{ OK(7, "{\"a\":1}"), FAKE_KEEP }, { OK(7, "{\"a\":2}"), FAKE_KEEP } };
	struct fake_http f;
	struct vminfo *v;
	char *text;
	size_t len;

	fake_start(&f, steps, ARRAY_LEN(steps), true);
	v = open_client(&f, 10000);
	assert_int_equal(vminfo_ping(v), 0);
	assert_int_equal(vminfo_status_code(v), 200);
	assert_int_equal(vminfo_status(v, 1, &text), 0);
	assert_string_equal(text, "{}");
	free(text);
	assert_int_equal(vminfo_vms(v, "uuid,alias", &text, &len), 0);
	assert_string_equal(text, "[]");
	assert_int_equal(len, 2);
	free(text);
	assert_int_equal(vminfo_vm(v, "a b/..", 0, &text, &len), 0);
	assert_string_equal(text, "{\"a\":1}");
	free(text);
	assert_int_equal(vminfo_vm(v, "x", 1, &text, NULL), 0);
	free(text);
	vminfo_close(v);
	fake_stop(&f);
	assert_int_equal(f.connections, 1);
	assert_non_null(strstr(f.requests.data, "GET /ping HTTP/1.1\r\n"));
	assert_non_null(strstr(f.requests.data, "GET /status?full=true HTTP/1.1\r\n"));
	assert_non_null(strstr(f.requests.data, "GET /vms?fields=uuid,alias HTTP/1.1\r\n"));
	assert_non_null(strstr(f.requests.data, "GET /vms/a%20b%2F.. HTTP/1.1\r\n"));
	assert_non_null(strstr(f.requests.data, "GET /vms/x?sync=1 HTTP/1.1\r\n"));
	assert_non_null(strstr(f.requests.data, "User-Agent: tester - "));
	fake_done(&f);
}

static void
another_status_is_an_error_that_names_it(void **state)
{
	static const struct fake_step steps[] = { { NOT_FOUND, FAKE_KEEP }, { BROKEN, FAKE_KEEP },
		{ NOT_FOUND, FAKE_KEEP }, { OK(4, "nope"), FAKE_KEEP } };
	struct fake_http f;
	struct vminfo *v;
	char *text = NULL;

	fake_start(&f, steps, ARRAY_LEN(steps), false);
	v = open_client(&f, 10000);
	assert_int_equal(vminfo_vm(v, "x", 0, &text, NULL), -ENOENT);
	assert_string_equal(vminfo_strerror(v), "bad statusCode: 404");
	assert_int_equal(vminfo_status_code(v), 404);
	assert_int_equal(vminfo_vms(v, NULL, &text, NULL), -EPROTO);
	assert_string_equal(vminfo_strerror(v), "bad statusCode: 500");
	assert_int_equal(vminfo_get(v, "/any", &text, NULL), 0);
	assert_int_equal(vminfo_status_code(v), 404);
	free(text);
	assert_int_equal(vminfo_ping(v), -EPROTO);
	text = NULL;
	assert_int_equal(vminfo_vm(v, "..", 0, &text, NULL), -ENOENT);
	assert_int_equal(vminfo_vm(v, "", 0, &text, NULL), -ENOENT);
	assert_null(text);
	vminfo_close(v);
	fake_stop(&f);
	fake_done(&f);
}

static void
no_daemon_has_no_status(void **state)
{
	struct vminfo_options o = { .root = "/nonexistent" };
	struct vminfo *v;

	assert_int_equal(vminfo_open(&o, &v), 0);
	assert_int_equal(vminfo_ping(v), -ENOENT);
	assert_int_equal(vminfo_status_code(v), 0);
	assert_string_equal(
	    vminfo_strerror(v), "connect ENOENT /nonexistent/run/vmnode/vminfod.sock");
	vminfo_close(v);
	vminfo_close(NULL);
}

static void
options_out_of_range_are_refused(void **state)
{
	struct vminfo_options bad[] = { { .host = "h", .port = 65536 }, { .host = "h", .port = -1 },
		{ .port = 9090 }, { .timeout_ms = -2 } };
	struct vminfo *v;

	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(vminfo_open(&bad[i], &v), -EINVAL);
}

static void
events_begin_with_ready_and_end_with_the_daemon(void **state)
{
	static const struct fake_step step = {
		STREAM "27\r\n" READY "\n\r\n4\r\none\n\r\n4\r\ntwo\n\r\n", FAKE_CLOSE, 5
	};
	struct vminfo_events *e;
	struct fake_http f;
	struct vminfo *v;
	char *line;
	size_t len;

	assert_int_equal(strlen(READY "\n"), 0x27);
	fake_start(&f, &step, 1, false);
	v = open_client(&f, 10000);
	assert_int_equal(vminfo_events(v, &e, &line), 0);
	assert_string_equal(line, READY);
	free(line);
	assert_int_equal(vminfo_next(e, 10000, &line, &len), 1);
	assert_string_equal(line, "one");
	assert_int_equal(len, 3);
	free(line);
	assert_int_equal(vminfo_next(e, -1, &line, NULL), 1);
	assert_string_equal(line, "two");
	free(line);
	assert_int_equal(vminfo_next(e, -1, &line, NULL), -ECONNRESET);
	assert_true(*vminfo_strerror(v));
	vminfo_events_close(e);
	vminfo_close(v);
	fake_stop(&f);
	fake_done(&f);
}

struct bad_stream {
	const char *name;
	struct fake_step step;
	int64_t timeout_ms;
	int result;
};

static void
a_stream_without_ready_is_an_error(void **state)
{
	static const struct bad_stream rows[] = {
		{ "not found", { NOT_FOUND, FAKE_KEEP }, 10000, -EPROTO },
		{ "busy", { BROKEN, FAKE_KEEP }, 10000, -EPROTO },
		{ "another first line", { STREAM "4\r\none\n\r\n", FAKE_STALL }, 10000, -EPROTO },
		{ "no line", { STREAM, FAKE_STALL }, 50, -ETIMEDOUT },
		{ "ends at once", { STREAM "0\r\n\r\n", FAKE_KEEP }, 10000, -ECONNRESET },
		{ "nothing", { NULL, FAKE_CLOSE }, 10000, -ECONNRESET },
	};

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct vminfo_events *e = NULL;
		struct fake_http f;
		struct vminfo *v;
		char *line = NULL;
		int r;

		fake_start(&f, &rows[i].step, 1, false);
		v = open_client(&f, rows[i].timeout_ms);
		r = vminfo_events(v, &e, &line);
		if (r != rows[i].result || e || line || !*vminfo_strerror(v))
			fail_msg("%s: %d: %s", rows[i].name, r, vminfo_strerror(v));
		vminfo_close(v);
		fake_stop(&f);
		fake_done(&f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_given_as_they_came),
		cmocka_unit_test(another_status_is_an_error_that_names_it),
		cmocka_unit_test(no_daemon_has_no_status),
		cmocka_unit_test(options_out_of_range_are_refused),
		cmocka_unit_test(events_begin_with_ready_and_end_with_the_daemon),
		cmocka_unit_test(a_stream_without_ready_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
