/* The member index of json/json.h. */
#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"
#include "json/json.h"

/* A cursor over the text. All scanners below leave it behind what they scanned, or return false. */
struct scan {
	const char *p, *end;
};

/* From the opening quote to behind the closing one. */
static bool
scan_string(struct scan *s)
{
	if (s->p >= s->end || *s->p != '"')
		return false;
	for (s->p++; s->p < s->end; s->p++) {
		if (*s->p == '"') {
			s->p++;
			return true;
		}
		if (*s->p == '\\')
			s->p++;
	}
	return false;
}

/* To the comma or bracket that ends the value; brackets inside are balanced. */
static bool
scan_value(struct scan *s)
{
	const char *start = s->p;
	unsigned depth = 0;

	while (s->p < s->end) {
		char c = *s->p;

		if (c == '"') {
			if (!scan_string(s))
				return false;
			continue;
		}
		if (depth == 0 && (c == ',' || c == '}' || c == ']'))
			return c != ']' && s->p > start;
		if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
		s->p++;
	}
	return false;
}

static bool
scan_member(struct scan *s, const char *text, struct json_slice *ret)
{
	const char *key = s->p + 1, *value;

	if (!scan_string(s) || s->p >= s->end || *s->p != ':')
		return false;
	value = ++s->p;
	if (!scan_value(s))
		return false;
	*ret = (struct json_slice){ .key_off = (uint32_t)(key - text),
		.key_len = (uint32_t)(value - 2 - key),
		.val_off = (uint32_t)(value - text),
		.val_len = (uint32_t)(s->p - value) };
	return true;
}

unsigned
json_slices(const char *text, size_t len, struct json_slice **ret)
{
	struct scan s = { text, text + len };
	struct json_slice *v = NULL;
	unsigned n = 0, cap = 0;

	*ret = NULL;
	if (len < 2 || len > UINT32_MAX || text[0] != '{' || text[1] == '}')
		return 0;
	s.p++;
	do {
		if (n == cap) {
			cap = cap > 0 ? cap * 2 : 64;
			v = xreallocarray(v, cap, sizeof(*v));
		}
		if (!scan_member(&s, text, &v[n])) {
			free(v);
			return 0;
		}
		n++;
	} while (*s.p++ == ',');
	*ret = v;
	return n;
}
