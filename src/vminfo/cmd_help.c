/* vminfo help. */
#include "vminfo/cli.h"

static int
run(struct vminfo_cli *c)
{
	cli_usage(stdout);
	return VMINFO_OK;
}

static const struct option_row options[] = { { 0 } };

const struct vminfo_command cmd_help = {
	.name = "help",
	.usage = "",
	.help = "Show this text.",
	.options = options,
	.run = run,
};
