/* Base64 and UUIDs of base/str.h. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/str.h"
#include "base/xmalloc.h"

char *
base64_encode(const void *data, size_t len)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *in = data;
	char *text = xmalloc((len + 2) / 3 * 4 + 1), *out = text;

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t bits = (uint32_t)in[i] << 16;

		if (n > 1)
			bits |= (uint32_t)in[i + 1] << 8;
		if (n > 2)
			bits |= in[i + 2];
		*out++ = alphabet[bits >> 18];
		*out++ = alphabet[bits >> 12 & 63];
		*out++ = n > 1 ? alphabet[bits >> 6 & 63] : '=';
		*out++ = n > 2 ? alphabet[bits & 63] : '=';
	}
	*out = '\0';
	return text;
}

/* 0 to 63, or -1 outside both alphabets. */
static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

char *
base64_decode(const char *s, size_t *ret_len)
{
	char *data = xmalloc(strlen(s) / 4 * 3 + 4), *out = data;
	uint32_t bits = 0;
	unsigned n_bits = 0;

	for (; *s; s++) {
		int value = base64_value(*s);

		if (value < 0)
			continue;
		bits = (bits << 6 | (uint32_t)value) & 0xffff;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			*out++ = (char)(bits >> n_bits & 0xff);
		}
	}
	*out = '\0';
	if (ret_len)
		*ret_len = (size_t)(out - data);
	return data;
}

static bool
uuid_dash_at(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

bool
uuid_valid(const char *s)
{
	for (size_t i = 0; i < UUID_LEN; i++) {
		bool hex = (s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f');

		if (uuid_dash_at(i) ? s[i] != '-' : !hex)
			return false;
	}
	return s[UUID_LEN] == '\0';
}

bool
uuid_shaped(const char *s)
{
	return strlen(s) == UUID_LEN && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-';
}

void
uuid_random(char ret[UUID_LEN + 1])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char r[16];

	/* Up to 256 bytes come whole and cannot fail once the kernel has collected its first
	 * entropy. */
	while (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		continue;
	r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
	r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
	for (size_t i = 0, out = 0; i < sizeof(r); i++) {
		if (uuid_dash_at(out))
			ret[out++] = '-';
		ret[out++] = hex[r[i] >> 4];
		ret[out++] = hex[r[i] & 15];
	}
	ret[UUID_LEN] = '\0';
}
