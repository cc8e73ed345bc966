/*
 * HTTP/1.1 client for local sockets, blocking, keep-alive. Reads Content-Length and chunked bodies;
 * everything bounded: header 64 KiB, body HTTP_BODY_MAX. Only what vminfod's answers need; libcurl
 * adds 9 ms to the start of every command (style/libraries.md).
 */
#ifndef IO_HTTP_CLIENT_H
#define IO_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define HTTP_BODY_MAX (1u << 30)

struct http_client;

/* Unix socket (host path) or TCP. Connects lazily and again when the kept connection was closed
 * meanwhile. */
struct http_client *http_client_unix(const char *host_path, const char *user_agent);
struct http_client *http_client_tcp(const char *host, int port, const char *user_agent);
void http_client_free(struct http_client *c);

/* GET. 0 with status and body, or negative errno: -ECONNREFUSED, -ENOENT (no socket), -ETIMEDOUT,
 * -EPROTO (bad answer), -ECONNRESET. */
int http_client_get(struct http_client *c, const char *path, int64_t timeout_ms, int *ret_status,
    struct buf *body, struct err *err);

/* Open a stream: status and header are read, the body is then taken line by line. */
int http_client_stream(
    struct http_client *c, const char *path, int64_t timeout_ms, int *ret_status, struct err *err);
/* 1 and a line without its newline appended to `line`; 0 after timeout_ms; -ECONNRESET when the
 * stream ended. Lines may be buffered: poll http_client_fd() only after this gave 0 for a timeout
 * of 0. */
int http_client_line(struct http_client *c, int64_t timeout_ms, struct buf *line, struct err *err);
int http_client_fd(const struct http_client *c);

/*
 * The answer parser alone, for tests and fuzzing: feed bytes, body bytes are appended. 1: complete,
 * 0: more, negative: bad. *ret_status is set as soon as the header is complete. Bytes behind the
 * end of the answer are not looked at.
 */
struct http_parser;
struct http_parser *http_parser_new(void);
void http_parser_free(struct http_parser *p);
int http_parser_feed(struct http_parser *p, const char *data, size_t len, int *ret_status,
    struct buf *body, struct err *err);

#endif
