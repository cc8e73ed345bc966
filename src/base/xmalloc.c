#include "base/xmalloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *
checked(void *p)
{
	static const char text[] = "out of memory\n";

	if (p)
		return p;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(1); /* nobody reads stderr; the end is the same */
	abort();
}

/* malloc(0) may return NULL, which must not look like a failure. */
static size_t
at_least_one(size_t size)
{
	return size ? size : 1;
}

void *
xmalloc(size_t size)
{
	return checked(malloc(at_least_one(size)));
}

void *
xcalloc(size_t n, size_t size)
{
	return checked(calloc(at_least_one(n), at_least_one(size)));
}

void *
xrealloc(void *p, size_t size)
{
	return checked(realloc(p, at_least_one(size)));
}

void *
xreallocarray(void *p, size_t n, size_t size)
{
	return checked(reallocarray(p, at_least_one(n), at_least_one(size)));
}

void *
xmemdup(const void *p, size_t size)
{
	void *copy = xmalloc(size);

	if (size > 0)
		memcpy(copy, p, size);
	return copy;
}

char *
xstrdup(const char *s)
{
	return checked(strdup(s));
}

char *
xstrdup0(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

char *
xstrndup(const char *s, size_t n)
{
	return checked(strndup(s, n));
}

char *
xvasprintf(const char *fmt, va_list ap)
{
	char *s = NULL;

	return vasprintf(&s, fmt, ap) < 0 ? checked(NULL) : s;
}

char *
xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	return s;
}
