/* vmadm help. */
#include <stdio.h>

#include "vmadm/usage.h"
#include "vmadm/vmadm.h"

static int
run(struct vmadm *v)
{
	const char *name = vmadm_operand(v, 0);
	const struct command *c = name ? command_find(name) : NULL;

	if (name && !c) {
		(void)fprintf(stderr, "Invalid command: \"%s\".\n", name);
		usage_all(stderr);
		return VMADM_USAGE;
	}
	if (c)
		usage_help(stdout, c);
	else
		usage_all(stdout);
	return VMADM_OK;
}

static const struct option_row options[] = { { 0 } };

const struct command cmd_help = {
	.name = "help",
	.usage = "[command]",
	.help = "Show the usage of all commands, or of one.",
	.options = options,
	.run = run,
};
