#include "json/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/xmalloc.h"

void
json_setup(void)
{
	json_set_alloc_funcs(xmalloc, free);
}

json_t *
json_parse(const char *text, size_t len, const char *what, struct err *err)
{
	json_error_t e;
	json_t *v = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
	const char *near;

	if (v)
		return v;
	/* " near '...'" quotes the text, which may be a secret; only the name of a duplicate member
	 * is needed. */
	near = json_error_code(&e) == json_error_duplicate_key ? NULL : strstr(e.text, " near ");
	(void)err_set(err, -EINVAL, what, "%s: line %d, column %d: %.*s", what, e.line,
	    e.column > 0 ? e.column : 1, near ? (int)(near - e.text) : (int)strlen(e.text), e.text);
	return NULL;
}

const char *
json_member_str(const json_t *obj, const char *key)
{
	return json_string_value(json_object_get(obj, key));
}

int64_t
json_member_int(const json_t *obj, const char *key, int64_t def)
{
	const json_t *v = json_object_get(obj, key);

	return json_is_integer(v) ? (int64_t)json_integer_value(v) : def;
}

bool
json_member_bool(const json_t *obj, const char *key, bool def)
{
	const json_t *v = json_object_get(obj, key);

	return json_is_boolean(v) ? json_is_true(v) : def;
}

void
json_put(json_t *obj, const char *key, json_t *owned)
{
	if (owned)
		(void)json_object_set_new(obj, key, owned);
}

/* jansson takes only valid UTF-8. */
static json_t *
make_string(const char *s)
{
	struct buf b auto_buf = BUF_INIT;
	json_t *v = json_string(s);
	size_t len = strlen(s);

	if (v)
		return v;
	for (size_t i = 0; i < len;) {
		size_t n = utf8_sequence(s + i, len - i);

		if (n > 0)
			buf_add(&b, s + i, n);
		else
			buf_adds(&b, "\xef\xbf\xbd");
		i += n > 0 ? n : 1;
	}
	return json_stringn(b.data, b.len);
}

void
json_put_str(json_t *obj, const char *key, const char *s)
{
	if (s)
		json_put(obj, key, make_string(s));
}

void
json_put_int(json_t *obj, const char *key, int64_t i)
{
	json_put(obj, key, json_integer(i));
}

void
json_put_bool(json_t *obj, const char *key, bool b)
{
	json_put(obj, key, json_boolean(b));
}

json_t *
json_number(double d)
{
	if (!isfinite(d))
		return json_null();
	if (fabs(d) < 9007199254740992.0 && d == trunc(d))
		return json_integer((json_int_t)d);
	return json_real(d);
}
