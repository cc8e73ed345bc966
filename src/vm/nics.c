/* NIC rules of create and update (vm-properties.md 4.1, vmadm.md 2.5). */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "vm/inet.h"
#include "vm/payload.h"
#include "vm/validate.h"
#include "json/json.h"

/* "<what> {the NIC as JSON}" */
static int
nic_error(const json_t *nic, const char *member, const char *sentence, struct err *err)
{
	auto_free char *text = json_text(nic);

	return err_set(err, -EINVAL, member, "%s: %s", sentence, text);
}

/* false when it was in the set already. */
static bool
set_add(json_t *set, const char *key)
{
	if (json_object_get(set, key))
		return false;
	json_put_bool(set, key, true);
	return true;
}

/* --- MAC addresses and names --- */

/* 02 in the first octet: locally administered, not multicast. */
static void
random_mac(char mac[MAC_TEXT_SIZE])
{
	char uuid[UUID_LEN + 1];
	auto_free char *text = NULL;

	uuid_random(uuid);
	text =
	    xasprintf("02:%.2s:%.2s:%.2s:%.2s:%.2s", uuid, uuid + 2, uuid + 4, uuid + 6, uuid + 9);
	(void)mac_canon(text, mac);
}

static int
fix_macs(json_t *nics, struct err *err)
{
	json_auto_t *used = json_object();
	char mac[MAC_TEXT_SIZE];
	json_t *nic;
	size_t i;

	json_array_foreach (nics, i, nic) {
		const char *text = json_member_str(nic, "mac");

		if (!text)
			continue;
		if (mac_canon(text, mac) < 0)
			return nic_error(nic, "mac", ".mac is not a MAC address", err);
		if (!set_add(used, mac))
			return err_set(err, -EEXIST, "mac",
			    "Cannot add multiple NICs with the same MAC: %s", mac);
		json_put_str(nic, "mac", mac);
	}
	json_array_foreach (nics, i, nic) {
		if (json_member_str(nic, "mac"))
			continue;
		do
			random_mac(mac);
		while (!set_add(used, mac));
		json_put_str(nic, "mac", mac);
	}
	return 0;
}

static int
fix_interfaces(json_t *nics, struct err *err)
{
	json_auto_t *used = json_object();
	unsigned next = 0;
	json_t *nic;
	size_t i;

	json_array_foreach (nics, i, nic) {
		const char *name = json_member_str(nic, "interface");

		if (name && !set_add(used, name))
			return err_set(err, -EEXIST, "interface",
			    "Cannot add multiple NICs with the same interface: %s", name);
	}
	json_array_foreach (nics, i, nic) {
		auto_free char *name = NULL;

		if (json_member_str(nic, "interface"))
			continue;
		do {
			free(name);
			name = xasprintf("net%u", next++);
		} while (!set_add(used, name));
		json_put_str(nic, "interface", name);
	}
	return 0;
}

static int
fix_models(json_t *vm, json_t *nics, struct err *err)
{
	const char *model = json_member_str(vm, "nic_driver");
	json_t *nic;
	size_t i;

	if (!brands[brand_of(json_member_str(vm, "brand"))].hvm)
		return 0;
	json_array_foreach (nics, i, nic) {
		if (!model)
			model = json_member_str(nic, "model");
	}
	json_array_foreach (nics, i, nic) {
		if (json_member_str(nic, "model"))
			continue;
		if (!model)
			return nic_error(
			    nic, "model", "Invalid NIC: .model is required (or nic_driver)", err);
		json_put_str(nic, "model", model);
	}
	return 0;
}

/* --- Addresses --- */

static bool
is_representative(const char *entry)
{
	struct inet_addr a;

	return str_eq(entry, "dhcp") || (inet_parse(entry, &a) == 0 && !a.v6);
}

/* ips from ip and netmask. */
static int
ips_from_ip(json_t *nic, struct err *err)
{
	const char *ip = json_member_str(nic, "ip"), *mask = json_member_str(nic, "netmask");
	auto_free char *entry = NULL;
	struct inet_addr a;

	if (!ip)
		return 0;
	if (inet_parse(ip, &a) == 0) {
		if (!mask)
			return nic_error(nic, "netmask", "Invalid NIC: .netmask is required", err);
		if (a.v6 || inet_mask_prefix(mask) < 0)
			return nic_error(nic, "ip", "Invalid IP for NIC", err);
		entry = xasprintf("%s/%d", ip, inet_mask_prefix(mask));
	} else {
		entry = xstrdup(ip);
	}
	json_put(nic, "ips", json_pack("[s]", entry));
	return 0;
}

/* ip and netmask from the first IPv4 address, or dhcp, of ips. */
static void
ip_from_ips(json_t *nic)
{
	const json_t *ips = json_object_get(nic, "ips"), *item;
	char text[16];
	size_t i;

	json_object_del(nic, "ip");
	json_object_del(nic, "netmask");
	json_array_foreach (ips, i, item) {
		const char *entry = json_string_value(item);
		struct inet_addr a;

		if (!entry || !is_representative(entry))
			continue;
		if (inet_parse(entry, &a) < 0) {
			json_put_str(nic, "ip", entry);
			return;
		}
		inet_v4_text(&a, text);
		json_put_str(nic, "ip", text);
		inet_prefix_mask(a.prefix < 0 ? 32 : a.prefix, text);
		json_put_str(nic, "netmask", text);
		return;
	}
}

static void
fix_gateways(json_t *nic)
{
	json_t *gateways = json_object_get(nic, "gateways");
	const char *gateway = json_member_str(nic, "gateway");

	if (!gateways && gateway) {
		json_put(nic, "gateways", json_pack("[s]", gateway));
	} else if (gateways && json_array_size(gateways) == 0) {
		json_object_del(nic, "gateways");
		json_object_del(nic, "gateway");
	} else if (gateways) {
		json_object_set(nic, "gateway", json_array_get(gateways, 0));
	}
}

static int
fix_addresses(json_t *nic, struct err *err)
{
	const json_t *ips = json_object_get(nic, "ips");
	int r = ips ? 0 : ips_from_ip(nic, err);

	if (r < 0)
		return r;
	ip_from_ips(nic);
	if (ips && json_array_size(ips) == 0)
		json_object_del(nic, "ips");
	fix_gateways(nic);
	return 0;
}

static int
check_same_ips(const json_t *nics, struct err *err)
{
	json_auto_t *used = json_object();
	const json_t *nic, *item;
	size_t i, j;

	json_array_foreach (nics, i, nic) {
		json_array_foreach (json_object_get(nic, "ips"), j, item) {
			const char *entry = str_or_empty(json_string_value(item));
			auto_free char *key = NULL;
			struct inet_addr a;

			if (inet_parse(entry, &a) < 0)
				continue;
			key = base64_encode(a.bytes, a.v6 ? 16 : 4);
			if (!set_add(used, key))
				return err_set(err, -EEXIST, "ips",
				    "Cannot add multiple NICs with the same IP: %.*s",
				    (int)strcspn(entry, "/"), entry);
		}
	}
	return 0;
}

/* --- Primary --- */

static bool
is_primary(const json_t *nic)
{
	return json_member_bool(nic, "primary", false);
}

int
nics_yield_primary(json_t *nics, const json_t *update, struct err *err)
{
	static const char *const verbs[] = { "update_nics", "add_nics" };
	unsigned n = 0;
	json_t *nic;
	size_t i;

	for (unsigned v = 0; v < ARRAY_LEN(verbs); v++) {
		json_array_foreach (json_object_get(update, verbs[v]), i, nic)
			n += is_primary(nic);
	}
	if (n > 1)
		return err_set(err, -EINVAL, "primary", "at most one NIC can be made primary");
	if (n == 1) {
		json_array_foreach (nics, i, nic)
			json_object_del(nic, "primary");
	}
	return 0;
}

/* 0: public static IPv4, 1: private one, 2: anything else. */
static unsigned
primary_rank(const json_t *nic)
{
	const json_t *item;
	unsigned best = 2;
	size_t i;

	json_array_foreach (json_object_get(nic, "ips"), i, item) {
		struct inet_addr a;
		unsigned rank;

		if (inet_parse(str_or_empty(json_string_value(item)), &a) < 0 || a.v6)
			continue;
		rank = inet_is_private_v4(&a) ? 1 : 0;
		best = rank < best ? rank : best;
	}
	return best;
}

void
nics_promote_primary(json_t *nics)
{
	json_t *nic, *best = NULL;
	size_t i;

	json_array_foreach (nics, i, nic) {
		if (is_primary(nic))
			return;
		if (!best || primary_rank(nic) < primary_rank(best))
			best = nic;
	}
	if (best)
		json_put_bool(best, "primary", true);
}

static int
fix_primary(json_t *nics, struct err *err)
{
	unsigned n = 0;
	json_t *nic;
	size_t i;

	json_array_foreach (nics, i, nic)
		n += is_primary(nic);
	if (n > 1)
		return err_set(
		    err, -EINVAL, "primary", "exactly one NIC of a VM is primary, not %u", n);
	if (n == 0 && json_array_size(nics) > 0)
		json_put_bool(json_array_get(nics, 0), "primary", true);
	return 0;
}

int
vm_fix_nics(json_t *vm, struct err *err)
{
	json_t *nics = json_object_get(vm, "nics"), *nic;
	size_t i;
	int r;

	json_array_foreach (nics, i, nic) {
		if (!json_member_str(nic, "nic_tag"))
			return nic_error(nic, "nic_tag", "Invalid NIC: .nic_tag is required", err);
		r = fix_addresses(nic, err);
		if (r < 0)
			return r;
	}
	r = fix_macs(nics, err);
	if (r == 0)
		r = fix_interfaces(nics, err);
	if (r == 0)
		r = fix_models(vm, nics, err);
	if (r == 0)
		r = check_same_ips(nics, err);
	return r == 0 ? fix_primary(nics, err) : r;
}

/* --- Changing one --- */

/* ip or netmask alone replace the one IPv4 entry of ips; the other of the two is kept. */
static int
merge_ip(json_t *nic, const json_t *changes, struct err *err)
{
	json_t *ips = json_object_get(nic, "ips"), *kept = json_array();
	const json_t *item;
	size_t i, found = 0;
	int r;

	json_array_foreach (ips, i, item) {
		if (is_representative(str_or_empty(json_string_value(item))))
			found++;
		else
			json_array_append_new(kept, json_deep_copy(item));
	}
	if (found > 1) {
		json_decref(kept);
		return nic_error(nic, "ip",
		    "Invalid IP for NIC: it does not have exactly one IPv4 address, use ips", err);
	}
	if (json_is_null(json_object_get(changes, "ip"))) {
		json_object_del(nic, "ip");
		json_object_del(nic, "netmask");
	}
	json_object_del(nic, "ips");
	r = ips_from_ip(nic, err);
	if (r == 0 && !json_object_get(nic, "ips"))
		json_put(nic, "ips", json_array());
	if (r == 0)
		json_array_extend(json_object_get(nic, "ips"), kept);
	json_decref(kept);
	return r;
}

int
element_merge(const struct prop *p, json_t *element, const json_t *changes, struct err *err)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)changes, key, value) {
		if (json_is_null(value))
			json_object_del(element, key);
		else
			json_object_set_new(element, key, json_deep_copy(value));
	}
	return 0;
}

int
nic_merge(const struct prop *p, json_t *nic, const json_t *changes, struct err *err)
{
	const json_t *gateway = json_object_get(changes, "gateway");
	bool has_ips = json_object_get(changes, "ips") != NULL;
	int r = element_merge(p, nic, changes, err);

	if (r == 0 && !has_ips &&
	    (json_object_get(changes, "ip") || json_object_get(changes, "netmask")))
		r = merge_ip(nic, changes, err);
	if (gateway && !json_object_get(changes, "gateways"))
		json_object_del(nic, "gateways");
	return r;
}
