/* vmadm stop (vmadm.md 2.21). */
#include <errno.h>

#include "base/str.h"
#include "vmadm/operation.h"

#define TIMEOUT_MAX_S 86400 /* vm-monitor keeps no longer deadline */

static int
run(struct vmadm *v)
{
	const char *uuid = vmadm_uuid_operand(v);
	const char *timeout = vmadm_option(v, 't');
	struct op op = operation_of(v);
	struct err err = { 0 };
	int64_t timeout_s = 0;
	int r;

	if (!uuid)
		return VMADM_USAGE;
	if (vmadm_operands(v) > 1)
		return vmadm_usage(v, NULL);
	if (timeout && str_to_int(timeout, false, 1, TIMEOUT_MAX_S, &timeout_s) < 0)
		return vmadm_usage(v, "-t: must be 1 to 86400 seconds");
	r = op_stop(&op, uuid, vmadm_option(v, 'F') != NULL, timeout_s, &err);
	if (r == 0)
		return vmadm_success(
		    v, operation_result(uuid), "Successfully completed stop for VM %s", uuid);
	if (r == -EALREADY)
		return vmadm_success(v, operation_result(uuid), "%s", err.msg);
	return operation_fail(v, NULL, &err);
}

static const struct option_row options[] = {
	{ 'F', "force", NULL, "Halt it at once instead of asking the guest." },
	{ 't', "timeout", "SECONDS", "Halt it when the guest takes longer (default: 180)." },
	{ 0 },
};

const struct command cmd_stop = {
	.name = "stop",
	.alias = "halt",
	.usage = "<uuid> [-F] [-t SECONDS]",
	.help = "Stop a running VM; from now on it does not start with the host.",
	.options = options,
	.writes = true,
	.run = run,
};
