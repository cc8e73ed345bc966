/*
 * A growing byte buffer. `data` is always NUL-terminated behind `len` once anything was appended,
 * so it can be used as text; an empty buffer has data NULL or "". The buffer owns its memory;
 * buf_take() gives it away.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>

struct buf {
	char *data;
	size_t len;
	size_t cap; /* bytes allocated, counting the NUL */
};

#define BUF_INIT ((struct buf){ NULL, 0, 0 })

void buf_done(struct buf *b);  /* frees the memory; the buffer is empty and usable again */
void buf_reset(struct buf *b); /* length 0, memory kept */
void buf_reserve(struct buf *b, size_t extra);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vaddf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
void buf_drop(struct buf *b, size_t n); /* removes the first n bytes */
/* The text, never NULL; the caller frees it. The buffer is empty afterwards. */
char *buf_take(struct buf *b);
/* One read(2) of at most `max` bytes appended. Returns bytes read, 0 at end of file, negative
 * errno. */
ssize_t buf_read(struct buf *b, int fd, size_t max);
/* Append `s` as a JSON string with quotes; invalid UTF-8 becomes U+FFFD. */
void buf_add_json_string(struct buf *b, const char *s, size_t len);

#define auto_buf __attribute__((cleanup(buf_done)))

#endif
