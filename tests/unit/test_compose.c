/* vm/compose.c, vm/compute.c */
#include <errno.h>

#include "vm/compose.h"
#include "vm_test.h"

#define ID "0123abcd-0123-4567-89ab-0123456789ab"

static void
zone_states_have_names(void **state)
{
	for (unsigned i = 0; i < ZONE_STATE_COUNT; i++) {
		enum zone_state s;

		assert_int_equal(zone_state_parse(zone_state_names[i], &s), 0);
		assert_int_equal(s, i);
	}
	assert_int_equal(zone_state_parse("x", &(enum zone_state){ 0 }), -EINVAL);
}

static const struct dataset *
find_volume(const void *arg, const char *path)
{
	const struct dataset *d = arg;

	return str_eq(d->mountpoint, path) ? d : NULL;
}

static struct vm_sources
sources(const char *xml)
{
	struct vm_sources s = {
		.uuid = ID, .has_row = true, .has_xml = true, .row_state = ZONE_INSTALLED
	};

	s.part[SRC_XML] = J(xml);
	return s;
}

static void
least_object_has_what_is_always_there(void **state)
{
	struct vm_sources s = sources("{'brand':'kvm'}");
	json_auto_t *obj = vm_compose(&s, NULL);

	assert_json_text("object", obj,
	    "{'zonename':'" ID
	    "','brand':'kvm','resolvers':[],'firewall_enabled':false,'disks':[],'nics':[],"
	    "'uuid':'" ID "','zone_state':'installed','zonepath':'/zones/" ID
	    "','hvm':true,'zoneid':null,"
	    "'zonedid':null,'state':'stopped','customer_metadata':{},'internal_metadata':{},'"
	    "routes':{},'tags':{},"
	    "'snapshots':[]}");
	vm_sources_done(&s);
}

static void
only_hardware_vms_show_empty_disks(void **state)
{
	struct vm_sources s = sources("{'brand':'joyent'}");
	json_auto_t *obj = vm_compose(&s, NULL);

	assert_null(json_object_get(obj, "disks"));
	assert_true(json_is_false(json_object_get(obj, "hvm")));
	vm_sources_done(&s);
}

static void
every_source_has_its_part(void **state)
{
	struct vm_sources s =
	    sources("{'brand':'kvm','ram':256,'zonedid':7,'provisioning':false,'unknown':1}");
	json_auto_t *obj = NULL;

	s.part[SRC_INDEX] = J("{'zonepath':'/zones/x','zonename':'" ID "'}");
	s.part[SRC_RUN] = J("{'zone_state':'running','zoneid':3,'pid':5,'boot_timestamp':'t','init_"
	                    "restarts':0,'quarantined':false}");
	s.part[SRC_EXIT] = J("{'exit_status':0,'exit_timestamp':'t'}");
	s.part[SRC_FILES] = J("{'last_modified':'t'}");
	s.part[SRC_SYSINFO] = J("{'server_uuid':'s'}");
	s.part[SRC_CONFIG] =
	    J("{'tags':{'a':1},'customer_metadata':{'b':2},'internal_metadata':{},'routes':{}}");
	obj = vm_compose(&s, NULL);
	assert_json("object", obj,
	    "{'zonename':'" ID "','brand':'kvm','ram':256,'resolvers':[],'firewall_enabled':false,'"
	    "disks':[],'nics':[],"
	    "'uuid':'" ID
	    "','zone_state':'running','zonepath':'/zones/x','hvm':true,'zoneid':3,'zonedid':7,"
	    "'last_modified':'t','server_uuid':'s','state':'running','boot_timestamp':'t','init_"
	    "restarts':0,'pid':5,"
	    "'customer_metadata':{'b':2},'internal_metadata':{},'routes':{},'tags':{'a':1},'"
	    "snapshots':[]}");
	vm_sources_done(&s);
}

static void
exit_is_shown_when_it_does_not_run(void **state)
{
	struct vm_sources s = sources("{'brand':'kvm'}");
	json_auto_t *obj = NULL;

	s.part[SRC_EXIT] = J("{'exit_status':-9,'exit_timestamp':'t'}");
	s.part[SRC_RUN] = J("{'quarantined':true}");
	obj = vm_compose(&s, NULL);
	assert_int_equal(json_member_int(obj, "exit_status", 0), -9);
	assert_string_equal(json_member_str(obj, "exit_timestamp"), "t");
	assert_true(json_is_true(json_object_get(obj, "quarantined")));
	vm_sources_done(&s);
}

static void
exit_of_an_earlier_run_is_not_that_of_this_one(void **state)
{
	struct vm_sources s = sources("{'brand':'kvm'}");
	json_auto_t *obj = NULL;

	s.part[SRC_EXIT] = J("{'exit_status':-9,'exit_timestamp':'2026-01-01T00:00:00.000Z'}");
	s.part[SRC_RUN] =
	    J("{'zone_state':'shutting_down','boot_timestamp':'2026-01-01T00:00:01.000Z'}");
	obj = vm_compose(&s, NULL);
	assert_null(json_object_get(obj, "exit_status"));
	assert_null(json_object_get(obj, "exit_timestamp"));
	vm_sources_done(&s);
}

static void
state_follows_its_rules(void **state)
{
	static const struct {
		const char *xml, *run, *want;
		enum zone_state row;
	} cases[] = {
		{ "{'brand':'kvm'}", "{}", "stopped", ZONE_INSTALLED },
		{ "{'brand':'kvm'}", "{}", "configured", ZONE_CONFIGURED },
		{ "{'brand':'kvm'}", "{'zone_state':'shutting_down'}", "shutting_down",
		    ZONE_INSTALLED },
		{ "{'brand':'kvm','provisioning':true}", "{}", "provisioning", ZONE_INSTALLED },
		{ "{'brand':'kvm','provisioning':true}", "{'zone_state':'running'}", "running",
		    ZONE_INSTALLED },
		{ "{'brand':'kvm','transition':'stopping:stopped:1'}", "{'zone_state':'running'}",
		    "stopping", ZONE_INSTALLED },
		{ "{'brand':'kvm','transition':'stopping:stopped'}", "{'zone_state':'running'}",
		    "running", ZONE_INSTALLED },
		{ "{'brand':'kvm','failed':'provisioning','transition':'a:b:1'}", "{}", "failed",
		    ZONE_INSTALLED },
		{ "{'brand':'kvm','failed':'false'}", "{'zone_state':'running'}", "failed",
		    ZONE_INSTALLED },
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct vm_sources s = sources(cases[i].xml);
		json_auto_t *obj = NULL;

		s.row_state = cases[i].row;
		s.part[SRC_RUN] = J(cases[i].run);
		obj = vm_compose(&s, NULL);
		if (!str_eq(json_member_str(obj, "state"), cases[i].want))
			fail_msg("%s: %s", cases[i].xml, json_member_str(obj, "state"));
		if (!json_object_get(obj, "failed"))
			assert_string_equal(vm_state_of(obj), cases[i].want);
		vm_sources_done(&s);
	}
}

static void
transition_is_split_and_joined(void **state)
{
	struct vm_sources s =
	    sources("{'brand':'kvm','transition':'stopping:stopped:1700000000000 '}");
	json_auto_t *obj = vm_compose(&s, NULL), *stored = vm_stored(obj);

	assert_null(json_object_get(obj, "transition"));
	assert_string_equal(json_member_str(obj, "transition_to"), "stopped");
	assert_int_equal(json_member_int(obj, "transition_expire", 0), 1700000000000);
	assert_string_equal(
	    json_member_str(stored, "transition"), "stopping:stopped:1700000000000");
	assert_null(json_object_get(stored, "transition_to"));
	vm_sources_done(&s);
}

static void
disks_show_their_volumes(void **state)
{
	struct vm_sources s = sources(
	    "{'brand':'kvm','disks':[{'model':'virtio','path':'/zones/u-disk10.qcow2'},"
	    "{'path':'/zones/u-disk2.qcow2','boot':true},{'path':'/other'},{'model':'ide'}]}");
	struct dataset volume = { .name = (char[]){ "zones/u-disk2" },
		.mountpoint = (char[]){ "/zones/u-disk2.qcow2" },
		.volsize = 1073741824 + 524288,
		.refreservation = 1048577,
		.block_size = 65536 };
	json_auto_t *obj = NULL;

	s.volume = find_volume;
	s.volume_arg = &volume;
	obj = vm_compose(&s, NULL);
	/* Without a number: 0, and so first, in document order. */
	assert_json_text("disks", json_object_get(obj, "disks"),
	    "[{'path':'/other','missing':true},{'model':'ide'},"
	    "{'path':'/zones/u-disk2.qcow2','boot':true,'zfs_filesystem':'zones/"
	    "u-disk2','zpool':'zones','size':1024.5,"
	    "'compression':'off','refreservation':2,'block_size':65536},"
	    "{'path':'/zones/u-disk10.qcow2','model':'virtio','missing':true}]");
	vm_sources_done(&s);
}

static void
nics_are_sorted_by_interface(void **state)
{
	struct vm_sources s = sources(
	    "{'brand':'kvm','nics':[{'mac':'a','interface':'net10'},{'interface':'net2','mac':'b'},"
	    "{'interface':'eth5','mac':'c'},{'interface':'net02x','mac':'d'}]}");
	json_auto_t *obj = vm_compose(&s, NULL);

	assert_json_text("nics", json_object_get(obj, "nics"),
	    "[{'interface':'eth5','mac':'c'},{'interface':'net02x','mac':'d'},{'interface':'net2','"
	    "mac':'b'},"
	    "{'interface':'net10','mac':'a'}]");
	vm_sources_done(&s);
}

static void
quota_and_names_come_from_the_root_dataset(void **state)
{
	struct vm_sources s = sources("{'brand':'kvm'}");
	struct dataset root = { .name = (char[]){ "zones/" ID }, .quota = INT64_C(3) << 29 };
	json_auto_t *obj = NULL;

	s.root = &root;
	obj = vm_compose(&s, NULL);
	assert_json("quota", json_object_get(obj, "quota"), "1.5");
	assert_string_equal(json_member_str(obj, "zfs_filesystem"), "zones/" ID);
	assert_string_equal(json_member_str(obj, "zpool"), "zones");
	vm_sources_done(&s);
}

static void
broken_source_keeps_the_last_good_object(void **state)
{
	struct vm_sources s = sources("{'brand':'kvm'}");
	json_auto_t *good = J("{'uuid':'u','ram':5}"), *obj = NULL;

	s.error = (struct load_error){ true, "/etc/zones/u.xml", 3, "syntax error" };
	obj = vm_compose(&s, good);
	assert_json("object", obj,
	    "{'uuid':'u','ram':5,'load_error':{'file':'/etc/zones/u.xml','line':3,'reason':'syntax "
	    "error'}}");
	assert_null(json_object_get(good, "load_error"));
	vm_sources_done(&s);
}

static void
broken_source_without_history_gives_a_minimal_object(void **state)
{
	struct vm_sources s = sources("{'brand':'kvm','ram':5,'nics':[{'mac':'a'}]}");
	json_auto_t *obj = NULL;

	s.error = (struct load_error){ true, "/f\xff", 0, "broken" };
	obj = vm_compose(&s, NULL);
	assert_json("object", obj,
	    "{'zonename':'" ID
	    "','brand':'kvm','resolvers':[],'firewall_enabled':false,'disks':[],'nics':[],"
	    "'uuid':'" ID "','zone_state':'installed','zonepath':'/zones/" ID
	    "','hvm':true,'zoneid':null,"
	    "'zonedid':null,'state':'configured','customer_metadata':{},'internal_metadata':{},'"
	    "routes':{},'tags':{},"
	    "'snapshots':[],'load_error':{'file':'/f\xef\xbf\xbd','line':0,'reason':'broken'}}");
	vm_sources_done(&s);
}

static void
other_users_do_not_see_secrets(void **state)
{
	json_auto_t *obj = J("{'ram':1,'vnc_password':'x','customer_metadata':{'a':1},'internal_"
	                     "metadata':{'b':2},'tags':{'c':3}}");
	json_auto_t *redacted = vm_redact(obj);

	assert_json("redacted", redacted,
	    "{'ram':1,'customer_metadata':{},'internal_metadata':{},'tags':{'c':3}}");
	assert_int_equal(json_object_size(obj), 5);
}

static void
type_is_made_for_list_and_lookup(void **state)
{
	json_auto_t *obj = J("{'brand':'bhyve'}"), *with = vm_with_virtual(obj), *none = J("{}"),
	            *same = vm_with_virtual(none);

	assert_json("type", with, "{'brand':'bhyve','type':'BHYV'}");
	assert_json("no brand", same, "{}");
	assert_null(json_object_get(obj, "type"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zone_states_have_names),
		cmocka_unit_test(least_object_has_what_is_always_there),
		cmocka_unit_test(only_hardware_vms_show_empty_disks),
		cmocka_unit_test(every_source_has_its_part),
		cmocka_unit_test(exit_is_shown_when_it_does_not_run),
		cmocka_unit_test(exit_of_an_earlier_run_is_not_that_of_this_one),
		cmocka_unit_test(state_follows_its_rules),
		cmocka_unit_test(transition_is_split_and_joined),
		cmocka_unit_test(disks_show_their_volumes),
		cmocka_unit_test(nics_are_sorted_by_interface),
		cmocka_unit_test(quota_and_names_come_from_the_root_dataset),
		cmocka_unit_test(broken_source_keeps_the_last_good_object),
		cmocka_unit_test(broken_source_without_history_gives_a_minimal_object),
		cmocka_unit_test(other_users_do_not_see_secrets),
		cmocka_unit_test(type_is_made_for_list_and_lookup),
	};

	return cmocka_run_group_tests(tests, setup_json, NULL);
}
