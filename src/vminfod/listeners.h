/*
 * Those who follow GET /events. A listener is a cursor in the ring and pulls when its socket is
 * writable; nothing is queued for it. Its first line is `ready` with the list of that moment. One
 * that falls behind the ring, or takes longer than the write deadline for one event or for its
 * `ready` line, is cut off.
 */
#ifndef VMINFOD_LISTENERS_H
#define VMINFOD_LISTENERS_H

#include <jansson.h>
#include <uv.h>

#include "vminfod/listing.h"
#include "vminfod/ring.h"
#include "vminfod/store.h"

struct listeners;
struct http_request;

struct listeners *
listeners_new(uv_loop_t *loop, struct store *store, struct listing *listing, struct ring *ring);
/* When the server is closed, so that nobody is left. The memory is freed by the loop, later. NULL
 * is fine. */
void listeners_close(struct listeners *all);

/* Limits, from the configuration. */
void listeners_set_limits(struct listeners *all, unsigned max, int64_t write_deadline_s);

/* Answer the request with a stream, or with 503 when there are too many. */
void listeners_add(struct listeners *all, struct http_request *r, enum view view);
/* Put a commit into the ring and wake everybody: at once after a quiet time, else at most once per
 * millisecond. */
void listeners_publish(struct listeners *all, const struct change *c);
/* Cut off who is too slow. To be called each second or so. */
void listeners_sweep(struct listeners *all);

/* `eventsListeners` of /status (vminfod.md 4). New reference. */
json_t *listeners_status(const struct listeners *all);

#endif
