/* What `vminfo events` and `vmadm events` do: print the event stream on stdout, one write per
 * event, until it or its reader ends. */
#ifndef CLIENT_EVENT_PRINT_H
#define CLIENT_EVENT_PRINT_H

#include <stdbool.h>

#include "base/err.h"
#include "client/event_text.h"
#include "vminfo.h"

struct event_print {
	enum event_style style;
	bool json;        /* each event as one line of JSON instead of text */
	bool ready;       /* print the ready event too */
	bool ready_map;   /* json: its vms as an object keyed by zonename instead of a string */
	const char *uuid; /* only this VM, which must be in the ready snapshot; NULL: all */
};

/* 0 when nobody reads stdout any more. -ENOENT: "VM <uuid> not found". Otherwise negative errno:
 * the stream is lost. */
int event_print(struct vminfo *v, const struct event_print *p, struct err *err);

#endif
