#include "vminfod/load_queue.h"

#include <assert.h>
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/xmalloc.h"
#include "io/pidfd.h"
#include "vminfod/listeners.h"
#include "vminfod/listing.h"
#include "vminfod/scan.h"
#include "vminfod/status.h"
#include "vminfod/vminfod.h"
#include "vminfod/watch.h"
#include "json/json.h"

#define MS           INT64_C(1000000) /* in ns */
#define SLICE_NS     (5 * MS)
#define BRACKET_POLL (10 * MS)
#define BRACKET_MAX  (2000 * MS)
#define SETTLE_MAX   (100 * MS)
#define RECHECK      (1000 * MS)
#define IDLE_AFTER   (1000 * MS)
#define YOUNG_MS     20
#define STATUS_ROWS  1000

TAILQ_HEAD(track_list, track);
TAILQ_HEAD(sync_list, sync_load);

struct load_queue {
	struct vminfod *d;
	void *tracks; /* tsearch tree, owned */
	struct track_list ready, waiting;
	unsigned n_ready, n_waiting;
	struct sync_list syncs;
	struct pidfds *pidfds;
	uv_idle_t work;    /* active while there is something to do */
	uv_timer_t wakeup; /* for the first of `waiting` */
	int64_t wakeup_ns; /* when; 0: not set */
	bool index_event, sysinfo_event;
	bool index_failed;
	int64_t drained_ns;
};

/* --- Tracks --- */

static int
compare_uuid(const void *a, const void *b)
{
	return strcmp(((const struct track *)a)->uuid, ((const struct track *)b)->uuid);
}

struct track *
load_queue_find(struct load_queue *q, const char *uuid)
{
	struct track key;
	struct track **node;

	if (strlen(uuid) != UUID_LEN)
		return NULL;
	memcpy(key.uuid, uuid, sizeof(key.uuid));
	node = tfind(&key, &q->tracks, compare_uuid);
	return node ? *node : NULL;
}

static struct track *
track_get(struct load_queue *q, const char *uuid)
{
	struct track *t = load_queue_find(q, uuid);

	if (t)
		return t;
	t = xcalloc(1, sizeof(*t));
	memcpy(t->uuid, uuid, sizeof(t->uuid));
	t->hypervisor.fd = t->monitor.fd = -1;
	t->dir.wd = t->config.wd = -1;
	if (!tsearch(t, &q->tracks, compare_uuid))
		abort();
	return t;
}

static void
take_out(struct load_queue *q, struct track *t)
{
	if (t->place == TRACK_READY) {
		TAILQ_REMOVE(&q->ready, t, entry);
		q->n_ready--;
	} else if (t->place == TRACK_WAITING) {
		TAILQ_REMOVE(&q->waiting, t, entry);
		q->n_waiting--;
	}
	t->place = TRACK_NOWHERE;
}

static void
track_free(struct load_queue *q, struct track *t)
{
	take_out(q, t);
	watch_forget(q->d->watch, t);
	pidfds_remove(q->pidfds, t->hypervisor.fd);
	pidfds_remove(q->pidfds, t->monitor.fd);
	free(t);
}

static void
track_drop(struct load_queue *q, struct track *t)
{
	(void)tdelete(t, &q->tracks, compare_uuid);
	track_free(q, t);
}

struct each {
	void (*fn)(void *arg, struct track *t);
	void *arg;
};

static void
each_node(const void *node, VISIT which, void *closure)
{
	struct each *e = closure;

	if (which == postorder || which == leaf)
		e->fn(e->arg, *(struct track *const *)node);
}

void
load_queue_each(struct load_queue *q, void (*fn)(void *arg, struct track *t), void *arg)
{
	struct each e = { fn, arg };

	twalk_r(q->tracks, each_node, &e);
}

/* --- Queueing --- */

static void on_work(uv_idle_t *idle);

void
load_queue_kick(struct load_queue *q)
{
	(void)uv_idle_start(&q->work, on_work);
}

static void
make_ready(struct load_queue *q, struct track *t)
{
	if (t->place == TRACK_READY)
		return;
	if (t->place == TRACK_NOWHERE)
		t->queued_ns = clock_mono_ns();
	take_out(q, t);
	t->place = TRACK_READY;
	TAILQ_INSERT_TAIL(&q->ready, t, entry);
	q->n_ready++;
	load_queue_kick(q);
}

static void on_wakeup(uv_timer_t *timer);

static void
set_wakeup(struct load_queue *q, int64_t due_ns)
{
	int64_t now = clock_mono_ns();
	int64_t ms = due_ns > now ? (due_ns - now + MS - 1) / MS : 0;

	if (q->wakeup_ns > 0 && q->wakeup_ns <= due_ns)
		return;
	q->wakeup_ns = due_ns;
	uv_update_time(q->d->loop);
	(void)uv_timer_start(&q->wakeup, on_wakeup, (uint64_t)ms, 0);
}

static void
make_waiting(struct load_queue *q, struct track *t, int64_t due_ns)
{
	if (t->place == TRACK_NOWHERE)
		t->queued_ns = clock_mono_ns();
	take_out(q, t);
	t->place = TRACK_WAITING;
	t->due_ns = due_ns;
	TAILQ_INSERT_TAIL(&q->waiting, t, entry);
	q->n_waiting++;
	set_wakeup(q, due_ns);
}

static void
on_wakeup(uv_timer_t *timer)
{
	struct load_queue *q = timer->data;
	int64_t now = clock_mono_ns(), next = 0;
	struct track *t, *following;

	q->wakeup_ns = 0;
	for (t = TAILQ_FIRST(&q->waiting); t; t = following) {
		following = TAILQ_NEXT(t, entry);
		if (t->due_ns <= now)
			make_ready(q, t);
		else if (next == 0 || t->due_ns < next)
			next = t->due_ns;
	}
	if (next > 0)
		set_wakeup(q, next);
}

void
load_queue_event(struct load_queue *q, const char *uuid)
{
	make_ready(q, track_get(q, uuid));
}

void
load_queue_event_later(struct load_queue *q, const char *uuid, int64_t ms)
{
	struct track *t = track_get(q, uuid);

	if (t->place == TRACK_NOWHERE)
		make_waiting(q, t, clock_mono_ns() + ms * MS);
}

void
load_queue_bracket(struct load_queue *q, const char *uuid)
{
	struct track *t = load_queue_find(q, uuid);

	if (t && t->place == TRACK_WAITING && t->busy_since_ns > 0)
		make_ready(q, t);
}

void
load_queue_index_event(struct load_queue *q)
{
	q->index_event = true;
	load_queue_kick(q);
}

void
load_queue_sysinfo_event(struct load_queue *q)
{
	q->sysinfo_event = true;
	load_queue_kick(q);
}

void
load_queue_all(struct load_queue *q)
{
	unsigned i;

	for (i = 0; i < store_count(q->d->store); i++)
		load_queue_event(q, store_at(q->d->store, i)->uuid);
}

/* --- Processes --- */

static void
on_exit_of(void *arg, int fd, void *who)
{
	struct load_queue *q = arg;
	struct track *t = who;

	if (t->hypervisor.fd == fd)
		t->hypervisor = (struct tracked_process){ .fd = -1 };
	if (t->monitor.fd == fd)
		t->monitor = (struct tracked_process){ .fd = -1 };
	make_ready(q, t);
}

/* Hold a pidfd on the process that the load reported. One that is gone already is what the next
 * load will see. */
static void
follow(struct load_queue *q, struct track *t, struct tracked_process *p, const struct proc_id *id)
{
	int fd;

	if (p->fd >= 0 && p->id.pid == id->pid && p->id.start_ticks == id->start_ticks)
		return;
	pidfds_remove(q->pidfds, p->fd);
	*p = (struct tracked_process){ .fd = -1 };
	if (id->pid == 0)
		return;
	fd = pidfds_add(q->pidfds, id, t);
	if (fd >= 0)
		*p = (struct tracked_process){ *id, fd };
	else if (fd == -ESRCH)
		make_ready(q, t);
	else
		log_warn("cannot watch a process; its end will be seen at the next scan",
		    LS("vm", t->uuid), LI("pid", id->pid), LI("code", fd));
}

/* --- Loading --- */

static bool
bracket_is_held(struct load_queue *q, struct track *t)
{
	auto_free char *path = path_hostf("%s/%s.busy", PATH_RUN_ZONES, t->uuid);
	int64_t now = clock_mono_ns();

	if (!lock_is_held(path)) {
		t->busy_since_ns = 0;
		return false;
	}
	if (t->busy_since_ns == 0)
		t->busy_since_ns = now;
	if (now - t->busy_since_ns < BRACKET_MAX) {
		make_waiting(q, t, now + BRACKET_POLL);
		return true;
	}
	log_info("bracket is held for too long, loading anyway", LS("vm", t->uuid));
	t->busy_since_ns = 0;
	return false;
}

/* Row and XML file are put in place one after the other, and others may write files in place: wait
 * a little before saying so. */
static bool
is_settling(struct load_queue *q, struct track *t, const struct loaded *l)
{
	bool news = (l->half && !t->half) || (l->failed && !t->failed);
	int64_t now = clock_mono_ns();

	if (!news) {
		t->unsettled_since_ns = 0;
		return false;
	}
	if (t->unsettled_since_ns == 0)
		t->unsettled_since_ns = now;
	if (now - t->unsettled_since_ns >= SETTLE_MAX) {
		t->unsettled_since_ns = 0;
		return false;
	}
	make_waiting(q, t, t->unsettled_since_ns + SETTLE_MAX);
	return true;
}

/* The last good object is needed only when a source cannot be read; parsing it back each time would
 * cost more than the load. */
static void
load(struct load_queue *q, const char *uuid, struct loaded *ret)
{
	const struct store_vm *vm = store_find(q->d->store, uuid);

	loader_load(q->d->loader, uuid, NULL, ret);
	if (vm && (ret->failed || !ret->object)) {
		json_auto_t *old = store_object(vm);

		loaded_done(ret);
		loader_load(q->d->loader, uuid, old, ret);
	}
}

static void
report_failure(struct load_queue *q, const char *uuid, const json_t *object)
{
	const json_t *e = json_object_get(object, "load_error");
	const char *file = str_or_empty(json_member_str(e, "file"));
	const char *reason = str_or_empty(json_member_str(e, "reason"));
	bool named = str_starts(reason, file); /* most reasons begin with the file */
	auto_free char *text = named ? xasprintf("VM %s: %s", uuid, reason)
	                             : xasprintf("VM %s: %s: %s", uuid, file, reason);

	log_warn("a source of the VM cannot be read", LS("vm", uuid), LS("file", file),
	    LS("reason", reason));
	status_refresh_error(q->d->status, text);
}

static enum change_kind
commit(struct load_queue *q, const char *uuid, const struct loaded *l, json_t **ret_changes)
{
	struct change c;
	enum change_kind kind;

	store_commit(q->d->store, uuid, l->object, &c);
	kind = c.kind;
	listing_changed(q->d->listing, &c);
	if (kind != CHANGE_NONE && !q->d->booting)
		listeners_publish(q->d->listeners, &c);
	if (kind != CHANGE_NONE && l->failed)
		report_failure(q, uuid, l->object);
	if (kind != CHANGE_NONE)
		log_debug("vm changed", LS("vm", uuid), LS("change", change_kind_names[kind]),
		    LI("seq", c.seq));
	if (ret_changes)
		*ret_changes = json_incref(c.changes);
	change_done(&c);
	return kind;
}

static bool
stamps_are_young(const struct load_stamps *s)
{
	unsigned i;

	for (i = 0; i < LOAD_FILE_COUNT; i++) {
		if (s->file[i].ino != 0 && fs_stamp_is_young(&s->file[i], YOUNG_MS))
			return true;
	}
	return false;
}

/* Take over what the load says about files and processes. */
static void
note_loaded(struct load_queue *q, struct track *t, const struct loaded *l)
{
	t->loaded = true;
	t->half = l->half;
	t->failed = l->failed;
	t->stamps = l->stamps;
	t->young = stamps_are_young(&l->stamps);
	t->busy_since_ns = t->unsettled_since_ns = 0;
	follow(q, t, &t->hypervisor, &l->hypervisor);
	follow(q, t, &t->monitor, &l->monitor);
	/* The monitor has to say how the hypervisor ended; it is not waited for beyond this. */
	if (t->place == TRACK_NOWHERE && l->monitor.pid != 0 && l->hypervisor.pid == 0)
		make_waiting(q, t, clock_mono_ns() + RECHECK);
}

static enum change_kind
load_track(struct load_queue *q, struct track *t, enum load_mode mode, json_t **ret_changes)
{
	struct loaded l;
	enum change_kind kind;

	take_out(q, t);
	if (mode != LOAD_SYNC && bracket_is_held(q, t))
		return CHANGE_NONE;
	watch_vm(q->d->watch, t);
	load(q, t->uuid, &l);
	if (mode == LOAD_EVENT && !q->d->booting && is_settling(q, t, &l)) {
		loaded_done(&l);
		return CHANGE_NONE;
	}
	kind = commit(q, t->uuid, &l, ret_changes);
	if (l.object)
		note_loaded(q, t, &l);
	else
		track_drop(q, t);
	loaded_done(&l);
	return kind;
}

enum change_kind
load_queue_now(struct load_queue *q, const char *uuid, enum load_mode mode, json_t **ret_changes)
{
	return load_track(q, track_get(q, uuid), mode, ret_changes);
}

/* --- The index and sysinfo --- */

static void
on_row(void *arg, const char *uuid)
{
	load_queue_event(arg, uuid);
}

static void
queue_if_bad(void *arg, struct track *t)
{
	if (t->half || t->failed)
		make_ready(arg, t);
}

void
load_queue_refresh_index(struct load_queue *q, bool first)
{
	struct err err = { 0 };
	int r;

	q->index_event = false;
	r = loader_refresh_index(q->d->loader, first ? NULL : on_row, q, &err);
	if (r < 0 && !q->index_failed) {
		log_error("the zone index cannot be read; what it said stays true", LE(&err));
		status_refresh_error(q->d->status, err.msg);
	}
	if (r == 0 && q->index_failed)
		load_queue_each(q, queue_if_bad, q);
	q->index_failed = r < 0;
}

static void
refresh_sysinfo(struct load_queue *q)
{
	q->sysinfo_event = false;
	if (loader_refresh_sysinfo(q->d->loader))
		load_queue_all(q);
}

void
load_queue_tick(struct load_queue *q)
{
	if (q->index_failed)
		load_queue_index_event(q);
}

/* --- Sync --- */

void
load_queue_sync(struct load_queue *q, struct sync_load *s)
{
	TAILQ_INSERT_TAIL(&q->syncs, s, entry);
	load_queue_kick(q);
}

void
load_queue_cancel(struct load_queue *q, struct sync_load *s)
{
	TAILQ_REMOVE(&q->syncs, s, entry);
}

/* One load serves everybody who asked for this VM before it begins. */
static void
run_sync(struct load_queue *q)
{
	struct sync_load *s, *next, *first = TAILQ_FIRST(&q->syncs);
	struct sync_list same = TAILQ_HEAD_INITIALIZER(same);

	for (s = first; s; s = next) {
		next = TAILQ_NEXT(s, entry);
		if (strcmp(s->uuid, first->uuid) != 0)
			continue;
		TAILQ_REMOVE(&q->syncs, s, entry);
		TAILQ_INSERT_TAIL(&same, s, entry);
	}
	load_queue_refresh_index(q, false);
	(void)load_queue_now(q, first->uuid, LOAD_SYNC, NULL);
	while ((s = TAILQ_FIRST(&same))) {
		TAILQ_REMOVE(&same, s, entry);
		s->done(s);
	}
}

/* --- Working in slices --- */

/* One piece of work. false: there is none. */
static bool
work_once(struct load_queue *q)
{
	struct track *t;
	bool scanned;

	if (!TAILQ_EMPTY(&q->syncs)) {
		run_sync(q);
		return true;
	}
	if (q->sysinfo_event)
		refresh_sysinfo(q);
	if (q->index_event)
		load_queue_refresh_index(q, false);
	t = TAILQ_FIRST(&q->ready);
	if (t)
		(void)load_track(q, t, LOAD_EVENT, NULL);
	scanned = scan_step(q->d->scan);
	return t || scanned;
}

static void
on_work(uv_idle_t *idle)
{
	struct load_queue *q = idle->data;
	int64_t until = clock_mono_ns() + SLICE_NS;

	do {
		if (!work_once(q)) {
			q->drained_ns = clock_mono_ns();
			(void)uv_idle_stop(idle);
			return;
		}
	} while (clock_mono_ns() < until);
}

/* --- Life --- */

int
load_queue_new(struct vminfod *d, struct load_queue **ret, struct err *err)
{
	struct load_queue *q = xcalloc(1, sizeof(*q));
	int r = pidfds_open(d->loop, on_exit_of, q, &q->pidfds, err);

	if (r < 0) {
		free(q);
		return r;
	}
	q->d = d;
	TAILQ_INIT(&q->ready);
	TAILQ_INIT(&q->waiting);
	TAILQ_INIT(&q->syncs);
	(void)uv_idle_init(d->loop, &q->work);
	(void)uv_timer_init(d->loop, &q->wakeup);
	q->work.data = q->wakeup.data = q;
	*ret = q;
	return 0;
}

void
load_queue_close(struct load_queue *q)
{
	struct track *t;

	if (!q)
		return;
	while (q->tracks) {
		t = *(struct track **)q->tracks;
		track_drop(q, t);
	}
	uv_close((uv_handle_t *)&q->work, NULL);
	uv_close((uv_handle_t *)&q->wakeup, NULL);
	pidfds_close(q->pidfds);
}

void
load_queue_free(struct load_queue *q)
{
	free(q);
}

/* --- Status --- */

static json_t *
status_row(const struct track *t, int64_t now)
{
	json_t *o = json_object();
	char text[HRTIME_SIZE];

	json_put(o, "description", json_sprintf("load %s", t->uuid));
	json_put_str(o, "created_at", hrtime_format(t->queued_ns, text));
	json_put_str(o, "created_ago", hrtime_pretty(now - t->queued_ns, text));
	return o;
}

static void
add_rows(json_t *rows, const struct track_list *list, int64_t now)
{
	const struct track *t;

	TAILQ_FOREACH (t, list, entry) {
		if (json_array_size(rows) >= STATUS_ROWS)
			return;
		(void)json_array_append_new(rows, status_row(t, now));
	}
}

json_t *
load_queue_status(const struct load_queue *q)
{
	json_t *o = json_object(), *executor = json_object(), *rows = json_array();
	int64_t now = clock_mono_ns();
	bool working = uv_is_active((const uv_handle_t *)&q->work) || q->n_ready > 0;
	char text[HRTIME_SIZE];

	add_rows(rows, &q->ready, now);
	add_rows(rows, &q->waiting, now);
	json_put_int(executor, "concurrency", 1);
	json_put_int(executor, "npending", 0); /* a load never runs while an answer is made */
	json_put_int(executor, "nqueued", q->n_ready + q->n_waiting);
	json_put(executor, "pending", json_object());
	json_put(executor, "queued", rows);
	json_put_str(o, "now", hrtime_format(now, text));
	json_put_bool(o, "paused", false);
	json_put_bool(o, "idle", !working && now - q->drained_ns >= IDLE_AFTER);
	json_put(o, "vasync_queue", executor);
	return o;
}
