/* vmadm delete (vmadm.md 2.19). */
#include "base/cleanup.h"
#include "base/xmalloc.h"
#include "vmadm/operation.h"

static int
run(struct vmadm *v)
{
	const char *uuid = vmadm_uuid_operand(v);
	struct op op = operation_of(v);
	struct err err = { 0 };

	if (!uuid)
		return VMADM_USAGE;
	if (vmadm_operands(v) > 1)
		return vmadm_usage(v, NULL);
	if (op_delete(&op, uuid, &err) < 0) {
		auto_free char *prefix = xasprintf("Failed to delete VM %s", uuid);

		return operation_fail(v, prefix, &err);
	}
	return vmadm_success(v, operation_result(uuid), "Successfully deleted VM %s", uuid);
}

static const struct option_row options[] = { { 0 } };

const struct command cmd_delete = {
	.name = "delete",
	.alias = "destroy",
	.usage = "<uuid>",
	.help = "Remove a VM in any state, with its disks.",
	.options = options,
	.writes = true,
	.run = run,
};
