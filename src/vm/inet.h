/* Addresses as text: what NIC rules, composition of ip/netmask/ips and conflict checks have in
 * common. */
#ifndef VM_INET_H
#define VM_INET_H

#include <stdbool.h>
#include <stdint.h>

struct inet_addr {
	bool v6;
	int prefix;        /* -1: the text had none */
	uint8_t bytes[16]; /* network order; IPv4 in the first four */
};

/* "192.0.2.1", "2001:db8::1/64"; strict. 0 or -EINVAL (also for a prefix outside 0..32 or 0..128).
 */
int inet_parse(const char *text, struct inet_addr *ret);
/* Same address, prefixes ignored. */
bool inet_same(const struct inet_addr *a, const struct inet_addr *b);
/* 10/8, 172.16/12, 192.168/16. */
bool inet_is_private_v4(const struct inet_addr *a);
/* Contiguous mask to prefix length: 0..32, or -EINVAL. */
int inet_mask_prefix(const char *mask);
/* "255.255.255.0" of 24. `ret` has room for 16 bytes. */
void inet_prefix_mask(int prefix, char ret[16]);
/* "192.0.2.1" of an IPv4 address. `ret` has room for 16 bytes. */
void inet_v4_text(const struct inet_addr *a, char ret[16]);

#define MAC_TEXT_SIZE 18
/* Six octets of one or two hex digits to lower-case two-digit form. 0 or -EINVAL. */
int mac_canon(const char *text, char ret[MAC_TEXT_SIZE]);

#endif
