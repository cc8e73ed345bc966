/*
 * Which VMs to load, and loading them. Events say only which VM may have changed; a VM is in the
 * queue at most once. Loads run in the loop in slices of a few milliseconds, so that readers are
 * never kept waiting.
 *
 * An event-driven load is put off while the VM's bracket is held, 2 s at most, and for up to 100 ms
 * while the sources look as if somebody is in the middle of writing them. A sync load goes at once,
 * and begins after it was asked for.
 */
#ifndef VMINFOD_LOAD_QUEUE_H
#define VMINFOD_LOAD_QUEUE_H

#include <jansson.h>

#include "vminfod/store.h"
#include "vminfod/track.h"

struct vminfod;
struct load_queue;

int load_queue_new(struct vminfod *d, struct load_queue **ret, struct err *err);
/* Stops and closes handles; the memory is freed by load_queue_free() when the loop is done. */
void load_queue_close(struct load_queue *q);
void load_queue_free(struct load_queue *q);

/* --- Events --- */
void load_queue_event(struct load_queue *q, const char *uuid);
/* The same, but not before `ms` unless something else happens to it. */
void load_queue_event_later(struct load_queue *q, const char *uuid, int64_t ms);
/* The VM's bracket may have been released. */
void load_queue_bracket(struct load_queue *q, const char *uuid);
void load_queue_index_event(struct load_queue *q);
void load_queue_sysinfo_event(struct load_queue *q);
void load_queue_all(struct load_queue *q);
/* Something outside the queue has work for its slices (scan_step). */
void load_queue_kick(struct load_queue *q);
/* Once a second. */
void load_queue_tick(struct load_queue *q);

/* --- Sync --- */
struct sync_load {
	TAILQ_ENTRY(sync_load) entry;
	char uuid[UUID_LEN + 1];
	void (*done)(struct sync_load *s); /* loaded and committed */
};
/* Owned by the caller until `done` or the cancellation. */
void load_queue_sync(struct load_queue *q, struct sync_load *s);
void load_queue_cancel(struct load_queue *q, struct sync_load *s);

/* --- For the scan --- */
enum load_mode {
	LOAD_EVENT, /* patient */
	LOAD_SCAN,  /* respects brackets only */
	LOAD_SYNC   /* at once */
};
/* NULL: never heard of. */
struct track *load_queue_find(struct load_queue *q, const char *uuid);
/* Load in this turn. What it changed is the result; `ret_changes` (may be NULL) gets the changes of
 * a modification, owned. */
enum change_kind
load_queue_now(struct load_queue *q, const char *uuid, enum load_mode mode, json_t **ret_changes);
/* Re-read the index if it changed and queue the VMs it names; the first time they are loaded
 * anyway. Failures are reported here. */
void load_queue_refresh_index(struct load_queue *q, bool first);

/* `queue` of /status (vminfod.md 4). New reference. */
json_t *load_queue_status(const struct load_queue *q);
void load_queue_each(struct load_queue *q, void (*fn)(void *arg, struct track *t), void *arg);

#endif
