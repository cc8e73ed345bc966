/* vm/convert.c, vm/normalise.c, vm/rules.c */
#include <errno.h>

#include "vm/properties.h"
#include "vm_test.h"

/* "nics.mac" or "ram". */
static const struct prop *
row(const char *name)
{
	const char *dot = strchr(name, '.');
	auto_free char *top = dot ? xstrndup(name, (size_t)(dot - name)) : xstrdup(name);
	const struct prop *p = prop_find(top);

	p = dot ? prop_member(p, dot + 1) : p;
	if (!p)
		fail_msg("no row %s", name);
	return p;
}

static void
payload_values_become_canonical(void **state)
{
	static const struct {
		const char *name, *value, *want; /* want NULL: refused */
	} cases[] = {
		{ "hostname", "'a'", "'a'" },
		{ "hostname", "null", "null" },
		{ "hostname", "''", "null" },
		{ "hostname", "'  '", "null" },
		{ "hostname", "5", NULL },
		{ "hostname", "true", NULL },
		{ "hostname", "'a\\nb'", NULL },
		{ "hostname", "'a\\u0001'", NULL },
		{ "hostname", "'\\uffff'", NULL },
		{ "alias", "'a\\nb \\u00e4'", "'a\\nb \\u00e4'" },
		{ "ram", "512", "512" },
		{ "ram", "512.0", "512" },
		{ "ram", "'512'", "512" },
		{ "ram", "' 0x200 '", "512" },
		{ "ram", "0", "null" },
		{ "ram", "''", "null" },
		{ "ram", "null", "null" },
		{ "ram", "-1", NULL },
		{ "ram", "1.5", NULL },
		{ "ram", "'1.5'", NULL },
		{ "ram", "'abc'", NULL },
		{ "ram", "true", NULL },
		{ "ram", "[1]", NULL },
		{ "ram", "1e300", NULL },
		{ "ram", "9223372036854775807", NULL },
		{ "quota", "0", "0" },
		{ "quota", "'none'", NULL },
		{ "vcpus", "0", NULL },
		{ "vnc_port", "-1", "-1" },
		{ "vnc_port", "-2", NULL },
		{ "autoboot", "true", "true" },
		{ "autoboot", "'false'", "false" },
		{ "autoboot", "1", "true" },
		{ "autoboot", "'1'", "true" },
		{ "autoboot", "0", NULL },
		{ "autoboot", "'0'", NULL },
		{ "autoboot", "null", NULL },
		{ "autoboot", "'yes'", NULL },
		{ "do_not_inventory", "false", "null" },
		{ "uuid", "'0123abcd-0123-4567-89ab-0123456789ab'",
		    "'0123abcd-0123-4567-89ab-0123456789ab'" },
		{ "uuid", "'0123ABCD-0123-4567-89ab-0123456789ab'", NULL },
		{ "uuid", "null", NULL },
		{ "resolvers", "['8.8.8.8','::1']", "['8.8.8.8','::1']" },
		{ "resolvers", "'8.8.8.8,,1.1.1.1'", "['8.8.8.8','1.1.1.1']" },
		{ "resolvers", "''", "[]" },
		{ "resolvers", "['8.8.8.8/24']", NULL },
		{ "resolvers", "['a,b']", NULL },
		{ "resolvers", "[true]", NULL },
		{ "resolvers", "{}", NULL },
		{ "resolvers", "null", NULL },
		{ "tags", "{'a':1,'b':'x','c':true}", "{'a':1,'b':'x','c':true}" },
		{ "tags", "{'a':null}", NULL },
		{ "tags", "{'a':{}}", NULL },
		{ "tags", "[]", NULL },
		{ "routes", "{'10.0.0.0/8':'192.168.0.1','10.1.1.1':'nics[0]'}",
		    "{'10.0.0.0/8':'192.168.0.1','10.1.1.1':'nics[0]'}" },
		{ "routes", "{'10.0.0.0/7':'192.168.0.1'}", NULL },
		{ "routes", "{'10.0.0.0/8':'nics[x]'}", NULL },
		{ "routes", "{'10.0.0.0/8':'macs[0:0:0:0:0:1]'}",
		    "{'10.0.0.0/8':'macs[0:0:0:0:0:1]'}" },
		{ "routes", "{'10.0.0.0/8':'nics['}", NULL },
		{ "vnc_password", "'12345678'", "'12345678'" },
		{ "vnc_password", "'123456789'", NULL },
		{ "kernel_image", "'/boot/vmlinuz'", "'/boot/vmlinuz'" },
		{ "kernel_image", "'vmlinuz'", NULL },
		{ "kernel_image", "'/a\\nb'", NULL },
		{ "kernel_args", "'a=b c'", "'a=b c'" },
		{ "kernel_args", "'a\\nb'", NULL },
		{ "cpu_type", "'host,+vmx,x=on'", "'host,+vmx,x=on'" },
		{ "cpu_type", "'host;rm'", NULL },
		{ "restart_policy", "'always'", "'always'" },
		{ "restart_policy", "'sometimes'", NULL },
		{ "create_timestamp", "'2020-01-01T00:00:00.000Z'", NULL },
		{ "snapshots", "[]", NULL },
		{ "nics.mac", "'2:0:0:a:B:c'", "'02:00:00:0a:0b:0c'" },
		{ "nics.mac", "'02:00:00:0a:0b'", NULL },
		{ "nics.mac", "'02:00:00:0a:0b:0cc'", NULL },
		{ "nics.mac", "'02-00-00-0a-0b-0c'", NULL },
		{ "nics.vlan_id", "4095", "4095" },
		{ "nics.vlan_id", "0", "null" },
		{ "nics.vlan_id", "4096", NULL },
		{ "nics.mtu", "575", NULL },
		{ "nics.mtu", "9000", "9000" },
		{ "nics.nic_tag", "'a_1/b'", "'a_1/b'" },
		{ "nics.nic_tag", "'a b'", NULL },
		{ "nics.model", "'virtio,x=y'", NULL },
		{ "nics.ip", "'dhcp'", "'dhcp'" },
		{ "nics.ip", "'10.0.0.1'", "'10.0.0.1'" },
		{ "nics.ip", "'10.0.0.1/24'", NULL },
		{ "nics.ip", "'::1'", NULL },
		{ "nics.ips", "['dhcp','addrconf','10.0.0.1/8','fd00::1/64']",
		    "['dhcp','addrconf','10.0.0.1/8','fd00::1/64']" },
		{ "nics.ips", "['10.0.0.1']", NULL },
		{ "nics.ips", "['10.0.0.1/7']", NULL },
		{ "nics.ips", "['10.0.0.1/33']", NULL },
		{ "nics.ips", "['fd00::1/129']", NULL },
		{ "nics.netmask", "'255.255.254.0'", "'255.255.254.0'" },
		{ "nics.netmask", "'255.0.255.0'", NULL },
		{ "nics.gateway", "'10.0.0.1'", "'10.0.0.1'" },
		{ "nics.gateways", "['::1']", NULL },
		{ "disks.path", "'/zones/a/../b'", NULL },
		{ "disks.path", "'/zones//b'", NULL },
		{ "disks.path", "'zones'", NULL },
		{ "disks.path", "'/zones/a-disk0.qcow2'", "'/zones/a-disk0.qcow2'" },
		{ "disks.size", "0", "0" },
		{ "disks.media", "'floppy'", NULL },
		{ "disks.format", "'raw'", "'raw'" },
		{ "nics", "[{'mac':'2:0:0:0:0:1','x':1,'vlan_id':0}]",
		    "[{'mac':'02:00:00:00:00:01'}]" },
		{ "nics", "[5]", NULL },
		{ "nics", "{}", NULL },
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		json_auto_t *value = J(cases[i].value), *normal = NULL;
		struct err err = { 0 };
		int r = prop_normalise(row(cases[i].name), value, &normal, &err);
		auto_free char *name = xasprintf("%s %s", cases[i].name, cases[i].value);

		if (cases[i].want && r < 0)
			fail_msg("%s: refused: %s", name, err.msg);
		if (!cases[i].want && r != -EINVAL)
			fail_msg("%s: accepted", name);
		if (!cases[i].want && !*err.msg)
			fail_msg("%s: no sentence", name);
		if (cases[i].want)
			assert_json(name, normal, cases[i].want);
	}
}

static void
command_line_text_follows_the_type(void **state)
{
	static const struct {
		const char *name, *text, *want;
	} cases[] = {
		{ "ram", "512", "512" },
		{ "ram", "", "null" },
		{ "ram", "null", NULL },
		{ "autoboot", "false", "false" },
		{ "autoboot", "", NULL },
		{ "hostname", "null", "'null'" },
		{ "hostname", "\xff", NULL },
		{ "resolvers", "1.1.1.1", "['1.1.1.1']" },
		{ "tags", "{}", NULL },
		{ "nics", "[]", NULL },
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		json_auto_t *normal = NULL;
		int r = prop_from_text(row(cases[i].name), cases[i].text, &normal, NULL);

		if ((r == 0) != (cases[i].want != NULL))
			fail_msg("%s=%s: %d", cases[i].name, cases[i].text, r);
		if (cases[i].want)
			assert_json(cases[i].name, normal, cases[i].want);
	}
}

static void
xml_text_becomes_json(void **state)
{
	static const struct {
		const char *name, *text, *want;
	} cases[] = {
		{ "hostname", "", "''" },
		{ "autoboot", "true", "true" },
		{ "autoboot", "false", "false" },
		{ "autoboot", "True", "'True'" },
		{ "ram", "256", "256" },
		{ "ram", " 256.5 ", "256.5" },
		{ "ram", "1e3", "1000" },
		{ "ram", "0x10", "16" },
		{ "ram", "", "0" },
		{ "ram", "12a", "null" },
		{ "ram", "inf", "null" },
		{ "ram", "1e999", "null" },
		{ "ram", ".", "null" },
		{ "alias", "aMOk", "'h\xc3\xa4'" },
		{ "alias", "//4=", "'\xef\xbf\xbd\xef\xbf\xbd'" },
		{ "alias", "YQBi",
		    "'a\xef\xbf\xbd"
		    "b'" },
		{ "resolvers", "a,b", "['a','b']" },
		{ "resolvers", "", "['']" },
		{ "resolvers", "a,", "['a','']" },
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		json_auto_t *value = prop_from_xml(row(cases[i].name), cases[i].text);

		assert_json(cases[i].text, value, cases[i].want);
	}
}

static void
mib_values_are_bytes_in_xml(void **state)
{
	static const struct prop p = { .name = "x", .conv = CONV_MIB };
	json_auto_t *whole = prop_from_xml(&p, "268435456"), *part = prop_from_xml(&p, "1572864");
	auto_free char *text = prop_to_xml(&p, part);

	assert_json("whole", whole, "256");
	assert_json("part", part, "1.5");
	assert_string_equal(text, "1572864");
}

static void
json_becomes_xml_text_and_back(void **state)
{
	static const struct {
		const char *name, *value, *want; /* NULL: no attribute */
	} cases[] = {
		{ "hostname", "'a'", "a" },
		{ "autoboot", "false", "false" },
		{ "autoboot", "'True'", "True" },
		{ "ram", "256", "256" },
		{ "ram", "1.5", "1.5" },
		{ "ram", "null", NULL },
		{ "alias", "'h\xc3\xa4'", "aMOk" },
		{ "resolvers", "['a','b']", "a,b" },
		{ "resolvers", "[]", NULL },
		{ "nics.vlan_id", "5", "5" },
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		json_auto_t *value = J(cases[i].value), *back = NULL;
		auto_free char *text = prop_to_xml(row(cases[i].name), value);

		if (!str_eq(text, cases[i].want))
			fail_msg("%s %s: %s", cases[i].name, cases[i].value, str_or_empty(text));
		back = text ? prop_from_xml(row(cases[i].name), text) : NULL;
		if (back)
			assert_json(cases[i].name, back, cases[i].value);
	}
	assert_null(prop_to_xml(row("ram"), NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(payload_values_become_canonical),
		cmocka_unit_test(command_line_text_follows_the_type),
		cmocka_unit_test(xml_text_becomes_json),
		cmocka_unit_test(mib_values_are_bytes_in_xml),
		cmocka_unit_test(json_becomes_xml_text_and_back),
	};

	return cmocka_run_group_tests(tests, setup_json, NULL);
}
