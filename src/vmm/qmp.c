/*
 * The connection:
 *
 *   GREETING --greeting--> NEGOTIATING --"return"--> READY
 *       \________________________\____________________\___> ENDED
 *           anything wrong, end of file, a missed deadline
 *
 * Commands invoked before READY wait in the list with the others and are written when READY is
 * reached. In ENDED the timer fails them all from the loop; then the owner is told. Only
 * qmp_close() lets the object go: its memory is freed when both handles are closed and nothing
 * waits any more.
 */
#include "vmm/qmp.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "json/json.h"

#define READ_SIZE        16384
#define NEGOTIATE_MS     5000
#define PENDING_MAX      1000
#define DEFAULT_DEADLINE 10000

/* Deadlines of commands that take longer or must not. */
static const struct {
	const char *command;
	int64_t timeout_ms;
} deadlines[] = {
	{ "block_resize", 30000 },
	{ "blockdev-add", 30000 },
	{ "human-monitor-command", 30000 },
	{ "query-qmp-schema", 30000 },
	{ "quit", 3000 },
	{ "screendump", 30000 },
	{ "system_powerdown", 5000 },
};

enum qmp_state { QMP_GREETING, QMP_NEGOTIATING, QMP_READY, QMP_ENDED };

struct pending {
	TAILQ_ENTRY(pending) entry;
	int64_t id;
	int64_t deadline_ms; /* of the loop's clock */
	json_t *message;     /* until written; owned */
	int code;            /* the reason it fails with, once ended; 0: -ECONNRESET */
	qmp_reply_fn *fn;
	void *arg;
	char command[48];
};
TAILQ_HEAD(pending_list, pending);

struct qmp {
	uv_pipe_t pipe;
	uv_timer_t timer;
	unsigned open_handles;
	enum qmp_state state;
	bool pipe_closing;
	bool owner_gone; /* qmp_close() was called */
	bool told;       /* on_closed was called, or must not be any more */
	struct qmp_callbacks cb;
	struct qmp_parser *parser; /* owned */
	struct pending_list pending;
	unsigned n_pending;
	int64_t next_id;
	int64_t state_deadline_ms; /* of the greeting and the negotiation */
	struct err end;            /* why it ended */
	char chunk[READ_SIZE];
};

static void on_timer(uv_timer_t *t);

/* --- Life --- */

static void
free_if_done(struct qmp *q)
{
	if (q->open_handles > 0)
		return;
	qmp_parser_free(q->parser);
	free(q);
}

static void
on_handle_closed(uv_handle_t *h)
{
	struct qmp *q = h->data;

	q->open_handles--;
	free_if_done(q);
}

/* Nothing is called from here: the timer does that, from the loop. */
static void
end(struct qmp *q, const struct err *why)
{
	if (q->state == QMP_ENDED)
		return;
	q->state = QMP_ENDED;
	q->end = *why;
	if (!q->pipe_closing) {
		q->pipe_closing = true;
		uv_close((uv_handle_t *)&q->pipe, on_handle_closed);
	}
	(void)uv_timer_start(&q->timer, on_timer, 0, 0);
}

static void
end_code(struct qmp *q, int code, const char *sentence)
{
	struct err err = { 0 };

	(void)err_set(&err, code, "QMP", "%s", sentence);
	end(q, &err);
}

/* --- Waiting commands --- */

static void
pending_done(
    struct qmp *q, struct pending *p, int code, const json_t *result, const struct err *err)
{
	TAILQ_REMOVE(&q->pending, p, entry);
	q->n_pending--;
	if (p->fn)
		p->fn(p->arg, code, result, err);
	json_decref(p->message);
	free(p);
}

static struct pending *
pending_find(struct qmp *q, int64_t id)
{
	struct pending *p;

	TAILQ_FOREACH (p, &q->pending, entry) {
		if (p->id == id && !p->message)
			return p;
	}
	return NULL;
}

static void
fail_all(struct qmp *q)
{
	struct pending *p;

	/* A callback may invoke again on the ended connection; what it adds fails with the next
	 * timer. */
	for (unsigned n = q->n_pending; n > 0 && (p = TAILQ_FIRST(&q->pending)) != NULL; n--) {
		struct err err = { 0 };

		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): none in the queue is freed */
		if (p->code == -ETIMEDOUT)
			(void)err_set(
			    &err, -ETIMEDOUT, "QMP", "no answer to %s in time", p->command);
		else
			(void)err_set(&err, -ECONNRESET, "QMP",
			    "connection lost before the answer to %s: %s", p->command, q->end.msg);
		pending_done(q, p, err.code, NULL, &err);
	}
}

/* --- Writing --- */

struct write {
	uv_write_t req;
	char *text; /* owned */
};

static void
on_written(uv_write_t *req, int status)
{
	struct write *w = (struct write *)req;
	struct qmp *q = req->data;

	free(w->text);
	free(w);
	if (status < 0 && status != UV_ECANCELED)
		end_code(q, -ECONNRESET, "the hypervisor closed the connection");
}

static void
send_message(struct qmp *q, const json_t *message)
{
	struct write *w = xcalloc(1, sizeof(*w));
	auto_buf struct buf b = BUF_INIT;
	uv_buf_t out;
	size_t len;

	json_write(&b, message, 0);
	buf_addc(&b, '\n');
	len = b.len;
	w->text = buf_take(&b);
	w->req.data = q;
	out = uv_buf_init(w->text, (unsigned)len);
	if (uv_write(&w->req, (uv_stream_t *)&q->pipe, &out, 1, on_written) < 0) {
		free(w->text);
		free(w);
		end_code(q, -ECONNRESET, "cannot write to the hypervisor");
	}
}

static void
send_pending(struct qmp *q)
{
	struct pending *p;

	TAILQ_FOREACH (p, &q->pending, entry) {
		json_t *message = TAKE(p->message);

		if (!message)
			continue;
		send_message(q, message);
		json_decref(message);
		if (q->state != QMP_READY)
			return;
	}
}

/* --- The clock --- */

static void
arm(struct qmp *q)
{
	int64_t now = (int64_t)uv_now(q->timer.loop);
	int64_t next = q->state == QMP_READY ? INT64_MAX : q->state_deadline_ms;
	struct pending *p;

	if (q->state == QMP_ENDED)
		return;
	TAILQ_FOREACH (p, &q->pending, entry) {
		if (p->deadline_ms < next)
			next = p->deadline_ms;
	}
	if (next == INT64_MAX)
		(void)uv_timer_stop(&q->timer);
	else
		(void)uv_timer_start(
		    &q->timer, on_timer, next > now ? (uint64_t)(next - now) : 0, 0);
}

static void
tell_end(struct qmp *q)
{
	fail_all(q);
	if (!q->told && !q->owner_gone) {
		q->told = true;
		if (q->cb.on_closed)
			q->cb.on_closed(q->cb.arg, &q->end);
	}
	if (q->n_pending > 0) {
		(void)uv_timer_start(&q->timer, on_timer, 0, 0);
	} else if (q->owner_gone && !uv_is_closing((uv_handle_t *)&q->timer)) {
		uv_close((uv_handle_t *)&q->timer, on_handle_closed);
	}
}

static void
on_timer(uv_timer_t *t)
{
	struct qmp *q = t->data;
	int64_t now = (int64_t)uv_now(t->loop);
	struct pending *p;
	bool late = false;

	if (q->state == QMP_ENDED) {
		tell_end(q);
		return;
	}
	TAILQ_FOREACH (p, &q->pending, entry) {
		if (p->deadline_ms <= now) {
			p->code = -ETIMEDOUT;
			late = true;
		}
	}
	if (q->state != QMP_READY && q->state_deadline_ms <= now)
		end_code(q, -ETIMEDOUT,
		    q->state == QMP_GREETING ? "no greeting in time"
		                             : "no answer to qmp_capabilities in time");
	else if (late)
		/* What else was sent would be answered late or never: a peer this slow is treated
		 * as gone. */
		end_code(q, -ETIMEDOUT, "a command was not answered in time");
	else
		arm(q);
}

/* --- Reading --- */

static void
reply_error(struct qmp *q, struct pending *p, const json_t *error)
{
	const char *class = json_member_str(error, "class");
	const char *desc = json_member_str(error, "desc");
	struct err err = { 0 };

	(void)err_set(&err, -EREMOTEIO, class ? class : "GenericError", "%s",
	    desc ? desc : "no reason given");
	pending_done(q, p, err.code, NULL, &err);
}

static int
on_reply(struct qmp *q, const json_t *object)
{
	const json_t *id = json_object_get(object, "id");
	const json_t *error = json_object_get(object, "error");
	struct pending *p = json_is_integer(id) ? pending_find(q, json_integer_value(id)) : NULL;

	/* An error without id is about a text QEMU could not parse; we send none, so somebody
	 * confused the stream. */
	if (!p)
		return 0;
	if (error)
		reply_error(q, p, error);
	else
		pending_done(q, p, 0, json_object_get(object, "return"), NULL);
	return 0;
}

static void
emit(struct qmp *q, const char *name, const json_t *object)
{
	const json_t *ts = json_object_get(object, "timestamp");
	int64_t us = json_member_int(ts, "seconds", 0);

	/* The clock of the hypervisor is not trusted to stay within our arithmetic. */
	us = us < 0 || us > INT64_MAX / 2000000 ? 0 : us * 1000000;
	us += json_member_int(ts, "microseconds", 0) % 1000000;
	if (q->cb.on_event && !q->owner_gone)
		q->cb.on_event(q->cb.arg, name, json_object_get(object, "data"), us);
}

static int
on_greeting(struct qmp *q, const json_t *object)
{
	json_auto_t *message = NULL;

	if (!json_object_get(object, "QMP")) {
		end_code(q, -EPROTO, "the peer does not greet as QMP does");
		return -EPROTO;
	}
	q->state = QMP_NEGOTIATING;
	q->state_deadline_ms = (int64_t)uv_now(q->timer.loop) + NEGOTIATE_MS;
	message = json_pack("{s:s, s:i}", "execute", "qmp_capabilities", "id", 0);
	send_message(q, message);
	arm(q);
	return 0;
}

static int
on_negotiated(struct qmp *q, const json_t *object)
{
	if (json_object_get(object, "event"))
		return 0;
	if (!json_object_get(object, "return")) {
		end_code(q, -EPROTO, "qmp_capabilities was refused");
		return -EPROTO;
	}
	q->state = QMP_READY;
	send_pending(q);
	arm(q);
	emit(q, "VMNODE_CONNECTED", NULL);
	return 0;
}

static int
on_message(struct qmp *q, const json_t *object)
{
	const char *event = json_member_str(object, "event");

	if (event)
		emit(q, event, object);
	else if (json_object_get(object, "return") || json_object_get(object, "error"))
		return on_reply(q, object);
	return 0;
}

static int
on_object(void *arg, json_t *object)
{
	static int (*const handlers[])(struct qmp * q, const json_t *object) = {
		[QMP_GREETING] = on_greeting,
		[QMP_NEGOTIATING] = on_negotiated,
		[QMP_READY] = on_message,
	};
	struct qmp *q = arg;
	int r;

	if (q->state == QMP_ENDED)
		return -ECANCELED;
	r = handlers[q->state](q, object);
	return q->state == QMP_ENDED ? -ECANCELED : r;
}

static void
on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct qmp *q = h->data;

	(void)suggested;
	*buf = uv_buf_init(q->chunk, sizeof(q->chunk));
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct qmp *q = stream->data;
	struct err err = { 0 };

	if (n == 0)
		return;
	if (n < 0) {
		end_code(q, -ECONNRESET, "the hypervisor closed the connection");
		return;
	}
	if (qmp_parser_feed(q->parser, buf->base, (size_t)n, on_object, q, &err) < 0 &&
	    err.code < 0)
		end(q, &err);
}

/* --- Interface --- */

struct qmp *
qmp_new(uv_loop_t *loop, int fd, const struct qmp_callbacks *cb, int64_t greeting_timeout_ms)
{
	struct qmp *q = xcalloc(1, sizeof(*q));

	q->cb = *cb;
	q->next_id = 1;
	q->parser = qmp_parser_new();
	TAILQ_INIT(&q->pending);
	(void)uv_pipe_init(loop, &q->pipe, 0);
	(void)uv_timer_init(loop, &q->timer);
	q->open_handles = 2;
	q->pipe.data = q;
	q->timer.data = q;
	q->state_deadline_ms = (int64_t)uv_now(loop) + greeting_timeout_ms;
	if (uv_pipe_open(&q->pipe, fd) < 0) {
		(void)close(fd);
		end_code(q, -ENOTCONN, "the descriptor is not a connected socket");
		return q;
	}
	if (uv_read_start((uv_stream_t *)&q->pipe, on_alloc, on_read) < 0)
		end_code(q, -ENOTCONN, "the descriptor cannot be read");
	arm(q);
	return q;
}

static int64_t
deadline_of(const char *command)
{
	for (size_t i = 0; i < ARRAY_LEN(deadlines); i++) {
		if (str_eq(deadlines[i].command, command))
			return deadlines[i].timeout_ms;
	}
	return DEFAULT_DEADLINE;
}

int
qmp_invoke(struct qmp *q, const char *command, json_t *args, int64_t timeout_ms, qmp_reply_fn *fn,
    void *arg)
{
	struct pending *p;

	if (q->n_pending >= PENDING_MAX) {
		json_decref(args);
		return -EBUSY;
	}
	p = xcalloc(1, sizeof(*p));
	p->id = q->next_id++;
	p->deadline_ms =
	    (int64_t)uv_now(q->timer.loop) + (timeout_ms > 0 ? timeout_ms : deadline_of(command));
	p->fn = fn;
	p->arg = arg;
	(void)snprintf(p->command, sizeof(p->command), "%s", command);
	p->message = json_pack("{s:s, s:I}", "execute", command, "id", (json_int_t)p->id);
	if (args)
		json_put(p->message, "arguments", args);
	TAILQ_INSERT_TAIL(&q->pending, p, entry);
	q->n_pending++;
	if (q->state == QMP_READY)
		send_pending(q);
	if (q->state == QMP_ENDED)
		(void)uv_timer_start(&q->timer, on_timer, 0, 0);
	else
		arm(q);
	return 0;
}

void
qmp_close(struct qmp *q)
{
	if (!q)
		return;
	q->owner_gone = true;
	end_code(q, -ECONNRESET, "we closed the connection");
	if (!uv_is_closing((uv_handle_t *)&q->timer))
		(void)uv_timer_start(&q->timer, on_timer, 0, 0);
}
