/* What http_server.c and http_request.c share. */
#ifndef IO_HTTP_INTERNAL_H
#define IO_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <sys/queue.h>

#include "io/http_server.h"

#define HTTP_LISTENERS_MAX 4

/* One library instance per listening socket. */
struct http_listener {
	struct http_server *server;
	struct MHD_Daemon *daemon;
	uv_poll_t poll;   /* on the instance's own epoll set */
	uv_timer_t timer; /* its next time-out */
	bool local;       /* Unix socket */
	bool ready;       /* must be run before the loop sleeps */
};

/* Made and freed inside MHD_run() only, so that pointers in a batch of events stay valid. */
struct http_conn {
	TAILQ_ENTRY(http_conn) entry;
	struct http_listener *listener;
	struct MHD_Connection *mhd;
	int fd; /* the library's */
	struct peer peer;
	int64_t deadline_ns;          /* for the arrival of a request; 0: none is awaited */
	bool half_closed;             /* the peer sends nothing more */
	bool gone;                    /* the peer is gone or was cut */
	struct http_request *request; /* in progress; NULL: none */
};

struct http_server {
	uv_loop_t *loop;
	struct http_server_options options;
	struct http_listener *listeners[HTTP_LISTENERS_MAX]; /* owned */
	unsigned n;
	uv_prepare_t prepare;
	uv_timer_t sweep;
	uv_poll_t watch; /* on watch_fd */
	int watch_fd;    /* epoll set of all connections: who left */
	int diag_fd;
	TAILQ_HEAD(, http_conn) conns;
	unsigned n_conns;
	unsigned handles; /* not closed yet */
	bool closing;
};

enum http_request_state {
	REQUEST_ARRIVING, /* the handler was not called yet */
	REQUEST_HANDLING, /* inside the handler */
	REQUEST_DEFERRED, /* will be suspended in the next call of the library */
	REQUEST_SUSPENDED,
	REQUEST_ANSWERED, /* `body` is to be queued */
	REQUEST_QUEUED
};

struct http_stream {
	const struct http_stream_ops *ops; /* NULL: the request is no stream */
	void *arg;
	bool suspended;
};

struct http_request {
	struct http_conn *conn;
	enum http_request_state state;
	const char *path, *method; /* borrowed from the library while the request lives */
	unsigned status;
	struct http_body *body; /* counted */
	void (*on_gone)(void *arg);
	void *gone_arg;
	struct http_stream stream;
};

/* Library callbacks, in http_request.c. */
enum MHD_Result
http_on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method,
    const char *version, const char *upload, size_t *upload_size, void **context);
void http_on_completed(
    void *cls, struct MHD_Connection *c, void **context, enum MHD_RequestTerminationCode code);

/* Let a sleeping request of this connection run again, so that it sees what was marked. */
void http_conn_wake(struct http_conn *conn);

#endif
