/*
 * The text of all VMs, "[{...},{...}]", in pieces of consecutive VMs that are kept between
 * requests: a commit throws away the piece it touches and no other, and a slow reader keeps alive
 * only the pieces it still has to read. The text is also needed escaped, as the content of a JSON
 * string, in the first line of an event stream; that form is made piece by piece as it is read.
 */
#ifndef VMINFOD_LISTING_H
#define VMINFOD_LISTING_H

#include "vminfod/blob.h"
#include "vminfod/store.h"
#include "vminfod/view.h"

#define LISTING_PIECES 64

struct listing;
struct http_body;

struct piece {
	unsigned refs;
	struct blob *plain;   /* owned reference */
	struct blob *escaped; /* owned reference or NULL: not needed yet */
};

/* The list at one moment. Counted. */
struct snapshot {
	unsigned refs;
	unsigned n;
	size_t len; /* of the whole text */
	struct piece *pieces[LISTING_PIECES + 1];
};

struct listing *listing_new(struct store *s);
void listing_free(struct listing *l);
/* To be told of every commit. */
void listing_changed(struct listing *l, const struct change *c);

/* New reference. */
struct snapshot *listing_snapshot(struct listing *l, enum view view);
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(void *snapshot);
/* Piece i as content of a JSON string. New reference. */
struct blob *snapshot_escaped(struct snapshot *s, unsigned i);

/* The answer of GET /vms. Borrowed until the next call. */
struct http_body *listing_body(struct listing *l, enum view view);

/* Forget what nobody asked for since the last call but one. To be called each second or so. */
void listing_trim(struct listing *l);

#endif
