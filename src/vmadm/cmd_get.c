/* vmadm get (vmadm.md 2.2). */
#include <errno.h>

#include "base/buf.h"
#include "client/output.h"
#include "vmadm/vmadm.h"
#include "json/json.h"

static int
run(struct vmadm *v)
{
	const char *uuid = vmadm_uuid_operand(v);
	auto_buf struct buf out = BUF_INIT;
	json_auto_t *vm = NULL;
	struct err err = { 0 };
	int r;

	if (!uuid)
		return VMADM_USAGE;
	r = vmadm_vm(v, uuid, false, &vm, &err);
	/* Scripts and client libraries match this text. */
	if (r == -ENOENT)
		(void)err_set(&err, r, NULL, "zoneadm: %s: No such zone configured", uuid);
	if (r < 0)
		return vmadm_fail(v, &err);
	json_write(&out, vm, 2);
	buf_addc(&out, '\n');
	return output_end(&out);
}

static const struct option_row options[] = { { 0 } };

const struct command cmd_get = {
	.name = "get",
	.alias = "json",
	.usage = "<uuid>",
	.help = "Show a VM as JSON.",
	.options = options,
	.run = run,
};
