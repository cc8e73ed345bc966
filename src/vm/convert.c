/* XML text to JSON value and back (vmobject-load.md 2). */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "vm/properties.h"
#include "vm/text.h"
#include "json/json.h"

#define MIB_BYTES 1048576

json_t *
text_json(const char *s, size_t len)
{
	auto_buf struct buf b = BUF_INIT;
	size_t i = 0;

	if (utf8_valid(s, len) && !memchr(s, '\0', len))
		return json_stringn_nocheck(s, len);
	while (i < len) {
		size_t n = 1;

		while (n < 4 && i + n < len && ((unsigned char)s[i + n] & 0xc0) == 0x80)
			n++;
		/* The longest valid sequence at i, if there is one. */
		while (n > 1 && !utf8_valid(s + i, n))
			n--;
		if (s[i] != '\0' && utf8_valid(s + i, n))
			buf_add(&b, s + i, n);
		else
			buf_adds(&b, "\xef\xbf\xbd");
		i += n;
	}
	return json_stringn_nocheck(b.data ? b.data : "", b.len);
}

bool
text_is_line(const char *s)
{
	for (const unsigned char *c = (const unsigned char *)s; *c; c++) {
		if (*c < 0x20 || *c == 0x7f)
			return false;
		/* U+FFFE and U+FFFF are no XML characters. */
		if (c[0] == 0xef && c[1] == 0xbf && (c[2] == 0xbe || c[2] == 0xbf))
			return false;
	}
	return true;
}

static bool
is_decimal(const char *s)
{
	bool digits = false;

	s += *s == '-' || *s == '+';
	for (; isdigit((unsigned char)*s); s++)
		digits = true;
	if (*s == '.') {
		for (s++; isdigit((unsigned char)*s); s++)
			digits = true;
	}
	if (digits && (*s == 'e' || *s == 'E')) {
		s++;
		s += *s == '-' || *s == '+';
		digits = isdigit((unsigned char)*s) != 0;
		while (isdigit((unsigned char)*s))
			s++;
	}
	return digits && *s == '\0';
}

json_t *
text_number(const char *s)
{
	auto_free char *text = NULL;
	size_t len;
	int64_t i;
	double d;

	while (isspace((unsigned char)*s))
		s++;
	len = strlen(s);
	while (len > 0 && isspace((unsigned char)s[len - 1]))
		len--;
	if (len == 0)
		return json_integer(0);
	text = xstrndup(s, len);
	if (str_to_int(text, true, INT64_MIN, INT64_MAX, &i) == 0)
		return json_integer(i);
	if (!is_decimal(text))
		return json_null();
	d = strtod(text, NULL);
	return isfinite(d) ? json_number(d) : json_null();
}

static json_t *
from_text(const char *text)
{
	return text_json(text, strlen(text));
}

static json_t *
from_bool(const char *text)
{
	if (str_eq(text, "true"))
		return json_true();
	return str_eq(text, "false") ? json_false() : from_text(text);
}

static json_t *
from_mib(const char *text)
{
	json_auto_t *bytes = text_number(text);

	return json_is_number(bytes) ? json_number(json_number_value(bytes) / MIB_BYTES)
	                             : json_null();
}

static json_t *
from_b64(const char *text)
{
	size_t len;
	auto_free char *plain = base64_decode(text, &len);

	return text_json(plain, len);
}

static json_t *
from_list(const char *text)
{
	json_t *list = json_array();

	for (;;) {
		size_t len = strcspn(text, ",");

		json_array_append_new(list, text_json(text, len));
		if (text[len] == '\0')
			return list;
		text += len + 1;
	}
}

json_t *
prop_from_xml(const struct prop *p, const char *text)
{
	static json_t *(*const convert[])(const char *) = {
		[CONV_TEXT] = from_text,
		[CONV_BOOL] = from_bool,
		[CONV_NUM] = text_number,
		[CONV_MIB] = from_mib,
		[CONV_B64] = from_b64,
		[CONV_LIST] = from_list,
	};

	return convert[p->conv](text);
}

/* Text as it is, anything else as its JSON text. */
static char *
plain_text(const json_t *value)
{
	if (json_is_string(value))
		return xstrndup(json_string_value(value), json_string_length(value));
	return json_text(value);
}

static char *
list_text(const json_t *list)
{
	auto_buf struct buf b = BUF_INIT;
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		auto_free char *text = plain_text(item);

		if (i > 0)
			buf_addc(&b, ',');
		buf_adds(&b, text);
	}
	return buf_take(&b);
}

static char *
mib_text(const json_t *mib)
{
	json_auto_t *bytes = json_number(rint(json_number_value(mib) * MIB_BYTES));

	return json_text(bytes);
}

char *
prop_to_xml(const struct prop *p, const json_t *value)
{
	if (!value || json_is_null(value))
		return NULL;
	if (json_is_array(value))
		return json_array_size(value) > 0 ? list_text(value) : NULL;
	if (p->conv == CONV_MIB && json_is_number(value))
		return mib_text(value);
	if (p->conv == CONV_B64 && json_is_string(value))
		return base64_encode(json_string_value(value), json_string_length(value));
	return plain_text(value);
}
