#include "io/http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "io/http_parser.h"

#define READ_SIZE (64u << 10)

struct http_client {
	char *path; /* Unix socket; NULL: TCP */
	char *host;
	int port;
	char *user_agent;
	int fd; /* -1: not connected */
	struct http_parser *parser;
	struct buf in; /* one read */
	/* Streams: body bytes, of which `taken` were given out and `seen` hold no newline. */
	bool streaming;
	bool ended;
	struct buf body;
	size_t taken, seen;
};

/* Names of users and programs end up here: nothing of them may end the header line. */
static char *
header_text(const char *s)
{
	char *copy = xstrdup(s);

	for (char *p = copy; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	return copy;
}

static struct http_client *
client_new(const char *user_agent)
{
	struct http_client *c = xcalloc(1, sizeof(*c));

	c->fd = -1;
	c->user_agent = header_text(user_agent ? user_agent : "vmnode");
	c->parser = http_parser_new();
	return c;
}

struct http_client *
http_client_unix(const char *host_path, const char *user_agent)
{
	struct http_client *c = client_new(user_agent);

	c->path = xstrdup(host_path);
	return c;
}

struct http_client *
http_client_tcp(const char *host, int port, const char *user_agent)
{
	struct http_client *c = client_new(user_agent);

	c->host = header_text(host);
	c->port = port;
	return c;
}

static void
disconnect(struct http_client *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
}

void
http_client_free(struct http_client *c)
{
	if (!c)
		return;
	disconnect(c);
	http_parser_free(c->parser);
	buf_done(&c->in);
	buf_done(&c->body);
	free(c->path);
	free(c->host);
	free(c->user_agent);
	free(c);
}

/* --- Waiting. A deadline is in ns of the monotonic clock; -1: none. --- */

static int64_t
deadline_of(int64_t timeout_ms)
{
	return timeout_ms < 0 ? -1 : clock_mono_ns() + timeout_ms * 1000000;
}

/* 1 when ready (or broken, which the next call on the socket tells), 0 at the deadline. */
static int
wait_until(int fd, short events, int64_t deadline)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		int64_t left_ms = -1;
		int r;

		if (deadline >= 0) {
			left_ms = (deadline - clock_mono_ns() + 999999) / 1000000;
			if (left_ms < 0)
				left_ms = 0;
			if (left_ms > 3600000)
				left_ms = 3600000;
		}
		r = poll(&p, 1, (int)left_ms);
		if (r > 0)
			return 1;
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r == 0 && (deadline < 0 || clock_mono_ns() >= deadline))
			return 0;
	}
}

/* --- Connecting. Sentences are those of the reference's clients: "connect ECONNREFUSED
 * 127.0.0.1:9090". --- */

static int
connect_failed(struct err *err, int code, const char *address)
{
	const char *name = strerrorname_np(-code);

	return err_set(
	    err, code, "connect", "connect %s %s", name ? name : strerror(-code), address);
}

static int
connect_address(const struct addrinfo *a, int64_t deadline, struct err *err)
{
	auto_close int fd = -1;
	char host[INET6_ADDRSTRLEN + 8] = "?", port[8] = "?", address[80];
	int error = 0, r;
	socklen_t len = sizeof(error);

	(void)getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof(host), port, sizeof(port),
	    NI_NUMERICHOST | NI_NUMERICSERV);
	(void)snprintf(address, sizeof(address), "%s:%s", host, port);
	fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return connect_failed(err, -errno, address);
	if (connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
		if (errno != EINPROGRESS)
			return connect_failed(err, -errno, address);
		r = wait_until(fd, POLLOUT, deadline);
		if (r <= 0)
			return connect_failed(err, r < 0 ? r : -ETIMEDOUT, address);
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
			error = errno;
		if (error != 0)
			return connect_failed(err, -error, address);
	}
	return take_fd(&fd);
}

static int
connect_tcp(const struct http_client *c, int64_t deadline, struct err *err)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	char port[16];
	int r;

	(void)snprintf(port, sizeof(port), "%d", c->port);
	/* Numbers first: they need no name service. */
	hints.ai_flags = AI_NUMERICSERV | AI_NUMERICHOST;
	if (getaddrinfo(c->host, port, &hints, &list) != 0) {
		hints.ai_flags = AI_NUMERICSERV;
		r = getaddrinfo(c->host, port, &hints, &list);
		if (r != 0)
			return err_set(
			    err, -EHOSTUNREACH, "connect", "%s: %s", c->host, gai_strerror(r));
	}
	r = -EHOSTUNREACH;
	for (const struct addrinfo *a = list; a && r < 0; a = a->ai_next)
		r = connect_address(a, deadline, err);
	freeaddrinfo(list);
	return r;
}

static int
connect_server(struct http_client *c, int64_t deadline, struct err *err)
{
	int fd;

	if (!c->path) {
		fd = connect_tcp(c, deadline, err);
	} else {
		fd = fs_unix_connect_path(c->path);
		if (fd < 0)
			return connect_failed(err, fd, c->path);
	}
	if (fd < 0)
		return fd;
	c->fd = fd;
	return 0;
}

/* --- One request --- */

static int
timed_out(struct err *err, int64_t timeout_ms)
{
	return err_set(err, -ETIMEDOUT, "http", "no answer: timeout of %lld ms exceeded",
	    (long long)timeout_ms);
}

static int
send_request(
    struct http_client *c, const char *path, int64_t deadline, int64_t timeout_ms, struct err *err)
{
	auto_buf struct buf b = BUF_INIT;
	bool six = c->host && strchr(c->host, ':');

	buf_addf(&b, "GET %s HTTP/1.1\r\n", path);
	if (c->path)
		buf_adds(&b, "Host: localhost\r\n");
	else
		buf_addf(
		    &b, "Host: %s%s%s:%d\r\n", six ? "[" : "", c->host, six ? "]" : "", c->port);
	buf_addf(&b, "User-Agent: %s\r\nAccept: application/json\r\n\r\n", c->user_agent);
	for (size_t done = 0; done < b.len;) {
		ssize_t n = send(c->fd, b.data + done, b.len - done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			done += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EPIPE || errno == ECONNRESET)
			return err_set(err, -ECONNRESET, "http", "the connection was closed");
		if (errno != EAGAIN)
			return err_errno(err, -errno, "http", "cannot send");
		if (wait_until(c->fd, POLLOUT, deadline) == 0)
			return timed_out(err, timeout_ms);
	}
	return 0;
}

/*
 * One read, fed to the parser. 1: the answer is complete, 0: more to come, -EAGAIN: nothing there
 * now, other negative: the connection is of no further use.
 */
static int
receive(struct http_client *c, int *status, struct buf *body, struct err *err)
{
	ssize_t n;

	buf_reset(&c->in);
	buf_reserve(&c->in, READ_SIZE);
	do
		n = recv(c->fd, c->in.data, READ_SIZE, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return http_parser_feed(c->parser, c->in.data, (size_t)n, status, body, err);
	if (n == 0)
		return http_parser_eof(c->parser, err);
	if (errno == EAGAIN)
		return -EAGAIN;
	return err_errno(err, -errno, "http", "the connection broke");
}

/* Receive until `done` says so: the whole answer, or the header of a stream. */
static int
exchange(struct http_client *c, const char *path, int64_t deadline, int64_t timeout_ms, int *status,
    struct buf *body, struct err *err)
{
	int r = send_request(c, path, deadline, timeout_ms, err);

	while (r == 0 || r == -EAGAIN) {
		if (r == -EAGAIN || *status == 0) {
			int w = wait_until(c->fd, POLLIN, deadline);

			if (w < 0)
				return err_errno(err, w, "http", "cannot wait for the answer");
			if (w == 0)
				return timed_out(err, timeout_ms);
		}
		r = receive(c, status, body, err);
		if (r >= 0 && c->streaming && *status != 0)
			return r;
		/* An endless answer must not outrun the deadline. */
		if (r == 0 && deadline >= 0 && clock_mono_ns() >= deadline)
			return timed_out(err, timeout_ms);
	}
	return r;
}

static void
truncate_body(struct buf *body, size_t len)
{
	if (body->len > len) {
		body->len = len;
		body->data[len] = '\0';
	}
}

/* A path goes into the request line as it is. */
static bool
path_is_sound(const char *path)
{
	if (*path != '/')
		return false;
	for (; *path; path++)
		if ((unsigned char)*path <= ' ' || *path == 0x7f)
			return false;
	return true;
}

static int
request(struct http_client *c, const char *path, int64_t timeout_ms, int *status, struct buf *body,
    struct err *err)
{
	int64_t deadline = deadline_of(timeout_ms);
	size_t before = body->len;

	if (!path_is_sound(path))
		return err_set(err, -EINVAL, "http", "not a request path: %s", path);
	for (;;) {
		bool kept = c->fd >= 0;
		int r = kept ? 0 : connect_server(c, deadline, err);

		if (r < 0)
			return r;
		http_parser_reset(c->parser);
		*status = 0;
		r = exchange(c, path, deadline, timeout_ms, status, body, err);
		if (r >= 0)
			return r;
		truncate_body(body, before);
		disconnect(c);
		/* The server may close an idle connection at any time; a GET may be repeated. */
		if (!kept || r != -ECONNRESET || http_parser_begun(c->parser))
			return r;
	}
}

int
http_client_get(struct http_client *c, const char *path, int64_t timeout_ms, int *ret_status,
    struct buf *body, struct err *err)
{
	int status, r;

	if (c->streaming)
		return err_set(err, -EBUSY, "http", "this connection is a stream");
	r = request(c, path, timeout_ms, &status, body, err);
	if (r < 0)
		return r;
	if (!http_parser_keeps_alive(c->parser))
		disconnect(c);
	*ret_status = status;
	return 0;
}

/* --- Streams --- */

int
http_client_stream(
    struct http_client *c, const char *path, int64_t timeout_ms, int *ret_status, struct err *err)
{
	int status, r;

	disconnect(c);
	buf_reset(&c->body);
	c->taken = c->seen = 0;
	c->streaming = true;
	r = request(c, path, timeout_ms, &status, &c->body, err);
	c->streaming = r >= 0;
	if (r < 0)
		return r;
	c->ended = r == 1;
	*ret_status = status;
	return 0;
}

/* The next whole line of what is buffered. */
static bool
take_line(struct http_client *c, struct buf *line)
{
	size_t from = c->taken + c->seen;
	const char *nl =
	    c->body.len > from ? memchr(c->body.data + from, '\n', c->body.len - from) : NULL;

	if (!nl) {
		c->seen = c->body.len - c->taken;
		return false;
	}
	buf_add(line, c->body.data + c->taken, (size_t)(nl - c->body.data) - c->taken);
	c->taken = (size_t)(nl - c->body.data) + 1;
	c->seen = 0;
	return true;
}

/* Room for more: what was given out goes. */
static void
forget_taken(struct http_client *c)
{
	if (c->taken == 0)
		return;
	if (c->taken == c->body.len && c->body.cap > 4 * READ_SIZE)
		buf_done(&c->body); /* the first line is a snapshot of the whole host */
	else
		buf_drop(&c->body, c->taken);
	c->taken = 0;
}

int
http_client_line(struct http_client *c, int64_t timeout_ms, struct buf *line, struct err *err)
{
	int64_t deadline = deadline_of(timeout_ms);
	int status, r;

	if (!c->streaming)
		return err_set(err, -ENOTCONN, "http", "no stream is open");
	while (!take_line(c, line)) {
		if (c->ended)
			return err_set(err, -ECONNRESET, "http", "the stream ended");
		forget_taken(c);
		r = receive(c, &status, &c->body, err);
		if (r == -EAGAIN) {
			r = wait_until(c->fd, POLLIN, deadline);
			if (r == 0)
				return 0;
			r = r > 0 ? 0 : err_errno(err, r, "http", "cannot wait for the stream");
		}
		if (r != 0)
			c->ended = true;
		if (r < 0 && r != -ECONNRESET)
			return r;
	}
	return 1;
}

int
http_client_fd(const struct http_client *c)
{
	return c->fd;
}
