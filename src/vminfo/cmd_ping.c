/* vminfo ping. */
#include "vminfo/cli.h"

static int
run(struct vminfo_cli *c)
{
	if (vminfo_ping(c->info) < 0)
		return cli_failed(c);
	(void)puts("pong");
	return VMINFO_OK;
}

static const struct option_row options[] = { { 0 } };

const struct vminfo_command cmd_ping = {
	.name = "ping",
	.usage = "",
	.help = "Print pong when vminfod answers.",
	.options = options,
	.run = run,
};
