#include "io/http_parser.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/xmalloc.h"

#define CHUNK_LINE_MAX 1024u

/* RFC 9112: status-line, fields, then the body as framed by section 6.3. */
enum part {
	STATUS_LINE,
	FIELDS,
	BODY_LENGTH,
	BODY_TO_CLOSE,
	CHUNK_SIZE,
	CHUNK_DATA,
	CHUNK_END,
	TRAILER,
	COMPLETE,
	BROKEN
};

struct http_parser {
	enum part part;
	struct buf line;   /* the unfinished line */
	size_t head_bytes; /* of status line, fields and trailer so far */
	uint64_t left;     /* bytes of the body or chunk still to come */
	size_t rest;       /* bytes of the last feed behind the end of the answer */
	int status;
	bool begun;
	bool keep;
	bool chunked;
	bool has_length;
};

struct http_parser *
http_parser_new(void)
{
	struct http_parser *p = xcalloc(1, sizeof(*p));

	http_parser_reset(p);
	return p;
}

void
http_parser_free(struct http_parser *p)
{
	if (!p)
		return;
	buf_done(&p->line);
	free(p);
}

void
http_parser_reset(struct http_parser *p)
{
	struct buf line = p->line;

	buf_reset(&line);
	*p = (struct http_parser){ .part = STATUS_LINE, .line = line };
}

static int
broken(struct http_parser *p, struct err *err, const char *why)
{
	p->part = BROKEN;
	return err_set(err, -EPROTO, "http", "bad answer: %s", why);
}

/* "HTTP/1.1 200 OK"; the reason may be missing. */
static int
take_status_line(struct http_parser *p, const char *line, struct err *err)
{
	const char *code = line + strlen("HTTP/1.x ");

	if (!str_starts(line, "HTTP/1.") || (line[7] != '0' && line[7] != '1') || line[8] != ' ')
		return broken(p, err, "not HTTP/1.x");
	if (strspn(code, "0123456789") != 3 || (code[3] != ' ' && code[3] != '\0'))
		return broken(p, err, "no status code");
	p->status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
	if (p->status < 100)
		return broken(p, err, "no status code");
	p->keep = line[7] == '1';
	p->part = FIELDS;
	return 0;
}

static int
take_content_length(struct http_parser *p, const char *value, struct err *err)
{
	int64_t n;

	if (str_to_int(value, false, 0, HTTP_BODY_MAX, &n) < 0)
		return broken(p, err, "bad or too large Content-Length");
	if (p->has_length && (uint64_t)n != p->left)
		return broken(p, err, "two Content-Lengths");
	p->has_length = true;
	p->left = (uint64_t)n;
	return 0;
}

static int
take_transfer_encoding(struct http_parser *p, const char *value, struct err *err)
{
	if (strcasecmp(value, "chunked") != 0 || p->chunked)
		return broken(p, err, "unknown Transfer-Encoding");
	p->chunked = true;
	return 0;
}

static int
take_connection(struct http_parser *p, const char *value, struct err *err)
{
	if (strcasecmp(value, "close") == 0)
		p->keep = false;
	else if (strcasecmp(value, "keep-alive") == 0)
		p->keep = true;
	return 0;
}

static const struct field {
	const char *name;
	int (*take)(struct http_parser *p, const char *value, struct err *err);
} fields[] = {
	{ "Content-Length", take_content_length },
	{ "Transfer-Encoding", take_transfer_encoding },
	{ "Connection", take_connection },
};

static int
take_field(struct http_parser *p, char *line, struct err *err)
{
	char *colon = strchr(line, ':');
	char *value, *end;

	/* A line that begins with white space would continue the one before: obsolete, and a way to
	 * smuggle. */
	if (!colon || colon == line || strcspn(line, " \t") < (size_t)(colon - line))
		return broken(p, err, "a header line without a name");
	*colon = '\0';
	value = colon + 1 + strspn(colon + 1, " \t");
	for (end = value + strlen(value); end > value && (end[-1] == ' ' || end[-1] == '\t'); end--)
		;
	*end = '\0';
	for (unsigned i = 0; i < ARRAY_LEN(fields); i++)
		if (strcasecmp(line, fields[i].name) == 0)
			return fields[i].take(p, value, err);
	return 0;
}

/* The empty line: how does the body end? */
static int
end_fields(struct http_parser *p, struct err *err)
{
	if (p->chunked && p->has_length)
		return broken(p, err, "both Content-Length and chunks");
	if (p->status < 200) { /* an interim answer; the real one follows */
		if (p->chunked || p->has_length || p->status == 101)
			return broken(p, err, "an interim answer with a body");
		p->part = STATUS_LINE;
		p->status = 0;
	} else if (p->status == 204 || p->status == 304) {
		p->part = COMPLETE;
	} else if (p->chunked) {
		p->part = CHUNK_SIZE;
	} else if (p->has_length) {
		p->part = p->left > 0 ? BODY_LENGTH : COMPLETE;
	} else {
		p->keep = false;
		p->part = BODY_TO_CLOSE;
	}
	return 0;
}

/* "1a2b" or "1a2b;extension". */
static int
take_chunk_size(struct http_parser *p, const char *line, struct err *err)
{
	size_t digits = strspn(line, "0123456789abcdefABCDEF");

	if (digits == 0 || digits > 8)
		return broken(p, err, "bad chunk size");
	if (line[digits + strspn(line + digits, " \t")] != '\0' && !strchr(line + digits, ';'))
		return broken(p, err, "bad chunk size");
	p->left = strtoull(line, NULL, 16);
	p->part = p->left > 0 ? CHUNK_DATA : TRAILER;
	return 0;
}

static int
take_line(struct http_parser *p, char *line, struct err *err)
{
	if (p->part == STATUS_LINE)
		return take_status_line(p, line, err);
	if (p->part == FIELDS)
		return *line ? take_field(p, line, err) : end_fields(p, err);
	if (p->part == CHUNK_SIZE)
		return take_chunk_size(p, line, err);
	if (p->part == CHUNK_END) {
		p->part = CHUNK_SIZE;
		return *line ? broken(p, err, "a chunk longer than its size") : 0;
	}
	if (*line == '\0')
		p->part = COMPLETE;
	return 0;
}

static bool
wants_lines(const struct http_parser *p)
{
	return p->part <= FIELDS || p->part == CHUNK_SIZE || p->part == CHUNK_END ||
	       p->part == TRAILER;
}

/* Bytes used, or negative. */
static ssize_t
feed_line(struct http_parser *p, const char *data, size_t len, struct err *err)
{
	const char *nl = memchr(data, '\n', len);
	size_t n = nl ? (size_t)(nl - data) + 1 : len;
	bool head = p->part != CHUNK_SIZE && p->part != CHUNK_END;
	int r;

	if (head && (p->head_bytes += n) > HTTP_HEAD_MAX)
		return broken(p, err, "the header is too large");
	if (!head && p->line.len + n > CHUNK_LINE_MAX)
		return broken(p, err, "the chunk line is too long");
	buf_add(&p->line, data, nl ? n - 1 : n);
	if (!nl)
		return (ssize_t)n;
	if (p->line.len > 0 && p->line.data[p->line.len - 1] == '\r')
		p->line.data[--p->line.len] = '\0';
	if (p->line.len > 0 && memchr(p->line.data, '\0', p->line.len))
		return broken(p, err, "a NUL in the header");
	r = p->line.len > 0 ? take_line(p, p->line.data, err) : take_line(p, (char[]){ "" }, err);
	buf_reset(&p->line);
	return r < 0 ? r : (ssize_t)n;
}

static ssize_t
feed_body(struct http_parser *p, const char *data, size_t len, struct buf *body, struct err *err)
{
	bool counted = p->part != BODY_TO_CLOSE;
	size_t n = counted && p->left < len ? (size_t)p->left : len;

	if (n > HTTP_BODY_MAX - body->len)
		return broken(p, err, "the body is too large");
	buf_add(body, data, n);
	if (counted && (p->left -= n) == 0)
		p->part = p->part == CHUNK_DATA ? CHUNK_END : COMPLETE;
	return (ssize_t)n;
}

int
http_parser_feed(struct http_parser *p, const char *data, size_t len, int *ret_status,
    struct buf *body, struct err *err)
{
	p->rest = 0;
	if (len > 0)
		p->begun = true;
	while (len > 0 && p->part < COMPLETE) {
		ssize_t n = wants_lines(p) ? feed_line(p, data, len, err)
		                           : feed_body(p, data, len, body, err);

		if (n < 0)
			return (int)n;
		data += n;
		len -= (size_t)n;
	}
	if (p->part == BROKEN)
		return err_set(err, -EPROTO, "http", "bad answer");
	p->rest = len;
	if (p->part > FIELDS)
		*ret_status = p->status;
	return p->part == COMPLETE;
}

int
http_parser_eof(struct http_parser *p, struct err *err)
{
	if (p->part == BODY_TO_CLOSE)
		p->part = COMPLETE;
	if (p->part == COMPLETE)
		return 1;
	return err_set(
	    err, -ECONNRESET, "http", "the connection was closed before the answer was complete");
}

bool
http_parser_begun(const struct http_parser *p)
{
	return p->begun;
}

bool
http_parser_keeps_alive(const struct http_parser *p)
{
	return p->part == COMPLETE && p->keep && p->rest == 0;
}
