#include "io/http_path.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/xmalloc.h"

static void
drop_last(struct buf *b)
{
	while (b->len > 0 && b->data[--b->len] != '/')
		;
}

char *
http_path_normalise(const char *path)
{
	auto_buf struct buf b = BUF_INIT;

	if (*path != '/')
		return NULL;
	while (*path) {
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len == 2 && memcmp(path, "..", 2) == 0) {
			drop_last(&b);
		} else if (len > 0 && !(len == 1 && *path == '.')) {
			buf_addc(&b, '/');
			buf_add(&b, path, len);
		}
		path += len;
	}
	if (b.len == 0)
		return xstrdup("/");
	b.data[b.len] = '\0';
	return buf_take(&b);
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *
http_query_decode(char *value)
{
	char *in = value, *out = value;

	while (*in) {
		int hi = in[0] == '%' ? hex_value(in[1]) : -1;
		int lo = hi >= 0 ? hex_value(in[2]) : -1;

		if (lo >= 0 && hi + lo > 0) {
			*out++ = (char)(hi * 16 + lo);
			in += 3;
		} else {
			*out++ = *in++;
		}
	}
	*out = '\0';
	return value;
}

static bool
is_port_or_end(const char *s)
{
	if (*s == '\0')
		return true;
	return *s == ':' && strspn(s + 1, "0123456789") == strlen(s + 1);
}

static bool
is_host(const char *host, const char *name)
{
	size_t len = strlen(name);

	return strncasecmp(host, name, len) == 0 && is_port_or_end(host + len);
}

bool
http_host_is_ours(const char *host, const char *bind)
{
	static const char *const names[] = { "127.0.0.1", "localhost", "[::1]" };
	auto_free char *bracketed = NULL;
	unsigned i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (is_host(host, names[i]))
			return true;
	}
	if (!bind)
		return false;
	bracketed = xasprintf("[%s]", bind);
	return is_host(host, strchr(bind, ':') ? bracketed : bind);
}
