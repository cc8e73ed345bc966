#include "vminfod/status.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/xmalloc.h"
#include "vminfod/listeners.h"
#include "vminfod/load_queue.h"
#include "vminfod/ring.h"
#include "vminfod/scan.h"
#include "vminfod/store.h"
#include "vminfod/vminfod.h"
#include "vminfod/watch.h"
#include "json/json.h"

#define KEPT 5

struct refresh_error {
	char *text; /* JSON text; owned */
	int64_t time_ns;
};

/* Both lists: oldest first. */
struct status {
	int64_t started_ns;
	struct refresh_error errors[KEPT];
	unsigned n_errors;
	struct refresh log[KEPT]; /* vm_changes: owned references */
	unsigned n_log;
};

struct status *
status_new(void)
{
	struct status *s = xcalloc(1, sizeof(*s));

	s->started_ns = clock_mono_ns();
	return s;
}

void
status_free(struct status *s)
{
	unsigned i;

	if (!s)
		return;
	for (i = 0; i < s->n_errors; i++)
		free(s->errors[i].text);
	for (i = 0; i < s->n_log; i++)
		json_decref(s->log[i].vm_changes);
	free(s);
}

void
status_refresh_error(struct status *s, const char *text)
{
	auto_buf struct buf b = BUF_INIT;
	unsigned i;

	if (s->n_errors == KEPT) {
		free(s->errors[0].text);
		for (i = 1; i < KEPT; i++)
			s->errors[i - 1] = s->errors[i];
		s->n_errors--;
	}
	buf_add_json_string(&b, text, strlen(text)); /* names of files may be any bytes */
	s->errors[s->n_errors++] = (struct refresh_error){ buf_take(&b), clock_mono_ns() };
}

void
status_refresh(struct status *s, const struct refresh *r)
{
	unsigned i;

	if (s->n_log == KEPT) {
		json_decref(s->log[0].vm_changes);
		for (i = 1; i < KEPT; i++)
			s->log[i - 1] = s->log[i];
		s->n_log--;
	}
	s->log[s->n_log] = *r;
	json_incref(s->log[s->n_log++].vm_changes);
}

/* --- The document --- */

static void
put_time(json_t *o, const char *key, int64_t ns)
{
	char text[HRTIME_SIZE];

	json_put_str(o, key, hrtime_format(ns, text));
}

static void
put_pretty(json_t *o, const char *key, int64_t delta_ns)
{
	char text[HRTIME_SIZE];

	json_put_str(o, key, hrtime_pretty(delta_ns, text));
}

static int64_t
resident_bytes(void)
{
	auto_fclose FILE *f = fopen("/proc/self/statm", "re");
	long size, resident;

	if (!f || fscanf(f, "%ld %ld", &size, &resident) != 2)
		return 0;
	return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

static json_t *
memory(void)
{
	struct mallinfo2 info = mallinfo2();
	json_t *o = json_object();

	json_put_int(o, "rss", resident_bytes());
	json_put_int(o, "heapTotal", (int64_t)(info.arena + info.hblkhd));
	json_put_int(o, "heapUsed", (int64_t)(info.uordblks + info.hblkhd));
	return o;
}

static json_t *
refresh_errors(const struct status *s, int64_t now)
{
	json_t *rows = json_array();
	unsigned i;

	for (i = 0; i < s->n_errors; i++) {
		json_t *o = json_object();

		json_put(o, "err", json_loads(s->errors[i].text, JSON_DECODE_ANY, NULL));
		put_time(o, "time", s->errors[i].time_ns);
		put_pretty(o, "ago", now - s->errors[i].time_ns);
		(void)json_array_append_new(rows, o);
	}
	return rows;
}

static json_t *
refresh_log(const struct status *s, int64_t now)
{
	json_t *rows = json_array();
	unsigned i;

	for (i = 0; i < s->n_log; i++) {
		const struct refresh *r = &s->log[i];
		json_t *o = json_object();

		json_put(o, "cacheChanges", json_array());
		json_put(o, "vmChanges", json_incref(r->vm_changes));
		put_time(o, "started", r->started_ns);
		put_time(o, "ended", r->ended_ns);
		put_pretty(o, "took", r->ended_ns - r->started_ns);
		put_pretty(o, "endedAgo", now - r->ended_ns);
		(void)json_array_append_new(rows, o);
	}
	return rows;
}

static json_t *
ring_status(const struct ring *r)
{
	json_t *o = json_object();

	json_put_int(o, "bytes", (int64_t)ring_bytes(r));
	json_put_int(o, "events", ring_events(r));
	json_put_int(o, "budget", (int64_t)ring_budget(r));
	return o;
}

json_t *
status_document(struct vminfod *d, bool full)
{
	const struct status *s = d->status;
	json_t *o = json_object();
	int64_t now = clock_mono_ns();
	char date[ISO8601_SIZE];

	json_put_int(o, "pid", getpid());
	put_pretty(o, "uptime", now - s->started_ns);
	json_put(o, "memory", memory());
	json_put_str(o, "state", d->booting ? "booting" : "running");
	json_put_str(o, "status", d->booting ? "setting initial vmobjs data" : "working");
	json_put_int(o, "numVms", store_count(d->store));
	json_put_str(o, "curDate", iso8601_format(clock_wall_ms(), date));
	put_time(o, "curTime", now);
	json_put(o, "queue", load_queue_status(d->queue));
	if (scan_ended_ns(d->scan) > 0)
		put_pretty(o, "lastRefresh", now - scan_ended_ns(d->scan));
	else
		json_put(o, "lastRefresh", json_null());
	json_put(o, "refreshErrors", refresh_errors(s, now));
	json_put(o, "eventsListeners", listeners_status(d->listeners));
	if (full) {
		json_put(o, "refreshLog", refresh_log(s, now));
		json_put(o, "fswatcher", watch_status(d->watch));
	}
	json_put_str(o, "epoch", store_epoch(d->store));
	json_put_int(o, "seq", (int64_t)store_seq(d->store));
	json_put(o, "ring", ring_status(d->ring));
	return o;
}
