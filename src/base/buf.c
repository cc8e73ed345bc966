#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/xmalloc.h"

#define BUF_MIN 64

void
buf_done(struct buf *b)
{
	free(b->data);
	*b = BUF_INIT;
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = '\0';
}

void
buf_reserve(struct buf *b, size_t extra)
{
	size_t need, cap = b->cap > 0 ? b->cap : BUF_MIN;

	if (__builtin_add_overflow(b->len, extra, &need) || need > SIZE_MAX / 4)
		abort();
	need++;
	if (need <= b->cap)
		return;
	while (cap < need)
		cap *= 2;
	b->data = xrealloc(b->data, cap);
	b->data[b->len] = '\0';
	b->cap = cap;
}

void
buf_add(struct buf *b, const void *data, size_t len)
{
	buf_reserve(b, len);
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void
buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_addc(struct buf *b, char c)
{
	buf_reserve(b, 1);
	b->data[b->len++] = c;
	b->data[b->len] = '\0';
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(b, fmt, ap);
	va_end(ap);
}

void
buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	buf_reserve(b, BUF_MIN);
	va_copy(again, ap);
	n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, ap);
	assert(n >= 0);
	if ((size_t)n >= b->cap - b->len) {
		buf_reserve(b, (size_t)n);
		n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, again);
	}
	va_end(again);
	b->len += (size_t)n;
}

void
buf_drop(struct buf *b, size_t n)
{
	assert(n <= b->len);
	if (n == 0)
		return;
	b->len -= n;
	memmove(b->data, b->data + n, b->len);
	b->data[b->len] = '\0';
}

char *
buf_take(struct buf *b)
{
	char *text = b->data ? b->data : xstrdup("");

	*b = BUF_INIT;
	return text;
}

ssize_t
buf_read(struct buf *b, int fd, size_t max)
{
	ssize_t n;

	buf_reserve(b, max);
	do
		n = read(fd, b->data + b->len, max);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	b->len += (size_t)n;
	b->data[b->len] = '\0';
	return n;
}

static void
add_escape(struct buf *b, unsigned char c)
{
	static const char letters[0x80] = { ['"'] = '"',
		['\\'] = '\\',
		['\b'] = 'b',
		['\f'] = 'f',
		['\n'] = 'n',
		['\r'] = 'r',
		['\t'] = 't' };

	if (letters[c])
		buf_add(b, (const char[]){ '\\', letters[c] }, 2);
	else
		buf_addf(b, "\\u%04x", c);
}

static bool
is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

void
buf_add_json_string(struct buf *b, const char *s, size_t len)
{
	size_t i = 0;

	buf_reserve(b, len + 2);
	buf_addc(b, '"');
	while (i < len) {
		size_t run = i, n;

		while (run < len && is_plain((unsigned char)s[run]))
			run++;
		if (run > i) {
			buf_add(b, s + i, run - i);
			i = run;
			continue;
		}
		if ((unsigned char)s[i] < 0x80) {
			add_escape(b, (unsigned char)s[i++]);
			continue;
		}
		n = utf8_sequence(s + i, len - i);
		if (n > 0)
			buf_add(b, s + i, n);
		else
			buf_adds(b, "\xef\xbf\xbd");
		i += n > 0 ? n : 1;
	}
	buf_addc(b, '"');
}
