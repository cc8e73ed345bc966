/*
 * HTTP/1.1 server in the loop: libmicrohttpd in external epoll mode. One thread, any number of
 * listening sockets, keep-alive. Answers are given in the handler, or later (http_request_defer),
 * or as a stream that is pulled when the socket is writable. A reader that left is noticed within a
 * second even while its stream sleeps. What the library needs for this, and its traps, are
 * described in http_server.c.
 *
 * Over TCP a request is refused (403) before the handler sees it when a web page may have sent it:
 * a Host that is not this host, an Origin, or a Sec-Fetch-Site other than "none".
 */
#ifndef IO_HTTP_SERVER_H
#define IO_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "io/peer.h"

struct http_server;
struct http_request; /* valid in the handler, and after http_request_defer() until it was answered
                        or its `gone` was called */
struct http_body;    /* counted; a whole answer without its status, shared between requests */
struct http_stream;

/* Must answer, stream or defer. Called when the whole request is there; bodies are read and thrown
 * away. */
typedef void http_handler_fn(void *arg, struct http_request *r);

struct http_server_options {
	http_handler_fn *handler;
	void *arg;
	const char *bind; /* address that a Host header may name too; may be NULL; borrowed */
	unsigned max_connections; /* per listening socket */
	unsigned
	    timeout_s; /* a connection without progress, and the whole of a request's arrival */
};

int http_server_new(uv_loop_t *loop, const struct http_server_options *o, struct http_server **ret,
    struct err *err);
/* A bound TCP socket that does not listen yet, so that a taken port is known before long work.
 * bind: numeric address. port 0: the kernel's choice. *ret_port: the port. Descriptor or negative
 * errno (-EADDRINUSE). */
int http_bind_tcp(const char *bind, int port, int *ret_port, struct err *err);
/* Serve on the bound socket; takes the descriptor also on failure. */
int http_server_listen(struct http_server *s, int fd, struct err *err);
/* Ends all streams in order, closes every connection; `gone` callbacks are called from here. The
 * memory is freed by the loop, later. NULL is fine. */
void http_server_close(struct http_server *s);
unsigned http_server_connections(const struct http_server *s);

/* --- Requests --- */
const char *http_request_method(const struct http_request *r);
const char *http_request_path(const struct http_request *r); /* as received, without query string */
/* First value of a query parameter as received (see http_query_decode); "" for a bare name; NULL:
 * absent. */
const char *http_request_query(const struct http_request *r, const char *name);
const char *http_request_header(const struct http_request *r, const char *name);
const struct peer *http_request_peer(const struct http_request *r);

/* --- Answers: application/json unless a header says otherwise --- */

/* `release(arg)` is called when the last use of the bytes is over. */
struct http_body *
http_body_new(const void *data, size_t len, void (*release)(void *arg), void *arg);
struct http_body *http_body_copy(const void *data, size_t len);
struct http_body *http_body_take(char *data, size_t len); /* owned, free()d */
/* Several pieces. At most HTTP_BODY_PIECES, because the library copies the table into the
 * connection's small memory. */
#define HTTP_BODY_PIECES 128
struct http_piece {
	const void *data;
	size_t len;
};
struct http_body *http_body_pieces(
    const struct http_piece *pieces, unsigned n, void (*release)(void *arg), void *arg);
void http_body_header(struct http_body *b, const char *name, const char *value);
void http_body_unref(struct http_body *b); /* NULL is fine */

/* Answer. The body is borrowed (counted inside). */
void http_reply(struct http_request *r, unsigned status, struct http_body *body);
void http_reply_text(struct http_request *r, unsigned status, const char *text);

/* Answer later. `gone` is called when that has become pointless: the request must not be touched
 * afterwards. */
void http_request_defer(struct http_request *r, void (*gone)(void *arg), void *arg);

/* --- Streams --- */
#define HTTP_STREAM_END   (-1) /* the end of the answer */
#define HTTP_STREAM_ABORT (-2) /* close the connection without an end mark */

struct http_stream_ops {
	/* Up to `max` bytes into `data`: their number; 0: nothing now, sleep until
	 * http_stream_wake(); or one of the above. */
	ssize_t (*pull)(void *arg, char *data, size_t max);
	/* The last call: the reader is gone or everything was sent. */
	void (*gone)(void *arg);
};
/* Answer 200 with a stream. `sndbuf` bounds what the kernel holds for a slow reader (bytes; 0:
 * default). */
struct http_stream *
http_reply_stream(struct http_request *r, const struct http_stream_ops *ops, void *arg, int sndbuf);
/* There is something to pull. */
void http_stream_wake(struct http_stream *s);
/* Cut the connection from outside; `gone` follows from the loop. */
void http_stream_cut(struct http_stream *s);

#endif
