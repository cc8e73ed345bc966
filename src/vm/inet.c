/* Addresses as text. */
#include "vm/inet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

int
inet_parse(const char *text, struct inet_addr *ret)
{
	struct inet_addr a = { .prefix = -1 };
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	int64_t prefix;

	if (len == 0 || len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	a.v6 = strchr(host, ':') != NULL;
	if (inet_pton(a.v6 ? AF_INET6 : AF_INET, host, a.bytes) != 1)
		return -EINVAL;
	if (slash) {
		if (str_to_int(slash + 1, false, 0, a.v6 ? 128 : 32, &prefix) < 0)
			return -EINVAL;
		a.prefix = (int)prefix;
	}
	*ret = a;
	return 0;
}

bool
inet_same(const struct inet_addr *a, const struct inet_addr *b)
{
	return a->v6 == b->v6 && memcmp(a->bytes, b->bytes, a->v6 ? 16 : 4) == 0;
}

bool
inet_is_private_v4(const struct inet_addr *a)
{
	const uint8_t *b = a->bytes;

	if (a->v6)
		return false;
	return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168);
}

int
inet_mask_prefix(const char *mask)
{
	struct inet_addr a;
	uint32_t bits, inverted;

	if (inet_parse(mask, &a) < 0 || a.v6 || a.prefix >= 0)
		return -EINVAL;
	bits = (uint32_t)a.bytes[0] << 24 | (uint32_t)a.bytes[1] << 16 | (uint32_t)a.bytes[2] << 8 |
	       a.bytes[3];
	inverted = ~bits;
	if ((inverted & (inverted + 1)) != 0)
		return -EINVAL;
	return __builtin_popcount(bits);
}

void
inet_prefix_mask(int prefix, char ret[16])
{
	uint32_t bits = prefix <= 0 ? 0 : ~UINT32_C(0) << (32 - prefix);

	(void)snprintf(
	    ret, 16, "%u.%u.%u.%u", bits >> 24, bits >> 16 & 255, bits >> 8 & 255, bits & 255);
}

void
inet_v4_text(const struct inet_addr *a, char ret[16])
{
	(void)snprintf(ret, 16, "%u.%u.%u.%u", a->bytes[0], a->bytes[1], a->bytes[2], a->bytes[3]);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
mac_canon(const char *text, char ret[MAC_TEXT_SIZE])
{
	unsigned octets[6];
	const char *s = text;

	for (unsigned i = 0; i < 6; i++) {
		if (i > 0 && *s++ != ':')
			return -EINVAL;
		if (hex_digit(*s) < 0)
			return -EINVAL;
		octets[i] = (unsigned)hex_digit(*s++);
		if (hex_digit(*s) >= 0)
			octets[i] = octets[i] << 4 | (unsigned)hex_digit(*s++);
	}
	if (*s != '\0')
		return -EINVAL;
	(void)snprintf(ret, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", octets[0] & 255,
	    octets[1] & 255, octets[2] & 255, octets[3] & 255, octets[4] & 255, octets[5] & 255);
	return 0;
}
