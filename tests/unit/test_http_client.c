#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "fake_http.h"
#include "io/http_client.h"

/* --- The parser --- */

struct answer {
	const char *name, *text;
	int result; /* 1: complete, 0: wants more, negative: the error */
	int status;
	const char *body;
};

static const struct answer answers[] = {
	{ "content length", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", 1, 200, "body" },
	{ "empty body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 1, 200, "" },
	{ "names in any case", "HTTP/1.1 404 Not Found\r\ncONTENT-lENGTH:2\r\n\r\nno", 1, 404,
	    "no" },
	{ "bare newlines", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 1, 200, "ok" },
	{ "no reason", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 1, 200, "ok" },
	{ "no body by status", "HTTP/1.1 204 No Content\r\n\r\n", 1, 204, "" },
	{ "interim answer first",
	    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 1, 200,
	    "x" },
	{ "chunks",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
	    "chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
	    1, 200, "abc0123456789" },
	{ "chunk extension and trailer",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nX-T: "
	    "1\r\n\r\n",
	    1, 200, "ok" },
	{ "until close", "HTTP/1.0 200 OK\r\n\r\nsome", 0, 200, "some" },
	{ "half a header", "HTTP/1.1 200 OK\r\nContent-", 0, 0, "" },
	{ "half a body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", 0, 200, "half" },
	{ "not HTTP", "SSH-2.0-OpenSSH\r\n", -EPROTO, 0, "" },
	{ "HTTP/2", "HTTP/2.0 200 OK\r\n", -EPROTO, 0, "" },
	{ "status of two digits", "HTTP/1.1 20 OK\r\n", -EPROTO, 0, "" },
	{ "negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n", -EPROTO, 0, "" },
	{ "length of 2^64", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n", -EPROTO,
	    0, "" },
	{ "too large a length", "HTTP/1.1 200 OK\r\nContent-Length: 2000000000\r\n", -EPROTO, 0,
	    "" },
	{ "two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n", -EPROTO,
	    0, "" },
	{ "length and chunks",
	    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", -EPROTO,
	    0, "" },
	{ "unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n", -EPROTO, 0, "" },
	{ "no colon", "HTTP/1.1 200 OK\r\nnonsense\r\n", -EPROTO, 0, "" },
	{ "folded line", "HTTP/1.1 200 OK\r\nA: b\r\n c: d\r\n", -EPROTO, 0, "" },
	{ "chunk size not hex", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
	    -EPROTO, 200, "" },
	{ "chunk size too large",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n", -EPROTO, 200,
	    "" },
	{ "chunk longer than said",
	    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", -EPROTO, 200,
	    "ab" },
};

static int
feed(struct http_parser *p, const char *data, size_t len, int *status, struct buf *body,
    struct err *err)
{
	/* A copy of its own, so that a sanitizer sees every byte read behind the end. */
	char *copy = xmemdup(data, len ? len : 1);
	int r = http_parser_feed(p, copy, len, status, body, err);

	free(copy);
	return r;
}

static void
check(const struct answer *a, int r, int status, const struct buf *body, size_t split)
{
	const char *got = str_or_empty(body->data);

	if (r != a->result || (r >= 0 && status != a->status) || !str_eq(got, a->body))
		fail_msg("%s, split at %zu: result %d, status %d, body \"%s\"", a->name, split, r,
		    status, got);
}

static void
every_answer_is_read_the_same_wherever_it_is_split(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(answers); i++) {
		const struct answer *a = &answers[i];
		size_t len = strlen(a->text);

		for (size_t split = 0; split <= len; split++) {
			struct http_parser *p = http_parser_new();
			struct buf body = BUF_INIT;
			struct err err = { 0 };
			int status = 0;
			int r = feed(p, a->text, split, &status, &body, &err);

			if (r == 0)
				r = feed(p, a->text + split, len - split, &status, &body, &err);
			check(a, r, status, &body, split);
			if (r < 0)
				assert_true(*err.msg);
			http_parser_free(p);
			buf_done(&body);
		}
	}
}

static void
every_answer_is_read_byte_by_byte(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(answers); i++) {
		const struct answer *a = &answers[i];
		struct http_parser *p = http_parser_new();
		struct buf body = BUF_INIT;
		int status = 0, r = 0;

		for (const char *c = a->text; *c && r == 0; c++)
			r = feed(p, c, 1, &status, &body, NULL);
		check(a, r, status, &body, 1);
		http_parser_free(p);
		buf_done(&body);
	}
}

/* Feed `line` again and again until it is refused. */
static size_t
feed_endlessly(const char *start, const char *line)
{
	struct http_parser *p = http_parser_new();
	struct buf body = BUF_INIT;
	int status = 0, r = feed(p, start, strlen(start), &status, &body, NULL);
	size_t n = 0;

	for (; r == 0 && n < 10u << 20; n += strlen(line))
		r = feed(p, line, strlen(line), &status, &body, NULL);
	assert_int_equal(r, -EPROTO);
	assert_int_equal(body.len, 0);
	http_parser_free(p);
	buf_done(&body);
	return n;
}

static void
endless_headers_are_refused(void **state)
{
	assert_true(feed_endlessly("HTTP/1.1 200 OK\r\n", "X: y\r\n") <= 70000);
	assert_true(feed_endlessly("HTTP/1.1 200 OK\r\nX: ", "yyyyyyyy") <= 70000);
	assert_true(feed_endlessly(
	                "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n") <= 70000);
	assert_true(feed_endlessly("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;",
	                "xxxxxxxx") <= 2000);
	assert_true(feed_endlessly("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
	                "X: y\r\n") <= 70000);
}

/* --- The client --- */

#define OK(body_len, body) "HTTP/1.1 200 OK\r\nContent-Length: " #body_len "\r\n\r\n" body

static void
get_is(struct http_client *c, const char *path, const char *wanted)
{
	struct buf body = BUF_INIT;
	struct err err = { 0 };
	int status = 0, r = http_client_get(c, path, 10000, &status, &body, &err);

	if (r < 0)
		fail_msg("%s: %d: %s", path, r, err.msg);
	assert_int_equal(status, 200);
	assert_string_equal(str_or_empty(body.data), wanted);
	buf_done(&body);
}

static void
a_kept_connection_carries_many_requests(void **state)
{
	static const struct fake_step steps[] = { { OK(1, "a"), FAKE_KEEP },
		{ OK(1, "b"), FAKE_KEEP, 1 } };
	struct fake_http f;
	struct http_client *c;

	fake_start(&f, steps, 2, true);
	c = http_client_unix(f.path, "tester\r\nX-Evil: 1");
	get_is(c, "/one", "a");
	get_is(c, "/two", "b");
	http_client_free(c);
	fake_stop(&f);
	assert_int_equal(f.connections, 1);
	assert_non_null(strstr(f.requests.data, "GET /one HTTP/1.1\r\n"));
	assert_non_null(strstr(f.requests.data, "GET /two HTTP/1.1\r\n"));
	assert_non_null(strstr(f.requests.data, "User-Agent: tester??X-Evil: 1\r\n"));
	fake_done(&f);
}

static void
a_connection_closed_while_idle_is_opened_again(void **state)
{
	static const struct fake_step steps[] = { { OK(1, "a"), FAKE_CLOSE },
		{ OK(1, "b"), FAKE_CLOSE },
		{ "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end", FAKE_CLOSE },
		{ OK(1, "d"), FAKE_KEEP } };
	struct fake_http f;
	struct http_client *c;

	fake_start(&f, steps, 4, false);
	c = http_client_unix(f.path, NULL);
	get_is(c, "/", "a");
	get_is(c, "/", "b");
	get_is(c, "/", "to the end");
	get_is(c, "/", "d");
	http_client_free(c);
	fake_stop(&f);
	assert_int_equal(f.connections, 4);
	fake_done(&f);
}

struct bad_server {
	const char *name;
	struct fake_step step;
	int result;
	int64_t timeout_ms;
};

static void
a_bad_server_is_an_error_and_leaves_the_body_alone(void **state)
{
	static const struct bad_server rows[] = {
		{ "closes without a word", { NULL, FAKE_CLOSE }, -ECONNRESET, 10000 },
		{ "closes in the header", { "HTTP/1.1 200 OK\r\nConte", FAKE_CLOSE }, -ECONNRESET,
		    10000 },
		{ "closes in the body",
		    { "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", FAKE_CLOSE }, -ECONNRESET,
		    10000 },
		{ "garbage", { "\x01\x02\x03\n\n", FAKE_CLOSE }, -EPROTO, 10000 },
		{ "says nothing", { NULL, FAKE_STALL }, -ETIMEDOUT, 50 },
		{ "stops in the body",
		    { "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", FAKE_STALL }, -ETIMEDOUT,
		    50 },
	};

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf body = BUF_INIT;
		struct err err = { 0 };
		struct fake_http f;
		struct http_client *c;
		int status = 7, r;

		fake_start(&f, &rows[i].step, 1, false);
		c = http_client_unix(f.path, NULL);
		buf_adds(&body, "before");
		r = http_client_get(c, "/", rows[i].timeout_ms, &status, &body, &err);
		if (r != rows[i].result || status != 7 || !str_eq(body.data, "before") || !*err.msg)
			fail_msg("%s: %d, status %d, body \"%s\": %s", rows[i].name, r, status,
			    body.data, err.msg);
		http_client_free(c);
		buf_done(&body);
		fake_stop(&f);
		fake_done(&f);
	}
}

static void
a_huge_header_is_refused(void **state)
{
	char *answer = xasprintf("HTTP/1.1 200 OK\r\nX: %0100000d\r\n\r\n", 0);
	struct fake_step step = { answer, FAKE_STALL };
	struct fake_http f;
	struct http_client *c;
	struct buf body = BUF_INIT;
	int status;

	fake_start(&f, &step, 1, false);
	c = http_client_unix(f.path, NULL);
	assert_int_equal(http_client_get(c, "/", 10000, &status, &body, NULL), -EPROTO);
	http_client_free(c);
	fake_stop(&f);
	fake_done(&f);
	free(answer);
}

static void
nobody_listening_is_told_with_the_address(void **state)
{
	struct http_client *c = http_client_unix("/nonexistent/vminfod.sock", NULL);
	struct buf body = BUF_INIT;
	struct err err = { 0 };
	int status;

	assert_int_equal(http_client_get(c, "/", 1000, &status, &body, &err), -ENOENT);
	assert_string_equal(err.msg, "connect ENOENT /nonexistent/vminfod.sock");
	http_client_free(c);
	c = http_client_tcp("127.0.0.1", 1, NULL); /* tcpmux: nobody has it */
	assert_int_equal(http_client_get(c, "/", 1000, &status, &body, &err), -ECONNREFUSED);
	assert_string_equal(err.msg, "connect ECONNREFUSED 127.0.0.1:1");
	http_client_free(c);
}

static void
a_path_cannot_smuggle_a_header(void **state)
{
	static const char *const paths[] = { "", "ping", "/a b", "/a\r\nX: y", "/\x7f" };
	struct http_client *c = http_client_unix("/nonexistent", NULL);
	struct buf body = BUF_INIT;
	int status;

	for (unsigned i = 0; i < ARRAY_LEN(paths); i++)
		assert_int_equal(http_client_get(c, paths[i], 1000, &status, &body, NULL), -EINVAL);
	http_client_free(c);
}

#define STREAM "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static void
stream_lines_are_joined_from_any_pieces(void **state)
{
	static const size_t pieces[] = { 0, 1, 3, 7 };
	static const char text[] =
	    STREAM "4\r\none\n\r\n1\r\nt\r\n7\r\nwo\nthre\r\n3\r\ne\n\n\r\n4\r\nlost\r\n";

	for (unsigned i = 0; i < ARRAY_LEN(pieces); i++) {
		static const char *const lines[] = { "one", "two", "three", "" };
		struct fake_step step = { text, FAKE_CLOSE, pieces[i] };
		struct buf line = BUF_INIT;
		struct fake_http f;
		struct http_client *c;
		int status;

		fake_start(&f, &step, 1, false);
		c = http_client_unix(f.path, NULL);
		assert_int_equal(http_client_stream(c, "/events", 10000, &status, NULL), 0);
		assert_int_equal(status, 200);
		for (unsigned k = 0; k < ARRAY_LEN(lines); k++) {
			buf_reset(&line);
			assert_int_equal(http_client_line(c, 10000, &line, NULL), 1);
			assert_string_equal(str_or_empty(line.data), lines[k]);
		}
		assert_int_equal(http_client_line(c, 10000, &line, NULL), -ECONNRESET);
		assert_int_equal(http_client_line(c, 10000, &line, NULL), -ECONNRESET);
		buf_done(&line);
		http_client_free(c);
		fake_stop(&f);
		fake_done(&f);
	}
}

static void
a_quiet_stream_times_out_and_goes_on(void **state)
{
	static const struct fake_step step = { STREAM "5\r\none\nt\r\n", FAKE_STALL };
	struct buf line = BUF_INIT;
	struct fake_http f;
	struct http_client *c;
	int status;

	fake_start(&f, &step, 1, false);
	c = http_client_unix(f.path, NULL);
	assert_int_equal(http_client_stream(c, "/events", 10000, &status, NULL), 0);
	assert_int_equal(http_client_line(c, 10000, &line, NULL), 1);
	assert_int_equal(http_client_line(c, 20, &line, NULL), 0);
	assert_int_equal(http_client_line(c, 0, &line, NULL), 0);
	assert_true(http_client_fd(c) >= 0);
	buf_done(&line);
	http_client_free(c);
	fake_stop(&f);
	fake_done(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_answer_is_read_the_same_wherever_it_is_split),
		cmocka_unit_test(every_answer_is_read_byte_by_byte),
		cmocka_unit_test(endless_headers_are_refused),
		cmocka_unit_test(a_kept_connection_carries_many_requests),
		cmocka_unit_test(a_connection_closed_while_idle_is_opened_again),
		cmocka_unit_test(a_bad_server_is_an_error_and_leaves_the_body_alone),
		cmocka_unit_test(a_huge_header_is_refused),
		cmocka_unit_test(nobody_listening_is_told_with_the_address),
		cmocka_unit_test(a_path_cannot_smuggle_a_header),
		cmocka_unit_test(stream_lines_are_joined_from_any_pieces),
		cmocka_unit_test(a_quiet_stream_times_out_and_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
