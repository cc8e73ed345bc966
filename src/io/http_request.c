#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "io/http_internal.h"
#include "io/http_path.h"

/* Only HTTP/1.0 clients use it; it is allocated per stream. */
#define STREAM_BLOCK_SIZE 1024

struct http_body {
	struct MHD_Response *response;
	unsigned refs;
};

/* --- Bodies --- */

static struct http_body *
body_of(struct MHD_Response *response)
{
	struct http_body *b = xmalloc(sizeof(*b));

	if (!response)
		abort(); /* out of memory is the only cause left */
	*b = (struct http_body){ .response = response, .refs = 1 };
	http_body_header(b, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	return b;
}

struct http_body *
http_body_new(const void *data, size_t len, void (*release)(void *arg), void *arg)
{
	/* The library never writes to it. */
	void *bytes = (void *)(uintptr_t)data;

	return body_of(
	    MHD_create_response_from_buffer_with_free_callback_cls(len, bytes, release, arg));
}

struct http_body *
http_body_take(char *data, size_t len)
{
	return http_body_new(data, len, free, data);
}

struct http_body *
http_body_copy(const void *data, size_t len)
{
	return http_body_take(xmemdup(data, len), len);
}

struct http_body *
http_body_pieces(const struct http_piece *pieces, unsigned n, void (*release)(void *arg), void *arg)
{
	struct MHD_IoVec iov[HTTP_BODY_PIECES];
	unsigned i;

	assert(n > 0 && n <= HTTP_BODY_PIECES);
	for (i = 0; i < n; i++)
		iov[i] = (struct MHD_IoVec){ .iov_base = pieces[i].data, .iov_len = pieces[i].len };
	return body_of(MHD_create_response_from_iovec(iov, n, release, arg));
}

void
http_body_header(struct http_body *b, const char *name, const char *value)
{
	const char *old = MHD_get_response_header(b->response, name);

	if (old)
		(void)MHD_del_response_header(b->response, name, old);
	(void)MHD_add_response_header(b->response, name, value);
}

static struct http_body *
body_ref(struct http_body *b)
{
	b->refs++;
	return b;
}

void
http_body_unref(struct http_body *b)
{
	if (!b || --b->refs > 0)
		return;
	MHD_destroy_response(b->response); /* lives on while it is being sent */
	free(b);
}

/* --- What was asked --- */

const char *
http_request_method(const struct http_request *r)
{
	return r->method;
}

const char *
http_request_path(const struct http_request *r)
{
	return r->path;
}

const char *
http_request_query(const struct http_request *r, const char *name)
{
	const char *value = NULL;

	if (MHD_lookup_connection_value_n(
	        r->conn->mhd, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, NULL) != MHD_YES)
		return NULL;
	return str_or_empty(value);
}

const char *
http_request_header(const struct http_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->conn->mhd, MHD_HEADER_KIND, name);
}

const struct peer *
http_request_peer(const struct http_request *r)
{
	return &r->conn->peer;
}

/* --- Who may ask --- */

static bool
is_our_host(const struct http_server *s, const char *value)
{
	return http_host_is_ours(value, s->options.bind);
}

static bool
is_refused(const struct http_server *s, const char *value)
{
	(void)s;
	(void)value;
	return false;
}

static bool
is_typed_by_user(const struct http_server *s, const char *value)
{
	(void)s;
	return strcasecmp(value, "none") == 0;
}

/* Headers that tell a web page from a program; every occurrence is looked at. */
static const struct guard {
	const char *name;
	bool (*accept)(const struct http_server *s, const char *value);
} guards[] = {
	{ "Host", is_our_host },
	{ "Origin", is_refused },
	{ "Sec-Fetch-Site", is_typed_by_user },
};

struct guard_walk {
	const struct http_server *server;
	bool refused;
};

static enum MHD_Result
guard_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct guard_walk *w = cls;
	unsigned i;

	(void)kind;
	for (i = 0; i < ARRAY_LEN(guards); i++) {
		if (strcasecmp(name, guards[i].name) == 0 &&
		    !guards[i].accept(w->server, str_or_empty(value)))
			w->refused = true;
	}
	return w->refused ? MHD_NO : MHD_YES;
}

static bool
is_from_page(struct http_conn *conn)
{
	struct guard_walk w = { .server = conn->listener->server };

	if (conn->listener->local)
		return false;
	(void)MHD_get_connection_values(conn->mhd, MHD_HEADER_KIND, guard_header, &w);
	return w.refused;
}

/* --- Life of a request --- */

static struct http_request *
request_new(struct http_conn *conn, const char *path, const char *method)
{
	struct http_request *r = xcalloc(1, sizeof(*r));

	r->conn = conn;
	r->path = path;
	r->method = method;
	conn->request = r;
	return r;
}

static enum MHD_Result
queue_answer(struct http_request *r)
{
	r->state = REQUEST_QUEUED;
	return MHD_queue_response(r->conn->mhd, r->status, r->body->response);
}

static enum MHD_Result
handle(struct http_request *r)
{
	struct http_server *s = r->conn->listener->server;

	r->conn->deadline_ns = 0;
	r->state = REQUEST_HANDLING;
	if (is_from_page(r->conn))
		http_reply_text(r, MHD_HTTP_FORBIDDEN,
		    "{\"code\":\"Forbidden\",\"message\":\"requests of web pages are refused\"}");
	else
		s->options.handler(s->options.arg, r);
	assert(r->state != REQUEST_HANDLING);
	return r->state == REQUEST_ANSWERED ? queue_answer(r) : MHD_YES;
}

/*
 * Called first with the header (only the context may be set then, or the connection is closed after
 * the answer), then for each part of the body, then without one. A request answered later is
 * suspended in the call after that: the library would drop a client that half-closed if it was
 * suspended by the call that handled it.
 */
enum MHD_Result
http_on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method,
    const char *version, const char *upload, size_t *upload_size, void **context)
{
	struct http_request *r = *context;

	(void)cls;
	(void)version;
	(void)upload;
	if (!r) {
		const union MHD_ConnectionInfo *info =
		    MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

		*context = request_new(info->socket_context, url, method);
		return MHD_YES;
	}
	if (*upload_size > 0) {
		*upload_size = 0;
		return MHD_YES;
	}
	if (r->state == REQUEST_ARRIVING)
		return handle(r);
	if (r->state == REQUEST_ANSWERED)
		return queue_answer(r);
	if (r->state == REQUEST_DEFERRED && !r->conn->gone && !r->conn->listener->server->closing) {
		r->state = REQUEST_SUSPENDED;
		MHD_suspend_connection(c);
		return MHD_YES;
	}
	return MHD_NO; /* woken without an answer: the peer is gone or we stop */
}

void
http_on_completed(
    void *cls, struct MHD_Connection *c, void **context, enum MHD_RequestTerminationCode code)
{
	struct http_request *r = *context;

	(void)cls;
	(void)c;
	(void)code;
	if (!r)
		return;
	*context = NULL;
	r->conn->request = NULL;
	r->conn->deadline_ns =
	    clock_mono_ns() + (int64_t)r->conn->listener->server->options.timeout_s * 1000000000;
	if (r->stream.ops)
		r->stream.ops->gone(r->stream.arg);
	else if (r->on_gone)
		r->on_gone(r->gone_arg);
	http_body_unref(r->body);
	free(r);
}

/* In external mode a resumed connection wakes nobody: the instance must be run. */
static void
resume(struct http_conn *conn)
{
	MHD_resume_connection(conn->mhd);
	conn->listener->ready = true;
}

void
http_conn_wake(struct http_conn *conn)
{
	struct http_request *r = conn->request;

	if (!r)
		return;
	if (r->stream.ops) {
		http_stream_wake(&r->stream);
	} else if (r->state == REQUEST_SUSPENDED) {
		r->state = REQUEST_DEFERRED;
		resume(conn);
	}
}

void
http_reply(struct http_request *r, unsigned status, struct http_body *body)
{
	bool suspended = r->state == REQUEST_SUSPENDED;

	assert(r->state == REQUEST_HANDLING || r->state == REQUEST_DEFERRED || suspended);
	r->status = status;
	r->body = body_ref(body);
	r->on_gone = NULL;
	r->state = REQUEST_ANSWERED;
	if (suspended)
		resume(r->conn);
}

void
http_reply_text(struct http_request *r, unsigned status, const char *text)
{
	struct http_body *body = http_body_copy(text, strlen(text));

	http_reply(r, status, body);
	http_body_unref(body);
}

void
http_request_defer(struct http_request *r, void (*gone)(void *arg), void *arg)
{
	assert(r->state == REQUEST_HANDLING);
	r->state = REQUEST_DEFERRED;
	r->on_gone = gone;
	r->gone_arg = arg;
}

/* --- Streams --- */

static ssize_t
on_pull(void *cls, uint64_t pos, char *data, size_t max)
{
	struct http_request *r = cls;
	ssize_t n;

	(void)pos;
	if (r->conn->gone)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (r->conn->listener->server->closing)
		return MHD_CONTENT_READER_END_OF_STREAM;
	n = r->stream.ops->pull(r->stream.arg, data, max);
	if (n == HTTP_STREAM_END)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (n < 0)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (n == 0) { /* without this the library would ask again at once, for ever */
		r->stream.suspended = true;
		MHD_suspend_connection(r->conn->mhd);
	}
	return n;
}

struct http_stream *
http_reply_stream(struct http_request *r, const struct http_stream_ops *ops, void *arg, int sndbuf)
{
	struct http_conn *conn = r->conn;
	struct MHD_Response *response = MHD_create_response_from_callback(
	    MHD_SIZE_UNKNOWN, STREAM_BLOCK_SIZE, on_pull, r, NULL);

	assert(r->state == REQUEST_HANDLING);
	r->stream = (struct http_stream){ .ops = ops, .arg = arg };
	r->body = body_of(response);
	r->status = MHD_HTTP_OK;
	r->state = REQUEST_ANSWERED;
	if (sndbuf > 0)
		(void)setsockopt(conn->fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	(void)MHD_set_connection_option(
	    conn->mhd, MHD_CONNECTION_OPTION_TIMEOUT, conn->listener->server->options.timeout_s);
	return &r->stream;
}

static struct http_request *
request_of(struct http_stream *s)
{
	return (struct http_request *)((char *)s - offsetof(struct http_request, stream));
}

void
http_stream_wake(struct http_stream *s)
{
	if (!s->suspended)
		return;
	s->suspended = false;
	resume(request_of(s)->conn);
}

void
http_stream_cut(struct http_stream *s)
{
	struct http_conn *conn = request_of(s)->conn;

	conn->gone = true;
	if (s->suspended) {
		http_stream_wake(s);
		return;
	}
	(void)shutdown(conn->fd, SHUT_RDWR);
	(void)MHD_set_connection_option(conn->mhd, MHD_CONNECTION_OPTION_TIMEOUT, 1u);
	conn->listener->ready = true;
}
