/*
 * The last events, under one budget of bytes. Readers hold a position and pull; the ring knows
 * nothing about them. An event has one text per view; a view in which nothing of it is visible, or
 * that nobody listens with, has none.
 */
#ifndef VMINFOD_RING_H
#define VMINFOD_RING_H

#include <stddef.h>
#include <stdint.h>

#include "vminfod/blob.h"
#include "vminfod/view.h"

struct ring;

struct ring *ring_new(size_t budget);
void ring_free(struct ring *r);
/* Takes the references of `blobs` (NULL for views without text). The oldest events go when the
 * budget is exceeded; the newest always stays, so that it can be read at all. */
void ring_append(struct ring *r, struct blob *blobs[VIEW_COUNT]);
void ring_set_budget(struct ring *r, size_t budget);

/* The position of the oldest event that is there, and of the next one to come. */
uint64_t ring_begin(const struct ring *r);
uint64_t ring_end(const struct ring *r);
/*
 * The first text of this view at or after *pos. 1: *ret is a new reference and *pos is behind it;
 * 0: nothing yet, *pos is the end; -EOVERFLOW: what stood at *pos is gone.
 */
int ring_next(const struct ring *r, enum view view, uint64_t *pos, struct blob **ret);

size_t ring_bytes(const struct ring *r);
size_t ring_budget(const struct ring *r);
unsigned ring_events(const struct ring *r);

#endif
