/* vminfo events. */
#include "client/event_print.h"
#include "vminfo/cli.h"

static int
run(struct vminfo_cli *c)
{
	struct event_print p = {
		.style = cli_option(c, 'f') ? EVENT_FULL : EVENT_SHORT,
		.json = cli_option(c, 'j'),
		.ready = cli_option(c, 'r'),
	};
	struct err err = { 0 };

	if (event_print(c->info, &p, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.msg);
		return VMINFO_FAILED;
	}
	return VMINFO_OK;
}

static const struct option_row options[] = {
	{ 'j', "json", NULL, "Each event as one line of JSON." },
	{ 'f', "full", NULL, "Full date and zonename." },
	{ 'r', "ready", NULL, "Print an event when the stream is established, too." },
	{ 0 },
};

const struct vminfo_command cmd_events = {
	.name = "events",
	.usage = "[-jfr]",
	.help = "Print changes of VMs as they happen.",
	.options = options,
	.run = run,
};
