#include "vminfod/listeners.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xmalloc.h"
#include "io/http_server.h"
#include "vminfod/event.h"
#include "json/json.h"

#define FLUSH_MS       1
#define SEND_BUFFER    65536 /* bytes that the kernel may hold for a slow reader */
#define USER_AGENT_MAX 256

/* What a listener reads next. */
enum phase { PHASE_HEAD, PHASE_LIST, PHASE_TAIL, PHASE_EVENTS };

struct listener {
	TAILQ_ENTRY(listener) entry;
	struct listeners *all;
	struct http_stream *stream;
	enum view view;
	enum phase phase;
	struct snapshot *snapshot; /* owned reference, until it was sent */
	unsigned piece;
	uint64_t ready_seq;
	uint64_t pos;      /* in the ring */
	struct blob *blob; /* being sent, owned reference */
	size_t off;
	int64_t busy_since_ns; /* since when it has this blob, or its ready line; 0: it has read
	                          everything */
	char uuid[UUID_LEN + 1];
	char *user_agent; /* JSON text, NULL: none; owned */
	int64_t created_ms, created_ns;
};

struct listeners {
	TAILQ_HEAD(, listener) list;
	unsigned n, n_view[VIEW_COUNT];
	struct store *store;
	struct listing *listing;
	struct ring *ring;
	uv_timer_t flush;
	int64_t flushed_ns;
	unsigned max;
	int64_t write_deadline_ns;
};

struct listeners *
listeners_new(uv_loop_t *loop, struct store *store, struct listing *listing, struct ring *ring)
{
	struct listeners *all = xcalloc(1, sizeof(*all));

	TAILQ_INIT(&all->list);
	all->store = store;
	all->listing = listing;
	all->ring = ring;
	(void)uv_timer_init(loop, &all->flush);
	all->flush.data = all;
	return all;
}

static void
on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
listeners_close(struct listeners *all)
{
	if (!all)
		return;
	uv_close((uv_handle_t *)&all->flush, on_closed);
}

void
listeners_set_limits(struct listeners *all, unsigned max, int64_t write_deadline_s)
{
	all->max = max;
	all->write_deadline_ns = write_deadline_s * 1000000000;
}

/* --- Reading --- */

static struct blob *
text_blob(struct buf *b)
{
	return blob_new(b->data, b->len);
}

static struct blob *
ready_head(struct listener *l)
{
	auto_buf struct buf b = BUF_INIT;

	event_ready_head(&b, l->uuid, l->created_ms);
	l->phase = PHASE_LIST;
	return text_blob(&b);
}

static struct blob *
ready_piece(struct listener *l)
{
	struct blob *b = snapshot_escaped(l->snapshot, l->piece++);

	if (l->piece == l->snapshot->n) {
		snapshot_unref(l->snapshot);
		l->snapshot = NULL;
		l->phase = PHASE_TAIL;
	}
	return b;
}

static struct blob *
ready_tail(struct listener *l)
{
	auto_buf struct buf b = BUF_INIT;

	event_ready_tail(&b, store_epoch(l->all->store), l->ready_seq);
	l->phase = PHASE_EVENTS;
	return text_blob(&b);
}

/* 1 and l->blob, 0 when everything was read, negative errno. */
static int
next_blob(struct listener *l)
{
	int r;

	l->off = 0;
	if (l->phase != PHASE_EVENTS) {
		l->blob = l->phase == PHASE_HEAD   ? ready_head(l)
		          : l->phase == PHASE_LIST ? ready_piece(l)
		                                   : ready_tail(l);
		return 1;
	}
	r = ring_next(l->all->ring, l->view, &l->pos, &l->blob);
	if (r > 0)
		l->busy_since_ns = clock_mono_ns();
	return r;
}

static ssize_t
on_pull(void *arg, char *data, size_t max)
{
	struct listener *l = arg;
	size_t n = 0;

	while (n < max) {
		size_t part;
		int r = l->blob ? 1 : next_blob(l);

		if (r < 0 && n == 0)
			return HTTP_STREAM_ABORT;
		if (r <= 0)
			break;
		part = l->blob->len - l->off < max - n ? l->blob->len - l->off : max - n;
		memcpy(data + n, l->blob->data + l->off, part);
		n += part;
		l->off += part;
		if (l->off == l->blob->len) {
			blob_unref(l->blob);
			l->blob = NULL;
		}
	}
	if (n == 0)
		l->busy_since_ns = 0;
	return (ssize_t)n;
}

static void
on_gone(void *arg)
{
	struct listener *l = arg;
	struct listeners *all = l->all;

	log_debug("listener removed", LS("uuid", l->uuid));
	TAILQ_REMOVE(&all->list, l, entry);
	all->n--;
	all->n_view[l->view]--;
	snapshot_unref(l->snapshot);
	blob_unref(l->blob);
	free(l->user_agent);
	free(l);
}

/* --- Coming --- */

static char *
user_agent_text(const char *header)
{
	auto_buf struct buf b = BUF_INIT;

	if (!header)
		return NULL;
	buf_add_json_string(&b, header, strnlen(header, USER_AGENT_MAX));
	return buf_take(&b);
}

void
listeners_add(struct listeners *all, struct http_request *r, enum view view)
{
	static const struct http_stream_ops ops = { on_pull, on_gone };
	struct listener *l;

	if (all->n >= all->max) {
		http_reply_text(
		    r, 503, "{\"code\":\"ServiceUnavailable\",\"message\":\"too many listeners\"}");
		return;
	}
	l = xcalloc(1, sizeof(*l));
	l->all = all;
	l->view = view;
	l->snapshot = listing_snapshot(all->listing, view);
	l->ready_seq = store_seq(all->store);
	l->pos = ring_end(all->ring);
	l->created_ms = clock_wall_ms();
	l->created_ns = l->busy_since_ns = clock_mono_ns();
	l->user_agent = user_agent_text(http_request_header(r, "User-Agent"));
	uuid_random(l->uuid);
	TAILQ_INSERT_TAIL(&all->list, l, entry);
	all->n++;
	all->n_view[view]++;
	l->stream = http_reply_stream(r, &ops, l, SEND_BUFFER);
	log_debug("listener added", LS("uuid", l->uuid), LI("listeners", all->n));
}

/* --- Publishing --- */

static void
flush(struct listeners *all)
{
	struct listener *l;

	all->flushed_ns = clock_mono_ns();
	TAILQ_FOREACH (l, &all->list, entry)
		http_stream_wake(l->stream);
}

static void
on_flush(uv_timer_t *timer)
{
	flush(timer->data);
}

void
listeners_publish(struct listeners *all, const struct change *c)
{
	struct blob *blobs[VIEW_COUNT] = { NULL };
	int64_t now_ms = clock_wall_ms();
	unsigned v;

	for (v = 0; v < VIEW_COUNT; v++) {
		/* The full text is kept for those to come; others are made only when somebody
		 * listens with that view. */
		if (v == VIEW_FULL || all->n_view[v] > 0)
			blobs[v] = event_line(c, v, store_epoch(all->store), now_ms);
	}
	ring_append(all->ring, blobs);
	if (all->n == 0 || uv_is_active((uv_handle_t *)&all->flush))
		return;
	if (clock_mono_ns() - all->flushed_ns >= FLUSH_MS * 1000000)
		flush(all);
	else
		(void)uv_timer_start(&all->flush, on_flush, FLUSH_MS, 0);
}

void
listeners_sweep(struct listeners *all)
{
	int64_t now = clock_mono_ns();
	struct listener *l;

	TAILQ_FOREACH (l, &all->list, entry) {
		bool late = l->busy_since_ns > 0 && now - l->busy_since_ns > all->write_deadline_ns;
		bool behind = l->phase == PHASE_EVENTS && l->pos < ring_begin(all->ring);

		if (!late && !behind)
			continue;
		log_info("slow listener cut off", LS("uuid", l->uuid), LB("behind_ring", behind));
		http_stream_cut(l->stream);
	}
}

/* --- Status --- */

static json_t *
listener_status(const struct listener *l, int64_t now_ns)
{
	json_t *o = json_object();
	char time[HRTIME_SIZE], date[ISO8601_SIZE], ago[HRTIME_SIZE];

	if (l->user_agent)
		json_put(o, "userAgent", json_loads(l->user_agent, JSON_DECODE_ANY, NULL));
	json_put_str(o, "createdTime", hrtime_format(l->created_ns, time));
	json_put_str(o, "createdDate", iso8601_format(l->created_ms, date));
	json_put_str(o, "createdAgo", hrtime_pretty(now_ns - l->created_ns, ago));
	return o;
}

json_t *
listeners_status(const struct listeners *all)
{
	json_t *o = json_object();
	int64_t now_ns = clock_mono_ns();
	const struct listener *l;

	TAILQ_FOREACH (l, &all->list, entry)
		json_put(o, l->uuid, listener_status(l, now_ns));
	return o;
}
