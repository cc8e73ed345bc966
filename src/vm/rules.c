/* Rules of single properties (vm-properties.md 3, 4, 6.7). */
#include "vm/rules.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "vm/inet.h"
#include "vm/text.h"
#include "json/json.h"

#define VNC_PASSWORD_MAX 8 /* bytes a VNC server looks at */
#define NIC_IPS_MAX      20
#define NAME_MAX_BYTES   31
#define CPU_TYPE_MAX     256

/* Letters, digits and `extra` only. */
static bool
has_only(const char *s, const char *extra)
{
	for (; *s; s++) {
		if (!isascii((unsigned char)*s) ||
		    (!isalnum((unsigned char)*s) && !strchr(extra, *s)))
			return false;
	}
	return true;
}

static int
name_rule(const struct prop *p, const json_t *value, const char *extra, size_t max, struct err *err)
{
	if (json_string_length(value) > max)
		return err_set(err, -EINVAL, p->name, "must be at most %zu characters", max);
	if (!has_only(json_string_value(value), extra))
		return err_set(
		    err, -EINVAL, p->name, "may have letters, digits and %s only", extra);
	return 0;
}

int
rule_line(const struct prop *p, const json_t *value, struct err *err)
{
	if (!text_is_line(json_string_value(value)))
		return err_set(err, -EINVAL, p->name, "must not contain control characters");
	return 0;
}

int
rule_vnc_password(const struct prop *p, const json_t *value, struct err *err)
{
	if (json_string_length(value) > VNC_PASSWORD_MAX)
		return err_set(
		    err, -EINVAL, p->name, "must be at most %d characters", VNC_PASSWORD_MAX);
	return rule_line(p, value, err);
}

/* A model with features, as QEMU spells it: "host", "qemu64,+ssse3", "max,hv-relaxed=on". */
int
rule_cpu_type(const struct prop *p, const json_t *value, struct err *err)
{
	return name_rule(p, value, "-_.+,=", CPU_TYPE_MAX, err);
}

int
rule_name(const struct prop *p, const json_t *value, struct err *err)
{
	return name_rule(p, value, "-_", NAME_MAX_BYTES, err);
}

int
rule_nic_tag(const struct prop *p, const json_t *value, struct err *err)
{
	return name_rule(p, value, "_/", NAME_MAX_BYTES, err);
}

int
rule_interface(const struct prop *p, const json_t *value, struct err *err)
{
	return name_rule(p, value, "_", NAME_MAX_BYTES, err);
}

int
rule_mac(const struct prop *p, const json_t *value, struct err *err)
{
	char mac[MAC_TEXT_SIZE];

	if (mac_canon(json_string_value(value), mac) < 0)
		return err_set(
		    err, -EINVAL, p->name, "must be six hexadecimal octets with ':' between");
	return 0;
}

static bool
is_dynamic(const char *text)
{
	return str_eq(text, "dhcp") || str_eq(text, "addrconf");
}

int
rule_ip(const struct prop *p, const json_t *value, struct err *err)
{
	const char *text = json_string_value(value);
	struct inet_addr a;

	if (is_dynamic(text) || (inet_parse(text, &a) == 0 && !a.v6 && a.prefix < 0))
		return 0;
	return err_set(err, -EINVAL, p->name, "must be dhcp, addrconf or an IPv4 address");
}

int
rule_ips(const struct prop *p, const json_t *value, struct err *err)
{
	const json_t *item;
	size_t i;

	if (json_array_size(value) > NIC_IPS_MAX)
		return err_set(err, -EINVAL, p->name, "must be at most %d addresses", NIC_IPS_MAX);
	json_array_foreach (value, i, item) {
		const char *text = json_string_value(item);
		struct inet_addr a;

		if (is_dynamic(text))
			continue;
		if (inet_parse(text, &a) < 0 || a.prefix < 0 || (!a.v6 && a.prefix < 8))
			return err_set(err, -EINVAL, p->name,
			    "must be dhcp, addrconf or addresses with prefix length: %s", text);
	}
	return 0;
}

int
rule_netmask(const struct prop *p, const json_t *value, struct err *err)
{
	if (inet_mask_prefix(json_string_value(value)) < 0)
		return err_set(err, -EINVAL, p->name, "must be a contiguous IPv4 mask");
	return 0;
}

static int
check_gateway(const struct prop *p, const char *text, struct err *err)
{
	struct inet_addr a;

	if (inet_parse(text, &a) < 0 || a.v6 || a.prefix >= 0)
		return err_set(
		    err, -EINVAL, p->name, "Static gateways must be IPv4 addresses: %s", text);
	return 0;
}

int
rule_gateway(const struct prop *p, const json_t *value, struct err *err)
{
	const json_t *item;
	size_t i;
	int r = 0;

	if (json_is_string(value))
		return check_gateway(p, json_string_value(value), err);
	json_array_foreach (value, i, item) {
		r = check_gateway(p, json_string_value(item), err);
		if (r < 0)
			break;
	}
	return r;
}

int
rule_addresses(const struct prop *p, const json_t *value, struct err *err)
{
	const json_t *item;
	size_t i;

	json_array_foreach (value, i, item) {
		struct inet_addr a;

		if (inet_parse(json_string_value(item), &a) < 0 || a.prefix >= 0)
			return err_set(err, -EINVAL, p->name, "must be IP addresses: %s",
			    json_string_value(item));
	}
	return 0;
}

/* "nics[0]" or "macs[02:00:00:00:00:01]": link-local through that NIC. */
static bool
is_nic_gateway(const char *text)
{
	size_t len = strlen(text);
	bool is_nic = str_starts(text, "nics[");
	auto_free char *inner = NULL;
	char mac[MAC_TEXT_SIZE];
	int64_t n;

	if ((!is_nic && !str_starts(text, "macs[")) || text[len - 1] != ']')
		return false;
	inner = xstrndup(text + 5, len - 6);
	return is_nic ? str_to_int(inner, false, 0, 1000, &n) == 0 : mac_canon(inner, mac) == 0;
}

int
rule_routes(const struct prop *p, const json_t *value, struct err *err)
{
	const char *key;
	json_t *gateway;

	json_object_foreach ((json_t *)(uintptr_t)value, key, gateway) {
		const char *text = json_string_value(gateway);
		struct inet_addr a;

		if (inet_parse(key, &a) < 0 || a.v6 || (a.prefix >= 0 && a.prefix < 8))
			return err_set(err, -EINVAL, p->name, "Invalid route destination: %s", key);
		if (!text)
			return err_set(err, -EINVAL, p->name, "Invalid route gateway: of %s", key);
		if (!is_nic_gateway(text) && (inet_parse(text, &a) < 0 || a.v6 || a.prefix >= 0))
			return err_set(err, -EINVAL, p->name, "Invalid route gateway: %s", text);
	}
	return 0;
}

int
rule_disk_path(const struct prop *p, const json_t *value, struct err *err)
{
	const char *s = json_string_value(value);

	if (*s != '/' || strlen(s) > 4095)
		return err_set(err, -EINVAL, p->name, "must be an absolute path");
	while (*s == '/') {
		size_t len = strcspn(++s, "/");

		if (len == 0 || (len == 1 && s[0] == '.') || (len == 2 && strncmp(s, "..", 2) == 0))
			return err_set(
			    err, -EINVAL, p->name, "must not have empty, . or .. components");
		s += len;
	}
	return 0;
}

char *
canon_mac(const char *text)
{
	char mac[MAC_TEXT_SIZE];

	return mac_canon(text, mac) < 0 ? xstrdup(text) : xstrdup(mac);
}

int64_t
order_nic(const json_t *nic)
{
	const char *name = str_or_empty(json_member_str(nic, "interface"));
	int64_t n;

	if (!str_starts(name, "net") || !isdigit((unsigned char)name[3]) ||
	    str_to_int(name + 3, false, 0, INT64_MAX, &n) < 0)
		return 0;
	return n;
}

int64_t
order_disk(const json_t *disk)
{
	const char *path = str_or_empty(json_member_str(disk, "path"));
	const char *s = NULL;
	char *end;
	long long n;

	for (const char *at = path; (at = strstr(at, "disk")) != NULL; at++) {
		if (at > path && (at[-1] == '/' || at[-1] == '-'))
			s = at + strlen("disk");
	}
	if (!s || !isdigit((unsigned char)*s))
		return 0;
	n = strtoll(s, &end, 10);
	/* A file of pool driver dir has its format as suffix. */
	return *end == '\0' || (*end == '.' && !strchr(end, '/')) ? n : 0;
}
