/* vm/validate.c, vm/problems.c, vm/defaults.c, vm/nics.c, vm/disks.c, vm/payload_apply.c,
 * vm/conflicts.c */
#include <errno.h>

#include "vm/validate.h"
#include "vm_test.h"

static json_t *
check(enum vm_action action, const char *payload, struct vm_problems *problems)
{
	json_auto_t *json = J(payload);
	json_t *out = NULL;

	vm_payload_check(action, BRAND_KVM, json, &out, problems);
	return out;
}

static void
problems_are_named_as_validate_shows_them(void **state)
{
	static const struct {
		enum vm_action action;
		const char *payload, *bad_values, *bad_properties, *missing,
		    *sentence; /* NULL: fine */
	} cases[] = {
		{ VM_ACTION_CREATE, "{'brand':'kvm'}", "[]", "[]", "[]", NULL },
		{ VM_ACTION_CREATE, "{}", "[]", "[]", "['brand']",
		    "Missing required properties: brand" },
		{ VM_ACTION_CREATE, "{'brand':'kvm','ram':'x'}", "['ram']", "[]", "[]",
		    "Invalid value(s) for: ram (must be an integer)" },
		{ VM_ACTION_CREATE, "{'brand':'kvm','ram':-1,'vcpus':0}", "['ram','vcpus']", "[]",
		    "[]", "Invalid value(s) for: ram,vcpus" },
		{ VM_ACTION_CREATE, "{'brand':'kvm','nope':1,'state':'running','zonename':'x'}",
		    "[]", "['nope','state','zonename']", "[]", NULL },
		{ VM_ACTION_CREATE, "{'brand':'lx','kernel_image':'/k'}", "[]", "['kernel_image']",
		    "[]", NULL },
		{ VM_ACTION_CREATE, "{'brand':'kvm','nics':[{'mtu':1},{'mtu':2,'x':1},{'x':2}]}",
		    "['nics.*.mtu']", "['nics.*.x']", "[]",
		    "Invalid value(s) for: nics.*.mtu (must be from 576 to 9000 bytes)" },
		{ VM_ACTION_CREATE, "{'brand':'kvm','nics':{}}", "['nics']", "[]", "[]",
		    "Invalid value(s) for: nics (must be an array of objects)" },
		{ VM_ACTION_CREATE, "{'brand':'kvm','nics':[1]}", "['nics']", "[]", "[]",
		    "Invalid value(s) for: nics (must be an array of objects)" },
		{ VM_ACTION_CREATE, "{'brand':'kvm','disks':[{'size':1},{'model':'virtio'}]}", "[]",
		    "[]", "['disks.1.size']", "Missing required properties: disks.1.size" },
		{ VM_ACTION_CREATE, "{'brand':'kvm','disks':[{'media':'cdrom'},{'nocreate':true}]}",
		    "[]", "[]", "['disks.0.path','disks.1.path']",
		    "Missing required properties: disks.0.path,disks.1.path" },
		{ VM_ACTION_CREATE, "{'brand':'kvm','disks':[{'media':'cdrom','path':'/a.iso'}]}",
		    "[]", "[]", "[]", NULL },
		{ VM_ACTION_CREATE, "{'brand':'kvm','disks':[{'size':1,'path':'/zones/other'}]}",
		    "[]", "['disks.*.path']", "[]", NULL },
		{ VM_ACTION_CREATE, "{'brand':'kvm','disks':[{'size':1,'model':'nvme'}]}",
		    "['disks.*.model']", "[]", "[]",
		    "Invalid value(s) for: disks.*.model (is not a model of this brand)" },
		{ VM_ACTION_CREATE, "{'brand':'bhyve','disks':[{'size':1,'model':'nvme'}]}", "[]",
		    "[]", "[]", NULL },
		{ VM_ACTION_CREATE, "{'brand':'kvm','add_nics':[]}", "[]", "['add_nics']", "[]",
		    NULL },
		{ VM_ACTION_CREATE, "{'brand':'kvm','nics':[],'add_nics':[]}", "['add_nics']", "[]",
		    "[]", "Cannot specify both nics and add_nics" },
		{ VM_ACTION_CREATE, "{'brand':'kvm','vnc_password':'123456789'}",
		    "['vnc_password']", "[]", "[]",
		    "Invalid value(s) for: vnc_password (must be at most 8 characters)" },
		{ VM_ACTION_CREATE,
		    "{'brand':'kvm','nics':[{'ip':'10.0.0.1','ips':['10.0.0.2/24']}]}",
		    "['nics.*.ip']", "[]", "[]",
		    "Invalid value(s) for: nics.*.ip (is not one of ips)" },
		{ VM_ACTION_CREATE, "[]", "['payload']", "[]", "[]",
		    "The payload must be a JSON object." },
		{ VM_ACTION_UPDATE, "{}", "[]", "[]", "[]", NULL },
		{ VM_ACTION_UPDATE, "{'brand':'kvm','uuid':1,'nics':5,'tags':{},'hvm':true}", "[]",
		    "['brand','uuid','nics','tags','hvm']", "[]", NULL },
		{ VM_ACTION_UPDATE, "{'add_nics':{}}", "['add_nics']", "[]", "[]",
		    "add_nics must be an array." },
		{ VM_ACTION_UPDATE, "{'remove_tags':'a'}", "['remove_tags']", "[]", "[]",
		    "remove_tags must be an array." },
		{ VM_ACTION_UPDATE, "{'set_tags':[]}", "['set_tags']", "[]", "[]",
		    "Invalid value(s) for: set_tags (must be an object)" },
		{ VM_ACTION_UPDATE, "{'add_tags':[],'set_nics':{},'update_routes':[],'add_':1}",
		    "[]", "['add_tags','set_nics','update_routes','add_']", "[]", NULL },
		{ VM_ACTION_UPDATE, "{'update_nics':[{'mtu':1500}]}", "['nics.*.mac']", "[]", "[]",
		    "Invalid value(s) for: nics.*.mac (is required to say which element changes)" },
		{ VM_ACTION_UPDATE, "{'update_nics':[{'mac':'2:0:0:0:0:1','primary':false}]}",
		    "['nics.*.primary']", "[]", "[]",
		    "Invalid value(s) for: nics.*.primary (can only be set to true, which clears "
		    "it elsewhere)" },
		{ VM_ACTION_UPDATE, "{'update_nics':[{'mac':'2:0:0:0:0:1','interface':'net9'}]}",
		    "[]", "['nics.*.interface']", "[]", NULL },
		{ VM_ACTION_UPDATE, "{'remove_nics':['x',{},'2:0:0:0:0:1']}", "['remove_nics']",
		    "[]", "[]",
		    "Invalid value(s) for: remove_nics (must be six hexadecimal octets with ':' "
		    "between)" },
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct vm_problems p;
		json_auto_t *out = check(cases[i].action, cases[i].payload, &p);
		struct err err = { 0 };

		assert_non_null(out);
		assert_json(cases[i].payload, p.bad_values, cases[i].bad_values);
		assert_json(cases[i].payload, p.bad_properties, cases[i].bad_properties);
		assert_json(cases[i].payload, p.missing_properties, cases[i].missing);
		if (vm_problems_fatal(&p) != (cases[i].sentence != NULL))
			fail_msg("%s: fatal or not", cases[i].payload);
		if (cases[i].sentence) {
			assert_int_equal(vm_problems_err(&p, &err), -EINVAL);
			assert_string_equal(err.msg, cases[i].sentence);
		}
		vm_problems_done(&p);
	}
}

static void
unknown_brand_is_the_only_problem(void **state)
{
	struct vm_problems p;
	struct err err;

	json_decref(check(VM_ACTION_CREATE, "{'brand':'xen','ram':'x'}", &p));
	json_auto_t *json = vm_problems_json(&p);
	assert_json("json", json, "{'bad_brand':'xen'}");
	assert_true(vm_problems_fatal(&p));
	assert_int_equal(vm_problems_err(&p, &err), -EINVAL);
	assert_string_equal(err.msg, "Invalid brand while validating payload: xen");
	vm_problems_done(&p);
}

static void
validate_shows_all_three_arrays(void **state)
{
	struct vm_problems p;

	json_decref(check(VM_ACTION_CREATE, "{'brand':'kvm'}", &p));
	json_auto_t *json = vm_problems_json(&p);
	assert_json("json", json, "{'bad_values':[],'bad_properties':[],'missing_properties':[]}");
	vm_problems_done(&p);
}

static void
checked_payload_is_canonical(void **state)
{
	struct vm_problems p;
	json_auto_t *out = check(VM_ACTION_UPDATE,
	    "{'ram':'512','alias':'','x':1,'set_tags':{'a':1},'remove_nics':['2:0:0:0:0:A'],'"
	    "remove_tags':[5,'b,c'],"
	    "'update_nics':[{'mac':'2:0:0:0:0:1','gateway':null,'y':1}],'add_nics':[{'nic_tag':'a',"
	    "'vlan_id':0}]}",
	    &p);

	assert_false(vm_problems_fatal(&p));
	assert_json("update", out,
	    "{'ram':512,'alias':null,'set_tags':{'a':1},'remove_nics':['02:00:00:00:00:0a'],"
	    "'remove_tags':['5','b,c'],'update_nics':[{'mac':'02:00:00:00:00:01','gateway':null}],"
	    "'add_nics':[{'nic_tag':'a'}]}");
	vm_problems_done(&p);
}

static void
defaults_of_create_come_from_the_table(void **state)
{
	json_auto_t *payload =
	    J("{'brand':'kvm','ram':512,'disks':[{'size':1},{'media':'cdrom','path':'/a'}]}");

	vm_payload_defaults(BRAND_KVM, payload);
	assert_int_equal(strlen(json_member_str(payload, "create_timestamp")), 24);
	json_object_del(payload, "create_timestamp");
	assert_json("defaults", payload,
	    "{'brand':'kvm','ram':512,'disks':[{'size':1,'media':'disk','format':'qcow2'},"
	    "{'media':'cdrom','path':'/a','format':'raw'}],'autoboot':true,"
	    "'owner_uuid':'00000000-0000-0000-0000-000000000000',"
	    "'billing_id':'00000000-0000-0000-0000-000000000000','v':1,'vcpus':1,'quota':10,'zpool'"
	    ":'zones'}");
}

/* Rules of create on a whole object; `want` NULL: refused with a sentence that contains `sentence`.
 */
struct fix_case {
	const char *vm, *want, *sentence;
};

static void
run_fix(const struct fix_case *c, const char *member, int (*fix)(json_t *, struct err *))
{
	json_auto_t *vm = J(c->vm);
	struct err err = { 0 };
	int r = fix(vm, &err);

	if ((r == 0) != (c->want != NULL))
		fail_msg("%s: %d %s", c->vm, r, err.msg);
	if (c->want)
		assert_json(c->vm, json_object_get(vm, member), c->want);
	else if (!strstr(err.msg, c->sentence))
		fail_msg("%s: %s", c->vm, err.msg);
}

#define NIC1 "'mac':'02:00:00:00:00:01','interface':'net0','nic_tag':'a','model':'virtio'"
#define NIC2 "'mac':'02:00:00:00:00:02','interface':'net1','nic_tag':'a','model':'virtio'"

static void
nics_are_completed_and_made_consistent(void **state)
{
	static const struct fix_case cases[] = {
		{ "{'brand':'kvm'}", "null", NULL },
		{ "{'brand':'kvm','nics':[]}", "[]", NULL },
		{ "{'brand':'kvm','nics':[{" NIC1 "}]}", "[{" NIC1 ",'primary':true}]", NULL },
		{ "{'brand':'kvm','nic_driver':'e1000','nics':[{'nic_tag':'a','mac':'2:0:0:0:0:9'},"
		  "{'nic_tag':'b','mac':'2:0:0:0:0:8','interface':'net0','primary':true}]}",
		    "[{'nic_tag':'a','mac':'02:00:00:00:00:09','interface':'net1','model':'e1000'},"
		    "{'nic_tag':'b','mac':'02:00:00:00:00:08','interface':'net0','primary':true,'"
		    "model':'e1000'}]",
		    NULL },
		{ "{'brand':'kvm','nics':[{" NIC1
		  ",'ip':'10.0.0.5','netmask':'255.255.255.0','gateway':'10.0.0.1'}]}",
		    "[{" NIC1 ",'ip':'10.0.0.5','netmask':'255.255.255.0','ips':['10.0.0.5/"
		    "24'],'gateway':'10.0.0.1',"
		    "'gateways':['10.0.0.1'],'primary':true}]",
		    NULL },
		{ "{'brand':'kvm','nics':[{" NIC1
		  ",'ips':['fd00::1/64','10.0.0.5/8'],'gateways':['10.0.0.1','10.0.0.2']}]}",
		    "[{" NIC1
		    ",'ips':['fd00::1/64','10.0.0.5/8'],'ip':'10.0.0.5','netmask':'255.0.0.0',"
		    "'gateways':['10.0.0.1','10.0.0.2'],'gateway':'10.0.0.1','primary':true}]",
		    NULL },
		{ "{'brand':'kvm','nics':[{" NIC1 ",'ip':'dhcp'}]}",
		    "[{" NIC1 ",'ip':'dhcp','ips':['dhcp'],'primary':true}]", NULL },
		{ "{'brand':'kvm','nics':[{" NIC1 ",'ips':['addrconf']}]}",
		    "[{" NIC1 ",'ips':['addrconf'],'primary':true}]", NULL },
		{ "{'brand':'kvm','nics':[{" NIC1 ",'ips':[],'ip':'10.0.0.1'}]}",
		    "[{" NIC1 ",'primary':true}]", NULL },
		{ "{'brand':'kvm','nics':[{'mac':'02:00:00:00:00:01','model':'virtio'}]}", NULL,
		    ".nic_tag" },
		{ "{'brand':'kvm','nics':[{'mac':'02:00:00:00:00:01','nic_tag':'a'}]}", NULL,
		    ".model" },
		{ "{'brand':'kvm','nics':[{" NIC1 ",'ip':'10.0.0.5'}]}", NULL, ".netmask" },
		{ "{'brand':'kvm','nics':[{" NIC1 "},{" NIC1 "}]}", NULL,
		    "Cannot add multiple NICs with the same MAC: 02:00:00:00:00:01" },
		{ "{'brand':'kvm','nics':[{" NIC1 ",'ips':['10.0.0.1/8']},{" NIC2
		  ",'ips':['10.0.0.1/24']}]}",
		    NULL, "Cannot add multiple NICs with the same IP: 10.0.0.1" },
		{ "{'brand':'kvm','nics':[{" NIC1 ",'primary':true},{" NIC2 ",'primary':true}]}",
		    NULL, "primary" },
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		json_auto_t *vm = J(cases[i].vm);

		if (json_object_get(vm, "nics") || !cases[i].want)
			run_fix(&cases[i], "nics", vm_fix_nics);
	}
}

static void
absent_macs_are_random_and_locally_administered(void **state)
{
	json_auto_t *vm = J("{'brand':'joyent','nics':[{'nic_tag':'a'},{'nic_tag':'a'}]}");
	const char *a, *b;

	assert_int_equal(vm_fix_nics(vm, NULL), 0);
	a = json_member_str(json_array_get(json_object_get(vm, "nics"), 0), "mac");
	b = json_member_str(json_array_get(json_object_get(vm, "nics"), 1), "mac");
	assert_int_equal(strlen(a), 17);
	assert_int_equal(strncmp(a, "02:", 3), 0);
	assert_string_not_equal(a, b);
}

static void
disks_get_models_and_one_boots(void **state)
{
	static const struct fix_case cases[] = {
		{ "{'brand':'kvm','disk_driver':'ide','disks':[{'size':1}]}",
		    "[{'size':1,'model':'ide'}]", NULL },
		{ "{'brand':'kvm','disks':[{'size':1,'model':'scsi'},{'size':2}]}",
		    "[{'size':1,'model':'scsi'},{'size':2,'model':'scsi'}]", NULL },
		{ "{'brand':'kvm','disks':[{'size':1}]}", NULL, ".model" },
		{ "{'brand':'kvm','disk_driver':'nvme','disks':[{'size':1}]}", NULL, "nvme" },
		{ "{'brand':'kvm','disks':[{'model':'ide','boot':true},{'model':'ide','boot':true}]"
		  "}",
		    NULL, "multiple boot disks" },
		{ "{'brand':'kvm','disks':[{'model':'ide','path':'/a'},{'model':'ide','path':'/"
		  "a'}]}",
		    NULL, "/a" },
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
		run_fix(&cases[i], "disks", vm_fix_disks);
}

/* --- Updates --- */

#define VM                                                                                         \
	"{'uuid':'u','brand':'kvm','ram':256,'alias':'a','quota':10,'state':'stopped','resolvers'" \
	":['1.1.1.1'],"                                                                            \
	"'tags':{'a':1,'b':2},'disks':[{'path':'/d0','model':'virtio','boot':true,'size':5}],"     \
	"'nics':[{" NIC1                                                                           \
	",'ips':['10.0.0.1/24'],'ip':'10.0.0.1','netmask':'255.255.255.0','primary':true},"        \
	"{" NIC2 ",'ips':['8.8.8.8/24'],'ip':'8.8.8.8','netmask':'255.255.255.0'}]}"
#define IP1 "'ips':['10.0.0.1/24'],'ip':'10.0.0.1','netmask':'255.255.255.0'"
#define IP2 "'ips':['8.8.8.8/24'],'ip':'8.8.8.8','netmask':'255.255.255.0'"

static void
updates_change_what_they_name(void **state)
{
	static const struct {
		const char *name, *update, *member,
		    *want; /* want NULL: absent; member NULL: refused, want in it */
	} cases[] = {
		{ "set", "{'ram':512}", "ram", "512" },
		{ "unset", "{'alias':null}", "alias", NULL },
		{ "unset quota is 0", "{'quota':null}", "quota", "0" },
		{ "empty list", "{'resolvers':[]}", "resolvers", "[]" },
		{ "kept", "{'ram':512}", "tags", "{'a':1,'b':2}" },
		{ "set map", "{'set_tags':{'a':3,'c':4}}", "tags", "{'a':3,'b':2,'c':4}" },
		{ "remove from map", "{'remove_tags':['a','zzz']}", "tags", "{'b':2}" },
		{ "removal comes first", "{'set_tags':{'a':9},'remove_tags':['a']}", "tags",
		    "{'a':9,'b':2}" },
		{ "map that was absent", "{'set_customer_metadata':{'x':'y'}}", "customer_metadata",
		    "{'x':'y'}" },
		{ "new primary clears the old one",
		    "{'update_nics':[{'mac':'02:00:00:00:00:02','primary':true}]}", "nics",
		    "[{" NIC1 "," IP1 "},{" NIC2 "," IP2 ",'primary':true}]" },
		{ "removed primary has a successor", "{'remove_nics':['02:00:00:00:00:01']}",
		    "nics", "[{" NIC2 "," IP2 ",'primary':true}]" },
		{ "public address is promoted before private",
		    "{'remove_nics':['02:00:00:00:00:01'],'add_nics':[{'mac':'02:00:00:00:00:03','"
		    "nic_tag':'a','ips':"
		    "['192.168.0.1/24']}]}",
		    "nics",
		    "[{" NIC2 "," IP2 ",'primary':true},{'mac':'02:00:00:00:00:03','nic_tag':'a','"
		    "ips':['192.168.0.1/24'],"
		    "'ip':'192.168.0.1','netmask':'255.255.255.0','interface':'net0','model':'"
		    "virtio'}]" },
		{ "ip alone keeps the mask",
		    "{'update_nics':[{'mac':'02:00:00:00:00:01','ip':'10.0.0.9'}]}", "nics",
		    "[{" NIC1 ",'ips':['10.0.0.9/"
		    "24'],'ip':'10.0.0.9','netmask':'255.255.255.0','primary':true},"
		    "{" NIC2 "," IP2 "}]" },
		{ "mask alone keeps the ip",
		    "{'update_nics':[{'mac':'02:00:00:00:00:01','netmask':'255.0.0.0'}]}", "nics",
		    "[{" NIC1
		    ",'ips':['10.0.0.1/8'],'ip':'10.0.0.1','netmask':'255.0.0.0','primary':true},"
		    "{" NIC2 "," IP2 "}]" },
		{ "empty ips", "{'update_nics':[{'mac':'02:00:00:00:00:01','ips':[]}]}", "nics",
		    "[{" NIC1 ",'primary':true},{" NIC2 "," IP2 "}]" },
		{ "unset ip", "{'update_nics':[{'mac':'02:00:00:00:00:01','ip':null}]}", "nics",
		    "[{" NIC1 ",'primary':true},{" NIC2 "," IP2 "}]" },
		{ "gateway", "{'update_nics':[{'mac':'02:00:00:00:00:02','gateway':'8.8.8.1'}]}",
		    "nics",
		    "[{" NIC1 "," IP1 ",'primary':true},{" NIC2 "," IP2
		    ",'gateway':'8.8.8.1','gateways':['8.8.8.1']}]" },
		{ "disk member", "{'update_disks':[{'path':'/d0','boot':false}]}", "disks",
		    "[{'path':'/d0','model':'virtio','boot':false,'size':5}]" },
		{ "added disk", "{'add_disks':[{'size':7}]}", "disks",
		    "[{'path':'/d0','model':'virtio','boot':true,'size':5},"
		    "{'size':7,'model':'virtio','media':'disk','format':'qcow2'}]" },
		{ "removed disk", "{'remove_disks':['/d0']}", "disks", "[]" },
		{ "unknown MAC", "{'update_nics':[{'mac':'02:00:00:00:00:09','mtu':1500}]}", NULL,
		    "No NIC with mac 02:00:00:00:00:09 exists" },
		{ "unknown MAC to remove", "{'remove_nics':['02:00:00:00:00:09']}", NULL,
		    "No NIC with mac" },
		{ "unknown path", "{'update_disks':[{'path':'/x'}]}", NULL,
		    "No disk with path /x exists" },
		{ "two primaries", "{'add_nics':[{'primary':true},{'primary':true}]}", NULL,
		    "at most one" },
		{ "not an array", "{'remove_nics':'x'}", NULL, "remove_nics must be an array." },
		{ "used MAC", "{'add_nics':[{'nic_tag':'a','mac':'02:00:00:00:00:01'}]}", NULL,
		    "same MAC" },
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		json_auto_t *vm = J(VM), *before = J(VM), *update = J(cases[i].update), *out = NULL;
		struct err err = { 0 };
		int r = vm_payload_apply(vm, update, &out, &err);

		assert_true(json_equal(vm, before));
		if ((r == 0) != (cases[i].member != NULL))
			fail_msg("%s: %d %s", cases[i].name, r, err.msg);
		if (!cases[i].member && !strstr(err.msg, cases[i].want))
			fail_msg("%s: %s", cases[i].name, err.msg);
		if (cases[i].member && cases[i].want)
			assert_json(
			    cases[i].name, json_object_get(out, cases[i].member), cases[i].want);
		else if (cases[i].member)
			assert_null(json_object_get(out, cases[i].member));
	}
}

static void
nic_with_two_addresses_needs_ips(void **state)
{
	json_auto_t *vm =
	                J("{'brand':'kvm','nics':[{" NIC1 ",'ips':['10.0.0.1/8','10.0.0.2/8']}]}"),
	            *out = NULL;
	json_auto_t *update = J("{'update_nics':[{'mac':'02:00:00:00:00:01','ip':'10.0.0.3'}]}");
	struct err err = { 0 };

	assert_int_equal(vm_payload_apply(vm, update, &out, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "exactly one IPv4"));
}

static void
update_keeps_a_transition(void **state)
{
	json_auto_t *vm = J(
	    "{'brand':'kvm','state':'stopping','transition_to':'stopped','transition_expire':17}");
	json_auto_t *update = J("{'ram':5}"), *out = NULL;

	assert_int_equal(vm_payload_apply(vm, update, &out, NULL), 0);
	assert_json("stored", out,
	    "{'brand':'kvm','state':'stopping','transition':'stopping:stopped:17','ram':5}");
}

static void
conflicts_with_other_vms_are_found(void **state)
{
	static const char vm[] =
	    "{'uuid':'a','vnc_port':5900,'nics':[{'mac':'02:00:00:00:00:01','nic_tag':'t',"
	    "'vlan_id':3,'ips':['10.0.0.1/24','dhcp']}]}";
	static const struct {
		const char *other, *what; /* NULL: no conflict */
	} cases[] = {
		{ "{'uuid':'b','nics':[{'mac':'2:0:0:0:0:1'}]}", "MAC 02:00:00:00:00:01" },
		{ "{'uuid':'b','nics':[{'nic_tag':'t','vlan_id':3,'ips':['dhcp','10.0.0.1/8']}]}",
		    "IP 10.0.0.1" },
		{ "{'uuid':'b','nics':[{'nic_tag':'t','ips':['10.0.0.1/8']}]}", NULL },
		{ "{'uuid':'b','nics':[{'nic_tag':'u','vlan_id':3,'ips':['10.0.0.1/8']}]}", NULL },
		{ "{'uuid':'b','vnc_port':5900}", "vnc_port 5900" },
		{ "{'uuid':'a','vnc_port':5900}", NULL },
		{ "{'uuid':'b','vnc_port':5900,'state':'failed','zone_state':'installed'}", NULL },
		{ "{'uuid':'b','vnc_port':5900,'state':'failed','zone_state':'running'}",
		    "vnc_port 5900" },
	};
	json_auto_t *json = J(vm);

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		json_auto_t *others = json_array();
		struct err err = { 0 };
		int r;

		json_array_append_new(others, J(cases[i].other));
		r = vm_check_conflicts(json, others, &err);
		if ((r == -EEXIST) != (cases[i].what != NULL))
			fail_msg("%s: %d", cases[i].other, r);
		if (cases[i].what && (!strstr(err.msg, cases[i].what) ||
		                         !str_starts(err.msg, "Conflict detected with another vm")))
			fail_msg("%s: %s", cases[i].other, err.msg);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(problems_are_named_as_validate_shows_them),
		cmocka_unit_test(unknown_brand_is_the_only_problem),
		cmocka_unit_test(validate_shows_all_three_arrays),
		cmocka_unit_test(checked_payload_is_canonical),
		cmocka_unit_test(defaults_of_create_come_from_the_table),
		cmocka_unit_test(nics_are_completed_and_made_consistent),
		cmocka_unit_test(absent_macs_are_random_and_locally_administered),
		cmocka_unit_test(disks_get_models_and_one_boots),
		cmocka_unit_test(updates_change_what_they_name),
		cmocka_unit_test(nic_with_two_addresses_needs_ips),
		cmocka_unit_test(update_keeps_a_transition),
		cmocka_unit_test(conflicts_with_other_vms_are_found),
	};

	return cmocka_run_group_tests(tests, setup_json, NULL);
}
