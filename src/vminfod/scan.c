#include "vminfod/scan.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "vminfod/event.h"
#include "vminfod/load_queue.h"
#include "vminfod/status.h"
#include "vminfod/vminfod.h"
#include "vminfod/watch.h"
#include "json/json.h"

#define ROTATION 16 /* after so many scans every VM was loaded, whatever its stamps say */

TAILQ_HEAD(waiter_list, scan_waiter);

enum reason { SCAN_NONE, SCAN_SYNC, SCAN_FULL, SCAN_BOOT };

struct scan {
	struct vminfod *d;
	uv_timer_t timer;
	int64_t interval_ms;
	enum reason wanted, running;
	struct waiter_list next, current;
	char (*uuids)[UUID_LEN + 1]; /* to look at; owned */
	unsigned n, cap, i;
	unsigned turn; /* of the rotation */
	unsigned differences;
	json_t *changes; /* for the refresh log */
	int64_t started_ns, ended_ns;
};

struct scan *
scan_new(struct vminfod *d)
{
	struct scan *s = xcalloc(1, sizeof(*s));

	s->d = d;
	TAILQ_INIT(&s->next);
	TAILQ_INIT(&s->current);
	(void)uv_timer_init(d->loop, &s->timer);
	s->timer.data = s;
	return s;
}

void
scan_close(struct scan *s)
{
	if (s)
		uv_close((uv_handle_t *)&s->timer, NULL);
}

void
scan_free(struct scan *s)
{
	if (!s)
		return;
	json_decref(s->changes);
	free(s->uuids);
	free(s);
}

static void
want(struct scan *s, enum reason reason)
{
	if (s->wanted < reason)
		s->wanted = reason;
	load_queue_kick(s->d->queue);
}

void
scan_request(struct scan *s)
{
	want(s, SCAN_FULL);
}

void
scan_boot(struct scan *s)
{
	want(s, SCAN_BOOT);
}

static void
on_timer(uv_timer_t *timer)
{
	scan_request(timer->data);
}

void
scan_set_interval(struct scan *s, int64_t seconds)
{
	s->interval_ms = seconds * 1000;
	if (uv_is_active((uv_handle_t *)&s->timer))
		(void)uv_timer_start(&s->timer, on_timer, (uint64_t)s->interval_ms, 0);
}

void
scan_wait(struct scan *s, struct scan_waiter *w)
{
	w->running = false;
	TAILQ_INSERT_TAIL(&s->next, w, entry);
	want(s, SCAN_SYNC);
}

void
scan_cancel(struct scan *s, struct scan_waiter *w)
{
	if (w->running)
		TAILQ_REMOVE(&s->current, w, entry);
	else
		TAILQ_REMOVE(&s->next, w, entry);
}

int64_t
scan_ended_ns(const struct scan *s)
{
	return s->ended_ns;
}

/* --- Beginning --- */

static void
add(struct scan *s, const char *uuid)
{
	if (strlen(uuid) != UUID_LEN)
		return;
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		s->uuids = xreallocarray(s->uuids, s->cap, sizeof(*s->uuids));
	}
	memcpy(s->uuids[s->n++], uuid, sizeof(*s->uuids));
}

static void
add_unknown(void *arg, const char *uuid)
{
	struct scan *s = arg;

	if (!store_find(s->d->store, uuid))
		add(s, uuid);
}

/* Every VM that is known, then those that are not known yet. */
static void
collect(struct scan *s)
{
	struct err err = { 0 };
	unsigned i;

	s->n = s->i = 0;
	for (i = 0; i < store_count(s->d->store); i++)
		add(s, store_at(s->d->store, i)->uuid);
	if (loader_each(s->d->loader, add_unknown, s, &err) < 0) {
		log_error("the list of VMs cannot be read; those known stay", LE(&err));
		status_refresh_error(s->d->status, err.msg);
	}
}

static void
begin(struct scan *s)
{
	struct scan_waiter *w;

	s->running = s->wanted;
	s->wanted = SCAN_NONE;
	s->started_ns = clock_mono_ns();
	s->differences = 0;
	s->changes = json_array();
	while ((w = TAILQ_FIRST(&s->next))) {
		TAILQ_REMOVE(&s->next, w, entry);
		TAILQ_INSERT_TAIL(&s->current, w, entry);
		w->running = true;
	}
	(void)uv_timer_stop(&s->timer);
	watch_retry(s->d->watch);
	watch_drain(s->d->watch);
	if (loader_refresh_sysinfo(s->d->loader) && s->running != SCAN_BOOT)
		load_queue_all(s->d->queue);
	load_queue_refresh_index(s->d->queue, s->running == SCAN_BOOT);
	collect(s);
}

/* --- One VM --- */

static void
note_difference(struct scan *s, const char *uuid, enum change_kind kind, const json_t *changes)
{
	json_t *o = json_object();

	s->differences++;
	json_put_str(o, "zonename", uuid);
	json_put_str(o, "action", change_kind_names[kind]);
	if (changes)
		json_put(o, "changes", event_visible_changes(changes, VIEW_REDACTED));
	if (json_array_size(s->changes) < REFRESH_LOG_CHANGES)
		(void)json_array_append_new(s->changes, o);
	else
		json_decref(o);
}

static bool
differs(struct scan *s, const struct track *t)
{
	return !t || !t->loaded || t->young || t->place == TRACK_READY ||
	       loader_changed(s->d->loader, t->uuid, &t->stamps);
}

static void
look_at(struct scan *s, const char *uuid, bool rotated)
{
	/* Nothing may be missing when the first one is over. */
	static const enum load_mode modes[] = {
		[SCAN_SYNC] = LOAD_SCAN,
		[SCAN_FULL] = LOAD_EVENT,
		[SCAN_BOOT] = LOAD_SYNC,
	};
	struct track *t = load_queue_find(s->d->queue, uuid);
	json_auto_t *changes = NULL;
	enum change_kind kind;

	if (t && t->place == TRACK_WAITING && t->busy_since_ns > 0 && s->running != SCAN_BOOT)
		return; /* its bracket is held */
	if (!rotated && !differs(s, t))
		return;
	if (s->running == SCAN_FULL) {
		/* An event that is on its way is not a lost one. */
		watch_drain(s->d->watch);
		t = load_queue_find(s->d->queue, uuid);
		if (t && t->place != TRACK_NOWHERE)
			return;
	}
	kind = load_queue_now(s->d->queue, uuid, modes[s->running], &changes);
	if (kind != CHANGE_NONE && s->running == SCAN_FULL)
		note_difference(s, uuid, kind, changes);
}

/* --- End --- */

static void
report(struct scan *s)
{
	struct refresh r = {
		.started_ns = s->started_ns, .ended_ns = s->ended_ns, .vm_changes = s->changes
	};

	if (s->differences == 0)
		return;
	log_warn("full scan found differences", LI("vms", s->differences),
	    LI("elapsed_ms", (s->ended_ns - s->started_ns) / 1000000));
	status_refresh(s->d->status, &r);
}

static void
end(struct scan *s)
{
	enum reason reason = s->running;
	struct scan_waiter *w;

	s->running = SCAN_NONE;
	s->ended_ns = clock_mono_ns();
	if (reason == SCAN_FULL)
		s->turn = (s->turn + 1) % ROTATION;
	report(s);
	json_decref(s->changes);
	s->changes = NULL;
	free(s->uuids);
	s->uuids = NULL;
	s->cap = s->n = 0;
	while ((w = TAILQ_FIRST(&s->current))) {
		TAILQ_REMOVE(&s->current, w, entry);
		w->done(w);
	}
	(void)uv_timer_start(&s->timer, on_timer, (uint64_t)s->interval_ms, 0);
	if (reason == SCAN_BOOT)
		s->d->on_loaded(s->d);
}

bool
scan_step(struct scan *s)
{
	if (s->running == SCAN_NONE) {
		if (s->wanted == SCAN_NONE)
			return false;
		begin(s);
	}
	if (s->i < s->n) {
		char uuid[UUID_LEN + 1];

		memcpy(uuid, s->uuids[s->i], sizeof(uuid));
		look_at(s, uuid, s->running == SCAN_FULL && s->i % ROTATION == s->turn);
		s->i++;
	}
	if (s->i >= s->n)
		end(s);
	return true;
}
