#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/xmalloc.h"

bool
str_eq(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool
str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool
str_ends(const char *s, const char *suffix)
{
	size_t len = strlen(s), n = strlen(suffix);

	return len >= n && strcmp(s + len - n, suffix) == 0;
}

bool
str_in(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (str_eq(s, *list))
			return true;
	return false;
}

static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

int
str_to_int(const char *s, bool hex, int64_t min, int64_t max, int64_t *ret)
{
	bool negative = *s == '-', overflow = false;
	int64_t value = 0;
	int base = 10;

	s += negative;
	if (hex && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
	}
	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		int digit = digit_value(*s);

		if (digit >= base)
			return -EINVAL;
		/* Counted downwards, because INT64_MIN has no positive counterpart. */
		overflow |= __builtin_mul_overflow(value, base, &value);
		overflow |= __builtin_sub_overflow(value, digit, &value);
	}
	if (overflow || (!negative && __builtin_sub_overflow(0, value, &value)))
		return -ERANGE;
	if (value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

char **
strv_split(const char *s, char sep)
{
	char **v = xcalloc(1, sizeof(*v));

	if (!*s)
		return v;
	for (;;) {
		const char *end = strchrnul(s, sep);

		v = strv_push(v, xstrndup(s, (size_t)(end - s)));
		if (!*end)
			return v;
		s = end + 1;
	}
}

size_t
strv_len(char *const *v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

void
strv_free(char **v)
{
	for (size_t i = 0; v && v[i]; i++)
		free(v[i]);
	free(v);
}

char **
strv_push(char **v, char *owned)
{
	size_t n = strv_len(v);

	v = xreallocarray(v, n + 2, sizeof(*v));
	v[n] = owned;
	v[n + 1] = NULL;
	return v;
}

char *
strv_join(char *const *v, const char *sep)
{
	struct buf b = BUF_INIT;

	for (size_t i = 0; v && v[i]; i++) {
		if (i > 0)
			buf_adds(&b, sep);
		buf_adds(&b, v[i]);
	}
	return buf_take(&b);
}

/* Length of a sequence by its first byte and the range of its second one (Unicode 15, table 3-7).
 */
static size_t
utf8_lead(unsigned char c, unsigned char *lo, unsigned char *hi)
{
	*lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	*hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	return c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

size_t
utf8_sequence(const char *s, size_t len)
{
	const unsigned char *u = (const unsigned char *)s;
	unsigned char lo, hi;
	size_t n;

	if (len == 0)
		return 0;
	n = utf8_lead(u[0], &lo, &hi);
	if (n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (u[i] < lo || u[i] > hi)
			return 0;
		lo = 0x80;
		hi = 0xbf;
	}
	return n;
}

bool
utf8_valid(const char *s, size_t len)
{
	size_t i = 0;

	while (i < len) {
		size_t n = utf8_sequence(s + i, len - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

enum word_state { WORD_NONE, WORD_PLAIN, WORD_SINGLE, WORD_DOUBLE };

/* One character inside a word; returns the state after it. `*s` is moved past what was used beyond
 * the character itself. */
static enum word_state
word_char(enum word_state state, const char **s, struct buf *word)
{
	char c = **s;

	if (state == WORD_SINGLE || state == WORD_DOUBLE) {
		if (c == (state == WORD_SINGLE ? '\'' : '"'))
			return WORD_PLAIN;
		if (state == WORD_DOUBLE && c == '\\' && ((*s)[1] == '"' || (*s)[1] == '\\'))
			c = *++*s;
		buf_addc(word, c);
		return state;
	}
	if (c == '\'')
		return WORD_SINGLE;
	if (c == '"')
		return WORD_DOUBLE;
	if (c == '\\')
		c = *++*s;
	buf_addc(word, c);
	return WORD_PLAIN;
}

char **
words_split(const char *s)
{
	char **v auto_strv = xcalloc(1, sizeof(*v));
	struct buf word auto_buf = BUF_INIT;
	enum word_state state = WORD_NONE;

	if (strchr(s, '\n'))
		return NULL;
	for (; *s; s++) {
		bool blank = *s == ' ' || *s == '\t';

		if (blank && state == WORD_NONE)
			continue;
		if (blank && state == WORD_PLAIN) {
			v = strv_push(v, buf_take(&word));
			state = WORD_NONE;
			continue;
		}
		if (*s == '\\' && !s[1])
			return NULL;
		state = word_char(state, &s, &word);
	}
	if (state == WORD_SINGLE || state == WORD_DOUBLE)
		return NULL;
	if (state == WORD_PLAIN)
		v = strv_push(v, buf_take(&word));
	return TAKE(v);
}

void
str_hide_controls(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		unsigned char next = i + 1 < len ? (unsigned char)text[i + 1] : 0;

		if (c < 0x20 || c == 0x7f)
			text[i] = '?';
		else if (c == 0xc2 && next >= 0x80 && next < 0xa0) /* U+0080 to U+009F */
			text[i] = text[i + 1] = '?';
	}
}
