/*
 * The answer parser of io/http_client.h as the client itself uses it: one parser per connection,
 * reset before each request.
 */
#ifndef IO_HTTP_PARSER_H
#define IO_HTTP_PARSER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "io/http_client.h"

#define HTTP_HEAD_MAX (64u << 10) /* status line, header and trailer together */

void http_parser_reset(struct http_parser *p);
/* The peer closed the connection: 1 when the answer ends with it and is complete, else -ECONNRESET.
 */
int http_parser_eof(struct http_parser *p, struct err *err);
/* Anything was fed since the last reset. */
bool http_parser_begun(const struct http_parser *p);
/* The connection may carry another request after this answer. */
bool http_parser_keeps_alive(const struct http_parser *p);

#endif
