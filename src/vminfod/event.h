/* Events as lines of text (vminfod.md 5), with our additional members epoch and seq at the end. */
#ifndef VMINFOD_EVENT_H
#define VMINFOD_EVENT_H

#include "vminfod/blob.h"
#include "vminfod/store.h"
#include "vminfod/view.h"

/* One line with its newline for this view; NULL when nothing of the change is visible in it. New
 * reference. */
struct blob *event_line(const struct change *c, enum view view, const char *epoch, int64_t date_ms);

/* The changes whose top-level member this view may see. New reference. */
json_t *event_visible_changes(const json_t *changes, enum view view);

/* The `ready` line is head + escaped list + tail. */
void event_ready_head(struct buf *b, const char *listener_uuid, int64_t date_ms);
void event_ready_tail(struct buf *b, const char *epoch, uint64_t seq);

#endif
