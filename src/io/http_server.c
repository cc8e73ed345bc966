/*
 * libmicrohttpd in external epoll mode. One handle watches each instance's epoll set, one timer its
 * next time-out; both only mark the instance, and the work is done in one prepare callback, just
 * before the loop sleeps. Rules of the library that were found by trying:
 *  - resuming a connection wakes nobody: the instance must be marked (http_request.c);
 *  - at the connection limit, and without descriptors, the listening socket comes back only at the
 * start of a later run, so a closed connection marks the instance too;
 *  - while a connection is suspended the library notices nothing about it: one epoll set of our own
 * sees who left. close() and half-close look the same over TCP, so the kernel is asked whether
 * somebody still holds the peer's socket, and again each second, because close() sends its packet
 * before it lets go of the socket;
 *  - its time-out is about inactivity, so the arrival of a request has a deadline of ours;
 *  - stopping with a suspended connection aborts the process.
 */
#include "io/http_server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "io/http_internal.h"

#define CONNECTION_MEMORY 8192u
#define BACKLOG           1024
#define RUNS_PER_TURN     16
#define LEAVERS_PER_TURN  64

__attribute__((format(printf, 2, 0))) static void
library_log(void *cls, const char *fmt, va_list ap)
{
	char text[256];
	size_t len;

	(void)cls;
	if (!log_enabled(LOG_DEBUG))
		return;
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	len = strlen(text);
	if (len > 0 && text[len - 1] == '\n')
		text[len - 1] = '\0';
	log_debug("http library", LS("text", text));
}

/* Paths and values are given as received. */
static size_t
keep_escapes(void *cls, struct MHD_Connection *c, char *s)
{
	(void)cls;
	(void)c;
	return strlen(s);
}

/* --- Connections --- */

static int64_t
timeout_ns(const struct http_server *s)
{
	return (int64_t)s->options.timeout_s * 1000000000;
}

static void
conn_started(struct http_listener *l, struct MHD_Connection *c, void **context)
{
	struct http_server *s = l->server;
	struct http_conn *conn = xcalloc(1, sizeof(*conn));
	struct epoll_event ev = { .events = EPOLLRDHUP | EPOLLET, .data.ptr = conn };

	conn->listener = l;
	conn->mhd = c;
	conn->fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	conn->deadline_ns = clock_mono_ns() + timeout_ns(s);
	peer_of(s->diag_fd, conn->fd, &conn->peer);
	(void)epoll_ctl(s->watch_fd, EPOLL_CTL_ADD, conn->fd, &ev);
	TAILQ_INSERT_TAIL(&s->conns, conn, entry);
	s->n_conns++;
	*context = conn;
}

static void
conn_closed(struct http_conn *conn)
{
	struct http_server *s = conn->listener->server;

	(void)epoll_ctl(s->watch_fd, EPOLL_CTL_DEL, conn->fd, NULL);
	TAILQ_REMOVE(&s->conns, conn, entry);
	s->n_conns--;
	conn->listener->ready = true;
	free(conn);
}

static void
on_connection(
    void *cls, struct MHD_Connection *c, void **context, enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		conn_started(cls, c, context);
	else if (*context)
		conn_closed(*context);
}

static void
conn_cut(struct http_conn *conn)
{
	conn->gone = true;
	conn->deadline_ns = 0;
	(void)shutdown(conn->fd, SHUT_RDWR);
	(void)MHD_set_connection_option(conn->mhd, MHD_CONNECTION_OPTION_TIMEOUT, 1u);
	conn->listener->ready = true;
	http_conn_wake(conn);
}

static void
conn_mark_gone(struct http_conn *conn)
{
	conn->gone = true;
	conn->listener->ready = true;
	http_conn_wake(conn);
}

static bool
is_stream(const struct http_conn *conn)
{
	return conn->request && conn->request->stream.ops;
}

static void
check_half_closed(struct http_conn *conn)
{
	struct http_server *s = conn->listener->server;

	if (is_stream(conn) && !conn->listener->local && peer_is_gone(s->diag_fd, conn->fd))
		conn_mark_gone(conn);
}

static void
conn_left(struct http_conn *conn, uint32_t events)
{
	if (events & (EPOLLHUP | EPOLLERR)) {
		conn_mark_gone(conn);
		return;
	}
	conn->half_closed = true;
	if (is_stream(conn))
		check_half_closed(conn);
	else
		(void)MHD_set_connection_option(conn->mhd, MHD_CONNECTION_OPTION_TIMEOUT, 1u);
	conn->listener->ready = true;
}

/* Only marks: connections are freed by MHD_run() alone, so no pointer of the batch is stale. */
static void
on_leavers(uv_poll_t *handle, int status, int events)
{
	struct http_server *s = handle->data;
	struct epoll_event ev[LEAVERS_PER_TURN];
	int i, n;

	(void)status;
	(void)events;
	n = epoll_wait(s->watch_fd, ev, LEAVERS_PER_TURN, 0);
	for (i = 0; i < n; i++)
		conn_left(ev[i].data.ptr, ev[i].events);
}

static void
on_sweep(uv_timer_t *timer)
{
	struct http_server *s = timer->data;
	int64_t now = clock_mono_ns();
	struct http_conn *conn;

	TAILQ_FOREACH (conn, &s->conns, entry) {
		if (conn->deadline_ns > 0 && now > conn->deadline_ns)
			conn_cut(conn);
		else if (conn->half_closed && !conn->gone)
			check_half_closed(conn);
	}
}

/* --- The loop --- */

static void
on_readable(uv_poll_t *handle, int status, int events)
{
	struct http_listener *l = handle->data;

	(void)status;
	(void)events;
	l->ready = true;
}

static void
on_timer(uv_timer_t *timer)
{
	struct http_listener *l = timer->data;

	l->ready = true;
}

/* A resumed connection needs two runs, to fill and to write, and one chunk is written per run. */
static void
listener_run(struct http_listener *l)
{
	MHD_UNSIGNED_LONG_LONG ms = 0;
	unsigned n = 0;
	bool busy;

	do {
		l->ready = false;
		(void)MHD_run(l->daemon);
		busy = MHD_get_timeout(l->daemon, &ms) == MHD_YES;
		if (l->ready) {
			busy = true;
			ms = 0;
		}
	} while (busy && ms == 0 && ++n < RUNS_PER_TURN);
	if (l->server->closing)
		return;
	if (busy)
		(void)uv_timer_start(&l->timer, on_timer, ms, 0);
	else
		(void)uv_timer_stop(&l->timer);
}

static void
on_prepare(uv_prepare_t *prepare)
{
	struct http_server *s = prepare->data;
	unsigned i;

	for (i = 0; i < s->n; i++) {
		if (s->listeners[i]->ready)
			listener_run(s->listeners[i]);
	}
	if (s->n_conns > 0 && !uv_is_active((uv_handle_t *)&s->sweep))
		(void)uv_timer_start(&s->sweep, on_sweep, 1000, 1000);
	else if (s->n_conns == 0)
		(void)uv_timer_stop(&s->sweep);
}

/* --- Start --- */

static int
server_handles(struct http_server *s)
{
	int r = uv_poll_init(s->loop, &s->watch, s->watch_fd);

	if (r < 0)
		return r;
	(void)uv_prepare_init(s->loop, &s->prepare);
	(void)uv_timer_init(s->loop, &s->sweep);
	s->watch.data = s->prepare.data = s->sweep.data = s;
	s->handles = 3;
	(void)uv_poll_start(&s->watch, UV_READABLE, on_leavers);
	(void)uv_prepare_start(&s->prepare, on_prepare);
	return 0;
}

int
http_server_new(
    uv_loop_t *loop, const struct http_server_options *o, struct http_server **ret, struct err *err)
{
	auto_close int diag_fd = peer_diag_open(err);
	auto_close int watch_fd = epoll_create1(EPOLL_CLOEXEC);
	struct http_server *s;
	int r;

	if (diag_fd < 0)
		return diag_fd;
	if (watch_fd < 0)
		return err_errno(err, -errno, "epoll", "cannot make an epoll set");
	s = xcalloc(1, sizeof(*s));
	s->loop = loop;
	s->options = *o;
	s->watch_fd = watch_fd;
	s->diag_fd = diag_fd;
	TAILQ_INIT(&s->conns);
	r = server_handles(s);
	if (r < 0) {
		free(s);
		return err_errno(err, r, "epoll", "cannot watch connections");
	}
	(void)take_fd(&diag_fd);
	(void)take_fd(&watch_fd);
	*ret = s;
	return 0;
}

static int
resolve(const char *bind_to, int port, struct addrinfo **ret, struct err *err)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM };
	char service[16];
	int r;

	(void)snprintf(service, sizeof(service), "%d", port);
	r = getaddrinfo(bind_to, service, &hints, ret);
	if (r != 0)
		return err_set(err, -EINVAL, "bind", "\"%s\" is not a numeric address: %s", bind_to,
		    gai_strerror(r));
	return 0;
}

static int
port_of(int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return 0;
	/* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): getsockname has filled it */
	return ntohs(ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port
	                                      : ((struct sockaddr_in *)&ss)->sin_port);
}

int
http_bind_tcp(const char *bind_to, int port, int *ret_port, struct err *err)
{
	struct addrinfo *ai = NULL;
	auto_close int fd = -1;
	int one = 1, r;

	r = resolve(bind_to, port, &ai, err);
	if (r < 0)
		return r;
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		r = -errno;
	if (r == 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (r == 0 && bind(fd, ai->ai_addr, ai->ai_addrlen) < 0)
		r = -errno;
	freeaddrinfo(ai);
	if (r < 0)
		return err_errno(err, r, "bind", "cannot use %s port %d", bind_to, port);
	*ret_port = port_of(fd);
	return take_fd(&fd);
}

static struct MHD_Daemon *
daemon_start(struct http_listener *l, int fd)
{
	const struct http_server_options *o = &l->server->options;

	return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME, 0,
	    NULL, NULL, http_on_request, l, MHD_OPTION_EXTERNAL_LOGGER, library_log, NULL,
	    MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_LIMIT, o->max_connections,
	    MHD_OPTION_CONNECTION_TIMEOUT, o->timeout_s, MHD_OPTION_NOTIFY_CONNECTION,
	    on_connection, l, MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, l,
	    MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_END);
}

static bool
is_local(int fd)
{
	int domain = AF_UNSPEC;
	socklen_t len = sizeof(domain);

	(void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	return domain == AF_UNIX;
}

int
http_server_listen(struct http_server *s, int fd, struct err *err)
{
	auto_close int owned = fd;
	struct http_listener *l;
	int epfd;

	assert(s->n < HTTP_LISTENERS_MAX);
	if (listen(fd, BACKLOG) < 0)
		return err_errno(err, -errno, "listen", "cannot listen");
	l = xcalloc(1, sizeof(*l));
	l->server = s;
	l->local = is_local(fd);
	l->daemon = daemon_start(l, fd);
	if (!l->daemon) {
		free(l);
		return err_set(err, -EIO, "listen", "the HTTP library did not start");
	}
	(void)take_fd(&owned);
	epfd = MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	(void)uv_poll_init(s->loop, &l->poll, epfd);
	(void)uv_timer_init(s->loop, &l->timer);
	l->poll.data = l->timer.data = l;
	s->handles += 2;
	(void)uv_poll_start(&l->poll, UV_READABLE, on_readable);
	l->ready = true;
	s->listeners[s->n++] = l;
	return 0;
}

unsigned
http_server_connections(const struct http_server *s)
{
	return s->n_conns;
}

/* --- Stop --- */

static void
on_handle_closed(uv_handle_t *handle)
{
	struct http_server *s = handle->data;
	unsigned i;

	if (handle->type != UV_PREPARE && handle != (uv_handle_t *)&s->sweep &&
	    handle != (uv_handle_t *)&s->watch)
		s = ((struct http_listener *)handle->data)->server;
	if (--s->handles > 0)
		return;
	for (i = 0; i < s->n; i++)
		free(s->listeners[i]);
	(void)close(s->watch_fd);
	(void)close(s->diag_fd);
	free(s);
}

static void
listener_close(struct http_listener *l)
{
	uv_close((uv_handle_t *)&l->poll, on_handle_closed);
	uv_close((uv_handle_t *)&l->timer, on_handle_closed);
	MHD_stop_daemon(l->daemon);
}

void
http_server_close(struct http_server *s)
{
	struct http_conn *conn;
	unsigned i;

	if (!s)
		return;
	s->closing = true;
	TAILQ_FOREACH (conn, &s->conns, entry)
		http_conn_wake(conn);
	for (i = 0; i < s->n; i++)
		listener_run(s->listeners[i]);
	uv_close((uv_handle_t *)&s->prepare, on_handle_closed);
	uv_close((uv_handle_t *)&s->sweep, on_handle_closed);
	uv_close((uv_handle_t *)&s->watch, on_handle_closed);
	for (i = 0; i < s->n; i++)
		listener_close(s->listeners[i]);
}
