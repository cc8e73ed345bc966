#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "unit.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "io/http_path.h"
#include "io/http_server.h"

/* --- Pure rules --- */

static const struct {
	const char *path, *want;
} paths[] = {
	{ "/", "/" },
	{ "/ping", "/ping" },
	{ "//ping", "/ping" },
	{ "/vms/", "/vms" },
	{ "/vms//x/", "/vms/x" },
	{ "/vms/../ping", "/ping" },
	{ "/vms/x/..", "/vms" },
	{ "/./vms/./x", "/vms/x" },
	{ "/../../ping", "/ping" },
	{ "/vms/..", "/" },
	{ "/...", "/..." },
	{ "/..x/.y", "/..x/.y" },
	{ "/vms/%2e%2e/x", "/vms/%2e%2e/x" },
	{ "ping", NULL },
	{ "*", NULL },
	{ "", NULL },
};

static void
paths_are_normalised_as_text(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(paths); i++) {
		auto_free char *got = http_path_normalise(paths[i].path);

		if (!str_eq(got, paths[i].want))
			fail_row(paths[i].path, "got \"%s\"", str_or_empty(got));
	}
}

static const struct {
	const char *host, *bind;
	bool ours;
} hosts[] = {
	{ "127.0.0.1", NULL, true },
	{ "127.0.0.1:9090", NULL, true },
	{ "localhost", NULL, true },
	{ "LocalHost:1", NULL, true },
	{ "[::1]:9090", NULL, true },
	{ "10.0.0.1:9090", "10.0.0.1", true },
	{ "[fd00::1]:9090", "fd00::1", true },
	{ "10.0.0.1:9090", NULL, false },
	{ "10.0.0.1", "127.0.0.1", false },
	{ "evil.example", NULL, false },
	{ "localhost.evil.example", NULL, false },
	{ "127.0.0.1.evil.example:9090", NULL, false },
	{ "127.0.0.1:9090@evil.example", NULL, false },
	{ "localhost:", NULL, true },
	{ "localhost:x", NULL, false },
	{ "", NULL, false },
};

static void
only_names_of_this_host_are_ours(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(hosts); i++) {
		if (http_host_is_ours(hosts[i].host, hosts[i].bind) != hosts[i].ours)
			fail_row(hosts[i].host, "should%s be ours", hosts[i].ours ? "" : " not");
	}
}

static const struct {
	const char *text, *want;
} values[] = {
	{ "a%2Cb", "a,b" },
	{ "a%2cb%", "a,b%" },
	{ "%4", "%4" },
	{ "%zz%41", "%zzA" },
	{ "%00x", "%00x" },
	{ "", "" },
};

static void
query_values_are_decoded(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(values); i++) {
		auto_free char *text = xstrdup(values[i].text);

		if (!str_eq(http_query_decode(text), values[i].want))
			fail_row(values[i].text, "got \"%s\"", text);
	}
}

/* --- A server and its clients in one loop --- */

struct fixture {
	uv_loop_t loop;
	struct http_server *server;
	char *dir;
	int port;
	struct http_request *deferred; /* NULL: none, or gone */
	struct http_stream *stream;
	char feed[64]; /* what the stream gives next */
	bool ended;
	unsigned requests, gone;
};

static ssize_t
on_pull(void *arg, char *data, size_t max)
{
	struct fixture *f = arg;
	size_t len = strlen(f->feed);

	if (f->ended)
		return HTTP_STREAM_END;
	assert_true(len < max);
	memcpy(data, f->feed, len);
	f->feed[0] = '\0';
	return (ssize_t)len;
}

static void
on_stream_gone(void *arg)
{
	struct fixture *f = arg;

	f->stream = NULL;
	f->gone++;
}

static void
on_deferred_gone(void *arg)
{
	struct fixture *f = arg;

	f->deferred = NULL;
	f->gone++;
}

static void
reply_pieces(struct http_request *r)
{
	struct http_piece pieces[65];
	struct http_body *body;
	unsigned i;

	for (i = 0; i < ARRAY_LEN(pieces); i++)
		pieces[i] = (struct http_piece){ "piece ", 6 };
	body = http_body_pieces(pieces, ARRAY_LEN(pieces), NULL, NULL);
	http_reply(r, 200, body);
	http_body_unref(body);
}

static void
handler(void *arg, struct http_request *r)
{
	static const struct http_stream_ops ops = { on_pull, on_stream_gone };
	struct fixture *f = arg;
	const char *path = http_request_path(r);

	f->requests++;
	if (str_eq(path, "/later")) {
		f->deferred = r;
		http_request_defer(r, on_deferred_gone, f);
	} else if (str_eq(path, "/stream")) {
		f->stream = http_reply_stream(r, &ops, f, 65536);
	} else if (str_eq(path, "/pieces")) {
		reply_pieces(r);
	} else if (str_eq(path, "/query")) {
		http_reply_text(r, 200, str_or_empty(http_request_query(r, "a")));
	} else {
		http_reply_text(r, 200, path);
	}
}

static int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct http_server_options o = {
		.handler = handler, .arg = f, .max_connections = 20, .timeout_s = 5
	};
	auto_free char *path = NULL;
	int fd;

	f->dir = unit_dir();
	path = xasprintf("%s/http.sock", f->dir);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(http_server_new(&f->loop, &o, &f->server, NULL), 0);
	fd = fs_unix_listen_path(path, 8, UNIT_OWNER(0600));
	assert_int_equal(http_server_listen(f->server, fd, NULL), 0);
	fd = http_bind_tcp("127.0.0.1", 0, &f->port, NULL);
	assert_int_equal(http_server_listen(f->server, fd, NULL), 0);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	http_server_close(f->server);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	unit_dir_remove(f->dir);
	free(f);
	return 0;
}

static int
connect_unix(struct fixture *f)
{
	auto_free char *path = xasprintf("%s/http.sock", f->dir);
	int fd = fs_unix_connect_path(path);

	assert_true(fd >= 0);
	return fd;
}

static int
connect_tcp(struct fixture *f)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)f->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (void *)&in4, sizeof(in4)), 0);
	return fd;
}

static void
send_text(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

#define GET(path)   "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define DEADLINE_NS INT64_C(10000000000)

/* Let the server run until the condition holds. */
#define run_until(f, condition)                                                                    \
	do {                                                                                       \
		int64_t until_ = clock_mono_ns() + DEADLINE_NS;                                    \
		while (!(condition)) {                                                             \
			assert_true(clock_mono_ns() < until_);                                     \
			(void)uv_run(&(f)->loop, UV_RUN_NOWAIT);                                   \
		}                                                                                  \
	} while (0)

static bool
received(int fd, struct buf *b, const char *text)
{
	char data[4096];
	ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);

	if (n > 0)
		buf_add(b, data, (size_t)n);
	return b->len > 0 && strstr(b->data, text);
}

static bool
is_closed(int fd)
{
	char data[4096];

	return recv(fd, data, sizeof(data), MSG_DONTWAIT) == 0;
}

static void
answers_come_in_order_on_one_connection(void **state)
{
	struct fixture *f = *state;
	auto_close int fd = connect_unix(f);
	auto_buf struct buf b = BUF_INIT;

	send_text(fd, GET("/one") GET("/two") GET("/query?a=%2f&b") GET("/%2e%2e/three"));
	run_until(f, received(fd, &b, "/%2e%2e/three"));
	assert_true(strstr(b.data, "/one") < strstr(b.data, "/two"));
	assert_true(strstr(b.data, "/two") < strstr(b.data, "%2f"));
	assert_non_null(strstr(b.data, "Content-Type: application/json"));
}

static void
pieces_arrive_whole(void **state)
{
	struct fixture *f = *state;
	auto_close int fd = connect_tcp(f);
	auto_buf struct buf b = BUF_INIT;

	send_text(fd, GET("/pieces") GET("/end"));
	run_until(f, received(fd, &b, "/end"));
	assert_non_null(strstr(b.data, "Content-Length: 390"));
}

static void
page_gets_nothing_over_tcp(void **state)
{
	static const char *const headers[] = { "Host: evil.example",
		"Host: localhost\r\nOrigin: http://evil.example",
		"Host: localhost\r\nHost: evil.example",
		"Host: localhost\r\nSec-Fetch-Site: cross-site" };
	struct fixture *f = *state;
	unsigned i;

	for (i = 0; i < ARRAY_LEN(headers); i++) {
		auto_close int fd = connect_tcp(f);
		auto_free char *text = xasprintf("GET /x HTTP/1.1\r\n%s\r\n\r\n", headers[i]);
		auto_buf struct buf b = BUF_INIT;

		send_text(fd, text);
		run_until(f, received(fd, &b, "\r\n\r\n"));
		if (!str_starts(b.data, "HTTP/1.1 403 "))
			fail_row(headers[i], "%s", b.data);
	}
	assert_int_equal(f->requests, 0);
}

static void
deferred_request_is_answered_to_a_half_closed_client(struct fixture *f, int fd)
{
	auto_close int owned = fd;
	auto_buf struct buf b = BUF_INIT;

	send_text(owned, GET("/later"));
	(void)shutdown(owned, SHUT_WR);
	run_until(f, f->deferred);
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	http_reply_text(f->deferred, 200, "at last");
	run_until(f, received(owned, &b, "at last"));
	assert_int_equal(f->gone, 0);
}

static void
half_closed_client_is_answered_over_unix(void **state)
{
	deferred_request_is_answered_to_a_half_closed_client(*state, connect_unix(*state));
}

static void
half_closed_client_is_answered_over_tcp(void **state)
{
	deferred_request_is_answered_to_a_half_closed_client(*state, connect_tcp(*state));
}

static void
client_that_left_takes_its_deferred_request_along(void **state)
{
	struct fixture *f = *state;
	int fd = connect_unix(f);

	send_text(fd, GET("/later"));
	run_until(f, f->deferred);
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	(void)close(fd);
	run_until(f, f->gone == 1);
	run_until(f, http_server_connections(f->server) == 0);
}

static void
feed(struct fixture *f, const char *text)
{
	(void)snprintf(f->feed, sizeof(f->feed), "%s", text);
	http_stream_wake(f->stream);
}

static void
open_stream(struct fixture *f, int fd)
{
	auto_buf struct buf b = BUF_INIT;

	send_text(fd, GET("/stream"));
	run_until(f, received(fd, &b, "\r\n\r\n"));
	assert_non_null(f->stream);
}

static void
sleeping_stream_wakes_up(void **state)
{
	struct fixture *f = *state;
	auto_close int fd = connect_tcp(f);
	auto_buf struct buf b = BUF_INIT;

	open_stream(f, fd);
	feed(f, "first\n");
	run_until(f, received(fd, &b, "first\n"));
	feed(f, "second\n");
	run_until(f, received(fd, &b, "second\n"));
	f->ended = true;
	feed(f, "");
	run_until(f, received(fd, &b, "0\r\n\r\n"));
	assert_int_equal(f->gone, 1);
}

static void
sleeping_reader_that_left_is_noticed(struct fixture *f, int fd)
{
	open_stream(f, fd);
	feed(f, "x");
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	(void)close(fd);
	run_until(f, f->gone == 1);
	run_until(f, http_server_connections(f->server) == 0);
}

static void
reader_that_left_is_noticed_over_unix(void **state)
{
	sleeping_reader_that_left_is_noticed(*state, connect_unix(*state));
}

static void
reader_that_left_is_noticed_over_tcp(void **state)
{
	sleeping_reader_that_left_is_noticed(*state, connect_tcp(*state));
}

static void
half_closed_reader_goes_on_reading(struct fixture *f, int fd)
{
	auto_close int owned = fd;
	auto_buf struct buf b = BUF_INIT;
	unsigned i;

	open_stream(f, owned);
	(void)shutdown(owned, SHUT_WR);
	for (i = 0; i < 100; i++)
		(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->gone, 0);
	feed(f, "still here\n");
	run_until(f, received(owned, &b, "still here\n"));
}

static void
half_closed_reader_goes_on_over_unix(void **state)
{
	half_closed_reader_goes_on_reading(*state, connect_unix(*state));
}

static void
half_closed_reader_goes_on_over_tcp(void **state)
{
	half_closed_reader_goes_on_reading(*state, connect_tcp(*state));
}

static void
cut_stream_ends_at_once(void **state)
{
	struct fixture *f = *state;
	auto_close int fd = connect_unix(f);

	open_stream(f, fd);
	http_stream_cut(f->stream);
	run_until(f, f->gone == 1);
	run_until(f, is_closed(fd));
}

static void
closing_the_server_ends_streams_and_deferred_requests(void **state)
{
	struct fixture *f = *state;
	auto_close int stream = connect_unix(f);
	auto_close int later = connect_tcp(f);
	auto_buf struct buf b = BUF_INIT;
	uv_loop_t *loop = &f->loop;

	open_stream(f, stream);
	send_text(later, GET("/later"));
	run_until(f, f->deferred);
	http_server_close(f->server);
	f->server = NULL;
	assert_int_equal(f->gone, 2);
	assert_true(received(stream, &b, "0\r\n\r\n"));
	(void)uv_run(loop, UV_RUN_DEFAULT);
}

static void
client_beyond_the_limit_is_served_after_a_close(void **state)
{
	struct fixture *f = *state;
	auto_buf struct buf b = BUF_INIT;
	int fds[21];
	unsigned i;

	for (i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = connect_unix(f);
		if (i < 20)
			open_stream(f, fds[i]);
	}
	send_text(fds[20], GET("/waits"));
	(void)close(fds[0]);
	run_until(f, received(fds[20], &b, "/waits"));
	for (i = 1; i < ARRAY_LEN(fds); i++)
		(void)close(fds[i]);
}

#define server_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_normalised_as_text),
		cmocka_unit_test(only_names_of_this_host_are_ours),
		cmocka_unit_test(query_values_are_decoded),
		server_test(answers_come_in_order_on_one_connection),
		server_test(pieces_arrive_whole),
		server_test(page_gets_nothing_over_tcp),
		server_test(half_closed_client_is_answered_over_unix),
		server_test(half_closed_client_is_answered_over_tcp),
		server_test(client_that_left_takes_its_deferred_request_along),
		server_test(sleeping_stream_wakes_up),
		server_test(reader_that_left_is_noticed_over_unix),
		server_test(reader_that_left_is_noticed_over_tcp),
		server_test(half_closed_reader_goes_on_over_unix),
		server_test(half_closed_reader_goes_on_over_tcp),
		server_test(cut_stream_ends_at_once),
		server_test(closing_the_server_ends_streams_and_deferred_requests),
		server_test(client_beyond_the_limit_is_served_after_a_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
