/* A payload as create and update take it: checked, completed, applied to a VM. Nothing but text may
 * come of it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vm/compose.h"
#include "vm/diff.h"
#include "vm/validate.h"
#include "json/json.h"

static const char vm_text[] =
    "{\"uuid\":\"0123abcd-0123-4567-89ab-0123456789ab\",\"brand\":\"kvm\",\"ram\":256,\"quota\":10,"
    "\"tags\":{\"a\":1},\"disks\":[{\"path\":\"/zones/d0\",\"model\":\"virtio\",\"boot\":true}],"
    "\"nics\":[{\"mac\":\"02:00:00:00:00:01\",\"interface\":\"net0\",\"nic_tag\":\"user\","
    "\"model\":\"virtio\",\"ips\":[\"10.0.0.1/"
    "24\"],\"ip\":\"10.0.0.1\",\"netmask\":\"255.255.255.0\","
    "\"primary\":true},{\"mac\":\"02:00:00:00:00:02\",\"nic_tag\":\"a\",\"model\":\"virtio\"}]}";

static void
create(const json_t *payload)
{
	json_auto_t *normal = NULL, *problems_json = NULL, *others = json_array();
	struct vm_problems problems;
	struct err err;

	vm_payload_check(VM_ACTION_CREATE, BRAND_KVM, payload, &normal, &problems);
	problems_json = vm_problems_json(&problems);
	if (vm_problems_fatal(&problems)) {
		(void)vm_problems_err(&problems, &err);
	} else {
		vm_payload_defaults(BRAND_KVM, normal);
		if (vm_fix_nics(normal, &err) == 0 && vm_fix_disks(normal, &err) == 0)
			(void)vm_check_conflicts(normal, others, &err);
	}
	vm_problems_done(&problems);
}

/* What was accepted changes the VM in a way the diff can tell. */
static void
update(const json_t *vm, const json_t *payload)
{
	json_auto_t *normal = NULL, *out = NULL, *changes = NULL, *patched = NULL;
	struct vm_problems problems;
	struct err err;

	vm_payload_check(VM_ACTION_UPDATE, BRAND_KVM, payload, &normal, &problems);
	if (vm_payload_apply(vm, normal, &out, &err) == 0 && !vm_problems_fatal(&problems)) {
		changes = vm_diff(vm, out);
		patched = vm_patch(vm, changes);
		if (!patched)
			abort();
	}
	vm_problems_done(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static json_t *vm;
	json_auto_t *payload = NULL;

	if (!vm) {
		json_setup();
		vm = json_parse(vm_text, strlen(vm_text), "vm", NULL);
	}
	payload = json_parse((const char *)data, size, "payload", NULL);
	if (!payload)
		return 0;
	create(payload);
	update(vm, payload);
	return 0;
}
