/* The text form of events that `vminfo events` and `vmadm events` print (vminfod.md 14,
 * vmadm.md 2.11). */
#ifndef CLIENT_EVENT_TEXT_H
#define CLIENT_EVENT_TEXT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"

enum event_style { EVENT_SHORT, EVENT_FULL };

/* Append the lines of one event (each with its newline); a `ready` event gives "[<time>] ready".
 * Nothing for an object that is no event. */
void event_text(const json_t *event, enum event_style style, struct buf *out);

#endif
