#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* The functions themselves, without what the header puts around them. */
#undef err_set
#undef err_errno

/* Room to format in. The surplus keeps a character that snprintf cuts out of what is copied. */
#define ROOM (sizeof(((struct err *)NULL)->msg) + 4)

/* Copy as one line; a text that does not fit is cut between characters. */
static void
copy_line(char *to, size_t size, const char *from)
{
	size_t len = 0;

	while (from[len]) {
		size_t n = utf8_sequence(from + len, strnlen(from + len, 4));

		if (n == 0)
			n = 1;
		if (len + n >= size)
			break;
		memcpy(to + len, from + len, n);
		if (n == 1 && ((unsigned char)to[len] < 0x20 || to[len] == 0x7f))
			to[len] = ' ';
		len += n;
	}
	to[len] = '\0';
}

int
err_set(struct err *err, int code, const char *what, const char *fmt, ...)
{
	/* The arguments may point into *err: it is written last. */
	char what_text[sizeof(err->what)], msg[ROOM];
	va_list ap;

	assert(code < 0);
	if (!err)
		return code;
	copy_line(what_text, sizeof(what_text), str_or_empty(what));
	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	err->code = code;
	memcpy(err->what, what_text, sizeof(what_text));
	copy_line(err->msg, sizeof(err->msg), msg);
	return code;
}

int
err_errno(struct err *err, int code, const char *what, const char *fmt, ...)
{
	char msg[ROOM];
	const char *reason = strerrordesc_np(-code);
	va_list ap;

	assert(code < 0);
	if (!err)
		return code;
	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	return err_set(err, code, what, "%s: %s", msg, reason ? reason : "unknown error");
}

int
err_prefix(struct err *err, const char *fmt, ...)
{
	char prefix[ROOM], msg[2 * ROOM];
	va_list ap;

	if (!err)
		return -EIO;
	va_start(ap, fmt);
	(void)vsnprintf(prefix, sizeof(prefix), fmt, ap);
	va_end(ap);
	(void)snprintf(msg, sizeof(msg), "%s: %s", prefix, err->msg);
	copy_line(err->msg, sizeof(err->msg), msg);
	return err->code;
}
