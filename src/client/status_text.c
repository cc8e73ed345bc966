#include "client/status_text.h"

#include <string.h>

#include "base/str.h"
#include "json/json.h"

/* Text as it is; null and other values as JSON. */
static void
add_value(struct buf *out, const json_t *value)
{
	if (json_is_string(value))
		buf_adds(out, json_string_value(value));
	else if (value)
		json_write(out, value, 0);
	else
		buf_addc(out, '-');
}

static void
add_line(struct buf *out, const char *label, const json_t *value)
{
	buf_addf(out, "%s: ", label);
	add_value(out, value);
	buf_addc(out, '\n');
}

static void
add_count(struct buf *out, const char *label, const json_t *list)
{
	size_t n = json_is_object(list) ? json_object_size(list) : json_array_size(list);

	buf_addf(out, "%s: %zu\n", label, n);
}

static void
add_process(struct buf *out, const json_t *status)
{
	const json_t *rss = json_object_get(json_object_get(status, "memory"), "rss");

	buf_adds(out, "state: ");
	add_value(out, json_object_get(status, "state"));
	buf_adds(out, " (");
	add_value(out, json_object_get(status, "status"));
	buf_adds(out, ")\n");
	add_line(out, "pid", json_object_get(status, "pid"));
	add_line(out, "uptime", json_object_get(status, "uptime"));
	buf_addf(out, "rss: %.2fmb\n", json_number_value(rss) / (1024.0 * 1024.0));
	add_line(out, "numVms", json_object_get(status, "numVms"));
}

static void
add_queue(struct buf *out, const json_t *queue)
{
	const json_t *counts = json_object_get(queue, "vasync_queue");

	buf_adds(out, "queue\n");
	add_line(out, "  paused", json_object_get(queue, "paused"));
	add_line(out, "  idle", json_object_get(queue, "idle"));
	add_line(out, "  npending", json_object_get(counts, "npending"));
	add_line(out, "  nqueued", json_object_get(counts, "nqueued"));
}

static void
add_refresh(struct buf *out, const json_t *status, bool full)
{
	const json_t *errors = json_object_get(status, "refreshErrors");
	const json_t *log = full ? json_object_get(status, "refreshLog") : NULL;
	const json_t *e;
	size_t i;

	buf_adds(out, "fullRefresh\n");
	add_line(out, "  lastRefresh", json_object_get(status, "lastRefresh"));
	if (json_array_size(errors) > 0)
		buf_addf(out, "  refreshErrors: (%zu items)\n", json_array_size(errors));
	json_array_foreach (errors, i, e) {
		buf_adds(out, "    - ");
		add_value(out, json_object_get(e, "err"));
		buf_adds(out, " (");
		add_value(out, json_object_get(e, "ago"));
		buf_adds(out, ")\n");
	}
	if (json_array_size(log) > 0)
		buf_addf(out, "  refreshLog: (%zu items)\n", json_array_size(log));
	json_array_foreach (log, i, e) {
		buf_addf(out, "    - %zu cacheChanges / %zu vmChanges - ",
		    json_array_size(json_object_get(e, "cacheChanges")),
		    json_array_size(json_object_get(e, "vmChanges")));
		add_value(out, json_object_get(e, "endedAgo"));
		buf_adds(out, " ago\n");
	}
}

static void
add_fswatcher(struct buf *out, const json_t *watcher)
{
	buf_adds(out, "fswatcher\n");
	add_line(out, "  running", json_object_get(watcher, "running"));
	add_line(out, "  pid", json_object_get(watcher, "watcher_pid"));
	add_count(out, "  watching", json_object_get(watcher, "watching"));
	add_count(out, "  tryingToWatch", json_object_get(watcher, "not_yet_watching"));
	add_count(out, "  pendingActions", json_object_get(watcher, "pending_actions"));
}

/* Any client chose this text: control characters in JSON's escapes, quotes as they are. */
static void
add_user_agent(struct buf *out, const char *agent)
{
	for (const char *p = agent ? agent : "-"; *p; p++) {
		if (*p == '\n')
			buf_adds(out, "\\n");
		else if (*p == '\t')
			buf_adds(out, "\\t");
		else if (*p == '\r')
			buf_adds(out, "\\r");
		else if ((unsigned char)*p < ' ' || *p == 0x7f)
			buf_addf(out, "\\u%04x", (unsigned char)*p);
		else
			buf_addc(out, *p);
	}
}

static void
add_listeners(struct buf *out, json_t *listeners)
{
	const char *uuid;
	json_t *l;

	buf_addf(out, "eventsListeners: (%zu listeners)\n", json_object_size(listeners));
	json_object_foreach (listeners, uuid, l) {
		buf_adds(out, "  - ");
		add_user_agent(out, json_member_str(l, "userAgent"));
		buf_addf(out, "\n    %s created ", uuid);
		add_value(out, json_object_get(l, "createdAgo"));
		buf_adds(out, " ago\n\n");
	}
}

void
status_text(const json_t *status, bool full, struct buf *out)
{
	add_process(out, status);
	add_queue(out, json_object_get(status, "queue"));
	add_refresh(out, status, full);
	if (full)
		add_fswatcher(out, json_object_get(status, "fswatcher"));
	add_listeners(out, json_object_get(status, "eventsListeners"));
}
