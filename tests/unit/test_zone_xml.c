#include "private_root.h"

#include <errno.h>

#include "base/lock.h"
#include "base/str.h"
#include "host/zone_dir.h"
#include "host/zone_xml.h"

#define A "aaaaaaaa-0000-4000-8000-000000000001"

/* A file as another tool writes it: single quotes, comments, elements and attributes nobody here
 * knows. */
static const char foreign[] =
    "<?xml version='1.0'?>\n"
    "<!DOCTYPE zone PUBLIC \"-//Sun Microsystems Inc//DTD Zones//EN\" "
    "\"file:///usr/share/lib/xml/dtd/zonecfg.dtd.1\">\n"
    "<!-- by hand -->\n"
    "<zone name='" A "' zonepath='/zones/" A "' autoboot='false' brand='kvm' ip-type='exclusive' "
    "debugid='7'>\n"
    "  <attr name='alias' type='string' value='d2ViMQ=='/>\n"
    "  <attr name='ram' type='string' value='0x200'/>\n"
    "  <attr name='vm-autoboot' type='boolean' value='true'/>\n"
    "  <attr name='future-thing' type='string' value='x'/>\n"
    "  <attr name='hostname' type='string' value='first'/>\n"
    "  <attr name='hostname' type='string' value='second'/>\n"
    "  <attr name='vnc-port' type='string' value='junk'/>\n"
    "  <rctl name='zone.cpu-shares'><rctl-value priv='privileged' limit='100' "
    "action='none'/></rctl>\n"
    "  <!-- the network -->\n"
    "  <network mac-addr='02:08:20:00:00:02' physical='net1' global-nic='user' odd='1'>\n"
    "    <net-attr name='ip' value='10.0.0.2'/>\n"
    "    <!-- inside -->\n"
    "    <net-attr name='future' value='y'/>\n"
    "  </network>\n"
    "  <network mac-addr='02:08:20:00:00:01' physical='net0' global-nic='user' vlan-id='5'>\n"
    "    <net-attr name='primary' value='true'/>\n"
    "  </network>\n"
    "  <device match='/zones/" A "-disk0.qcow2'>\n"
    "    <net-attr name='boot' value='true'/>\n"
    "    <net-attr name='model' value='virtio'/>\n"
    "  </device>\n"
    "  <device match='0000:00:1f.0'><net-attr name='model' value='passthru'/></device>\n"
    "  <dataset name='zones/" A "/data'/>\n"
    "</zone>\n";

static json_t *
parse(const char *text)
{
	json_t *obj = NULL;
	struct err err = { 0 };
	int line;

	if (zone_xml_parse(text, strlen(text), "test", &obj, &line, &err) < 0)
		fail_msg("line %d: %s", line, err.msg);
	return obj;
}

static char *
render(const char *old, const json_t *obj)
{
	struct buf b = BUF_INIT;
	struct err err = { 0 };

	if (zone_xml_render(old, old ? strlen(old) : 0, obj, &b, &err) < 0)
		fail_msg("%s: %s", err.what, err.msg);
	return buf_take(&b);
}

static json_t *
object(const char *text)
{
	struct err err = { 0 };
	json_t *obj = json_parse(text, strlen(text), "test", &err);

	if (!obj)
		fail_msg("%s", err.msg);
	return obj;
}

static void
put(json_t *obj, const char *key, const char *value)
{
	json_put(obj, key, object(value));
}

static void
assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void
assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("\"%s\" is in:\n%s", part, text);
}

static void
values_come_from_where_the_table_says(void **state)
{
	json_auto_t *obj = parse(foreign);
	json_auto_t *nics =
	    object("[{\"interface\":\"net1\",\"mac\":\"02:08:20:00:00:02\",\"nic_tag\":"
	           "\"user\",\"ip\":\"10.0.0.2\"},{\"interface\":\"net0\",\"mac\":"
	           "\"02:08:20:00:00:01\",\"vlan_id\":5,\"nic_tag\":\"user\",\"primary\":true}]");
	json_auto_t *disks =
	    object("[{\"path\":\"/zones/" A "-disk0.qcow2\",\"boot\":true,\"model\":\"virtio\"}]");

	(void)state;
	assert_string_equal(json_member_str(obj, "zonename"), A);
	assert_string_equal(json_member_str(obj, "brand"), "kvm");
	assert_string_equal(json_member_str(obj, "alias"), "web1");
	assert_string_equal(json_member_str(obj, "hostname"), "second");
	assert_int_equal(json_member_int(obj, "ram", 0), 512);
	assert_int_equal(json_member_int(obj, "zonedid", 0), 7);
	assert_true(json_member_bool(obj, "autoboot", false));
	assert_true(json_equal(json_object_get(obj, "nics"), nics));
	assert_true(json_equal(json_object_get(obj, "disks"), disks));
}

static void
arrays_default_to_empty_ones(void **state)
{
	json_auto_t *kvm = parse("<zone name='x' brand='kvm'/>");
	json_auto_t *lx = parse("<zone name='x' brand='lx'/>");
	json_auto_t *unknown = parse("<zone name='x' brand='other'/>");

	(void)state;
	assert_true(json_is_array(json_object_get(kvm, "nics")));
	assert_true(json_is_array(json_object_get(kvm, "disks")));
	assert_true(json_is_array(json_object_get(lx, "nics")));
	assert_null(json_object_get(lx, "disks"));
	assert_null(json_object_get(unknown, "disks"));
	assert_string_equal(json_member_str(unknown, "brand"), "other");
}

static void
unusable_files_are_errors_with_file_and_line(void **state)
{
	static const struct {
		const char *text, *message;
		int line;
	} rows[] = {
		{ "", "no element", 1 },
		{ "<zone>\n</zon>", "mismatched", 2 },
		{ "<!-- -->\n<zone name='x'/>", "no brand", 2 },
		{ "<zone name='x' brand=''/>", "no brand", 1 },
		{ "\n\n<vm brand='kvm'/>", "<vm>", 3 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *obj = NULL;
		struct err err = { 0 };
		int line = -1;
		assert_int_equal(zone_xml_parse(rows[i].text, strlen(rows[i].text),
		                     "/etc/zones/x.xml", &obj, &line, &err),
		    -EINVAL);
		assert_null(obj);
		assert_string_equal(err.what, "/etc/zones/x.xml");
		if (!strstr(err.msg, rows[i].message) || line != rows[i].line)
			fail_msg("row %zu: line %d: %s", i, line, err.msg);
	}
}

static void
what_is_there_already_changes_no_byte(void **state)
{
	json_auto_t *obj = parse(foreign);

	(void)state;
	/* What composition adds. */
	json_put_bool(obj, "firewall_enabled", false);
	put(obj, "resolvers", "[]");
	json_put_bool(json_array_get(json_object_get(obj, "disks"), 0), "missing", true);
	json_put_int(json_array_get(json_object_get(obj, "disks"), 0), "size", 10240);
	auto_free char *text = render(foreign, obj);
	assert_string_equal(text, foreign);
}

static void
only_what_differs_is_edited_and_all_else_kept(void **state)
{
	json_auto_t *obj = parse(foreign);

	(void)state;
	json_put_str(obj, "alias", "db & <1>");
	json_put_str(obj, "hostname", "new");
	json_put_int(obj, "vcpus", 2);
	put(obj, "resolvers", "[\"8.8.8.8\",\"1.1.1.1\"]");
	(void)json_object_del(obj, "ram");
	json_t *nic = json_array_get(json_object_get(obj, "nics"), 0);
	json_put_str(nic, "ip", "10.0.0.9");
	json_put_int(nic, "vlan_id", 9);
	json_put_str(nic, "gateway", "10.0.0.1");
	auto_free char *text = render(foreign, obj);
	assert_contains(text, "<!-- by hand -->");
	assert_contains(text, "ip-type=\"exclusive\"");
	assert_contains(text, "<attr name=\"alias\" type=\"string\" value=\"ZGIgJiA8MT4=\"/>");
	assert_contains(text, "<attr name=\"hostname\" type=\"string\" value=\"first\"/>");
	assert_contains(text, "<attr name=\"hostname\" type=\"string\" value=\"new\"/>");
	assert_contains(text, "<attr name=\"future-thing\" type=\"string\" value=\"x\"/>");
	assert_contains(text, "\n  <attr name=\"vcpus\" type=\"string\" value=\"2\"/>\n");
	assert_contains(
	    text, "<attr name=\"resolvers\" type=\"string\" value=\"8.8.8.8,1.1.1.1\"/>");
	assert_lacks(text, "name=\"ram\"");
	assert_contains(text,
	    "  <network mac-addr=\"02:08:20:00:00:02\" physical=\"net1\" global-nic=\"user\" "
	    "odd=\"1\" "
	    "vlan-id=\"9\">\n    <net-attr name=\"ip\" value=\"10.0.0.9\"/>\n    <!-- inside -->\n"
	    "    <net-attr name=\"future\" value=\"y\"/>\n"
	    "    <net-attr name=\"gateway\" value=\"10.0.0.1\"/>\n  </network>\n");
	assert_contains(text, "<net-attr name=\"model\" value=\"passthru\"/>");
	assert_contains(text, "<dataset name=\"zones/" A "/data\"/>");
	assert_contains(text, "zone.cpu-shares");
	json_auto_t *again = parse(text);
	assert_true(json_equal(again, obj));
}

static void
elements_are_matched_by_identity(void **state)
{
	json_auto_t *obj = parse(foreign);
	json_t *nics = json_object_get(obj, "nics");

	(void)state;
	(void)json_array_remove(nics, 0);
	(void)json_array_append_new(nics,
	    object("{\"interface\":\"net2\",\"mac\":\"02:08:20:00:00:03\",\"nic_tag\":\"user\"}"));
	put(obj, "disks", "[]");
	auto_free char *text = render(foreign, obj);
	assert_lacks(text, "02:08:20:00:00:02");
	assert_lacks(text, "future\" value=\"y\"");
	assert_lacks(text, "disk0");
	assert_contains(text, "passthru");
	assert_contains(text, "02:08:20:00:00:01");
	assert_contains(text, "\n  <network physical=\"net2\" mac-addr=\"02:08:20:00:00:03\" "
	                      "global-nic=\"user\"/>\n</zone>\n");
	json_auto_t *again = parse(text);
	assert_true(json_equal(again, obj));
}

static void
a_new_file_has_the_usual_shape(void **state)
{
	json_auto_t *obj = object(
	    "{\"uuid\":\"" A "\",\"brand\":\"kvm\",\"zonepath\":\"/zones/" A "\",\"autoboot\":true,"
	    "\"ram\":1024,\"alias\":\"a\",\"state\":\"stopped\",\"tags\":{\"a\":1},"
	    "\"nics\":[{\"mac\":\"02:00:00:00:00:01\",\"interface\":\"net0\",\"primary\":true}],"
	    "\"disks\":[{\"path\":\"/zones/" A "-disk0.qcow2\",\"boot\":true,\"size\":5}]}");
	auto_free char *text = render(NULL, obj);

	(void)state;
	assert_string_equal(text,
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	    "<!DOCTYPE zone PUBLIC \"-//Sun Microsystems Inc//DTD Zones//EN\" "
	    "\"file:///usr/share/lib/xml/dtd/zonecfg.dtd.1\">\n"
	    "<!--\n    Made by vmnode. Change it with vmadm.\n-->\n"
	    "<zone name=\"" A "\" zonepath=\"/zones/" A "\" autoboot=\"false\" brand=\"kvm\">\n"
	    "  <attr name=\"vm-autoboot\" type=\"boolean\" value=\"true\"/>\n"
	    "  <attr name=\"alias\" type=\"string\" value=\"YQ==\"/>\n"
	    "  <attr name=\"ram\" type=\"string\" value=\"1024\"/>\n"
	    "  <device match=\"/zones/" A "-disk0.qcow2\">\n"
	    "    <net-attr name=\"boot\" value=\"true\"/>\n"
	    "  </device>\n"
	    "  <network physical=\"net0\" mac-addr=\"02:00:00:00:00:01\">\n"
	    "    <net-attr name=\"primary\" value=\"true\"/>\n"
	    "  </network>\n"
	    "</zone>\n");
	auto_free char *again = render(text, obj);
	assert_string_equal(again, text);
}

static void
values_xml_cannot_hold_are_refused_by_name(void **state)
{
	static const char *const values[] = { "\"a\\u0001b\"", "\"\\uffff\"" };
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		json_auto_t *obj = object("{\"uuid\":\"" A "\",\"brand\":\"kvm\"}");
		auto_buf struct buf b = BUF_INIT;
		put(obj, "hostname", values[i]);
		assert_int_equal(zone_xml_render(NULL, 0, obj, &b, &err), -EINVAL);
		assert_string_equal(err.what, "hostname");
		assert_int_equal(b.len, 0);
	}
}

static void
a_zone_needs_uuid_and_brand(void **state)
{
	json_auto_t *no_brand = object("{\"uuid\":\"" A "\"}"),
	            *no_uuid = object("{\"brand\":\"kvm\"}");
	auto_buf struct buf b = BUF_INIT;

	(void)state;
	assert_int_equal(zone_xml_render(NULL, 0, no_brand, &b, NULL), -EINVAL);
	assert_int_equal(zone_xml_render(NULL, 0, no_uuid, &b, NULL), -EINVAL);
}

static void
saving_the_same_does_not_touch_the_file(void **state)
{
	json_t *obj = NULL;
	struct fs_stamp stamp;

	(void)state;
	assert_int_equal(host_init(NULL), 0);
	assert_int_equal(zone_xml_load(A, &obj, &stamp, NULL, NULL), -ENOENT);
	root_puts(PATH_ZONES_ETC "/" A ".xml", foreign);
	assert_int_equal(zone_xml_load(A, &obj, &stamp, NULL, NULL), 0);
	struct fs_stamp before = root_stamp(PATH_ZONES_ETC "/" A ".xml");
	assert_true(fs_stamp_equal(&before, &stamp));
	assert_int_equal(zone_xml_save(A, obj, NULL), 0);
	struct fs_stamp after = root_stamp(PATH_ZONES_ETC "/" A ".xml");
	assert_true(fs_stamp_equal(&before, &after));
	json_put_str(obj, "hostname", "x");
	assert_int_equal(zone_xml_save(A, obj, NULL), 0);
	after = root_stamp(PATH_ZONES_ETC "/" A ".xml");
	assert_false(fs_stamp_equal(&before, &after));
	assert_int_equal(zone_xml_remove(A, NULL), 0);
	assert_int_equal(zone_xml_remove(A, NULL), 0);
	json_decref(obj);
}

static void
a_broken_file_is_not_overwritten(void **state)
{
	json_auto_t *obj = object("{\"uuid\":\"" A "\",\"brand\":\"kvm\"}");
	struct err err;

	(void)state;
	assert_int_equal(host_init(NULL), 0);
	root_puts(PATH_ZONES_ETC "/" A ".xml", "<zone brand='kvm'>");
	assert_int_equal(zone_xml_save(A, obj, &err), -EINVAL);
	auto_free char *text = root_gets(PATH_ZONES_ETC "/" A ".xml");
	assert_string_equal(text, "<zone brand='kvm'>");
	assert_int_equal(zone_xml_save("../x", obj, &err), -EINVAL);
	assert_int_equal(zone_xml_remove("../x", &err), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ROOT_TEST(values_come_from_where_the_table_says),
		ROOT_TEST(arrays_default_to_empty_ones),
		ROOT_TEST(unusable_files_are_errors_with_file_and_line),
		ROOT_TEST(what_is_there_already_changes_no_byte),
		ROOT_TEST(only_what_differs_is_edited_and_all_else_kept),
		ROOT_TEST(elements_are_matched_by_identity),
		ROOT_TEST(a_new_file_has_the_usual_shape),
		ROOT_TEST(values_xml_cannot_hold_are_refused_by_name),
		ROOT_TEST(a_zone_needs_uuid_and_brand),
		ROOT_TEST(saving_the_same_does_not_touch_the_file),
		ROOT_TEST(a_broken_file_is_not_overwritten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
