/* Addresses and ports two VMs must not share (vm-properties.md 4.1). */
#include <errno.h>
#include <stdlib.h>

#include "base/str.h"
#include "vm/compose.h"
#include "vm/inet.h"
#include "vm/validate.h"
#include "json/json.h"

/* A failed VM that does not run holds nothing. */
static bool
counts(const json_t *other)
{
	return !str_eq(json_member_str(other, "state"), "failed") ||
	       str_eq(json_member_str(other, "zone_state"), zone_state_names[ZONE_RUNNING]);
}

static int
conflict(const json_t *other, const char *what, const char *value, struct err *err)
{
	return err_set(err, -EEXIST, what, "Conflict detected with another vm %s: %s %s is in use",
	    str_or_empty(json_member_str(other, "uuid")), what, value);
}

static bool
same_mac(const json_t *a, const json_t *b)
{
	const char *ta = json_member_str(a, "mac"), *tb = json_member_str(b, "mac");
	char ma[MAC_TEXT_SIZE], mb[MAC_TEXT_SIZE];

	return ta && tb && mac_canon(ta, ma) == 0 && mac_canon(tb, mb) == 0 && str_eq(ma, mb);
}

static bool
same_network(const json_t *a, const json_t *b)
{
	return str_eq(json_member_str(a, "nic_tag"), json_member_str(b, "nic_tag")) &&
	       json_member_int(a, "vlan_id", 0) == json_member_int(b, "vlan_id", 0);
}

/* An address of `a` that `b` has too, or NULL. */
static const char *
shared_ip(const json_t *a, const json_t *b)
{
	const json_t *ia, *ib;
	size_t i, j;

	json_array_foreach (json_object_get(a, "ips"), i, ia) {
		const char *text = str_or_empty(json_string_value(ia));
		struct inet_addr aa, ab;

		if (inet_parse(text, &aa) < 0)
			continue;
		json_array_foreach (json_object_get(b, "ips"), j, ib) {
			if (inet_parse(str_or_empty(json_string_value(ib)), &ab) == 0 &&
			    inet_same(&aa, &ab))
				return text;
		}
	}
	return NULL;
}

static int
check_nics(const json_t *vm, const json_t *other, struct err *err)
{
	const json_t *a, *b;
	size_t i, j;

	json_array_foreach (json_object_get(vm, "nics"), i, a) {
		json_array_foreach (json_object_get(other, "nics"), j, b) {
			const char *ip;

			if (same_mac(a, b))
				return conflict(other, "MAC", json_member_str(a, "mac"), err);
			ip = same_network(a, b) ? shared_ip(a, b) : NULL;
			if (ip)
				return conflict(other, "IP", ip, err);
		}
	}
	return 0;
}

int
vm_check_conflicts(const json_t *vm, const json_t *others, struct err *err)
{
	const char *uuid = json_member_str(vm, "uuid");
	int64_t port = json_member_int(vm, "vnc_port", 0);
	const json_t *other;
	size_t i;

	json_array_foreach (others, i, other) {
		int r;

		if ((uuid && str_eq(json_member_str(other, "uuid"), uuid)) || !counts(other))
			continue;
		r = check_nics(vm, other, err);
		if (r < 0)
			return r;
		if (port > 0 && json_member_int(other, "vnc_port", 0) == port)
			return err_set(err, -EEXIST, "vnc_port",
			    "Conflict detected with another vm %s: vnc_port %d is in use",
			    str_or_empty(json_member_str(other, "uuid")), (int)port);
	}
	return 0;
}
