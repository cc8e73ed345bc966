/* vmadm create (vmadm.md 2.1). */
#include "base/str.h"
#include "vmadm/operation.h"

static int
run(struct vmadm *v)
{
	char uuid[UUID_LEN + 1] = "";
	json_auto_t *payload = NULL;
	struct op op = operation_of(v);
	struct err err = { 0 };
	int r;

	if (vmadm_operands(v) > 0)
		return vmadm_usage(v, NULL);
	r = vmadm_payload(v, &payload);
	if (r != VMADM_OK)
		return r;
	if (op_create(&op, payload, uuid, &err) < 0)
		return operation_fail(v, NULL, &err);
	return vmadm_success(v, operation_result(uuid), "Successfully created VM %s", uuid);
}

static const struct option_row options[] = {
	{ 'f', "file", "FILE", "Read the payload from FILE; without it, or with -, from stdin." },
	{ 0 },
};

const struct command cmd_create = {
	.name = "create",
	.usage = "[-f FILE]",
	.help = "Make a VM from a payload, and start it unless autoboot is false.",
	.options = options,
	.writes = true,
	.run = run,
};
