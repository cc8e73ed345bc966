/* vmadm events (vmadm.md 2.11). */
#include "client/event_print.h"
#include "vmadm/vmadm.h"

static int
run(struct vmadm *v)
{
	struct event_print p = {
		.style = vmadm_option(v, 'f') ? EVENT_FULL : EVENT_SHORT,
		.json = vmadm_option(v, 'j'),
		.ready = vmadm_option(v, 'r'),
		.ready_map = true,
		.uuid = vmadm_operand(v, 0),
	};
	struct err err = { 0 };

	if (p.uuid && !vmadm_uuid_operand(v))
		return VMADM_USAGE;
	if (event_print(v->info, &p, &err) < 0)
		return vmadm_fail(v, &err);
	return VMADM_OK;
}

static const struct option_row options[] = {
	{ 'f', "full", NULL, "Full date and UUID." },
	{ 'j', "json", NULL, "Each event as one line of JSON." },
	{ 'r', "ready", NULL, "Print an event when the stream is established, too." },
	{ 0 },
};

const struct command cmd_events = {
	.name = "events",
	.usage = "[-f] [-j] [-r] [uuid]",
	.help = "Print changes of VMs as they happen.",
	.options = options,
	.run = run,
};
