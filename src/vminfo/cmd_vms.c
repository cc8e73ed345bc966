/* vminfo vms. */
#include "base/cleanup.h"
#include "vminfo/cli.h"

static int
run(struct vminfo_cli *c)
{
	auto_free char *text = NULL;
	size_t len;

	if (vminfo_vms(c->info, NULL, &text, &len) < 0)
		return cli_failed(c);
	return cli_print_json(c, text, len);
}

static const struct option_row options[] = { { 0 } };

const struct vminfo_command cmd_vms = {
	.name = "vms",
	.usage = "",
	.help = "Show all VMs as JSON.",
	.options = options,
	.run = run,
};
