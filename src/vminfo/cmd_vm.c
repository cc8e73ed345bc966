/* vminfo vm. */
#include "base/cleanup.h"
#include "vminfo/cli.h"

static int
run(struct vminfo_cli *c)
{
	const char *zonename = cli_operand(c);
	auto_free char *text = NULL;
	size_t len;

	if (!zonename)
		return cli_usage_error("vm needs a zonename");
	if (vminfo_vm(c->info, zonename, 0, &text, &len) < 0)
		return cli_failed(c);
	return cli_print_json(c, text, len);
}

static const struct option_row options[] = { { 0 } };

const struct vminfo_command cmd_vm = {
	.name = "vm",
	.usage = "<zonename>",
	.help = "Show one VM as JSON.",
	.options = options,
	.run = run,
};
