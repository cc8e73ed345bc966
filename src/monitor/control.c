/* The control socket: lines of JSON in, lines of JSON out, and who is at the other end. The verbs
 * are in verbs.c. */
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/own.h"
#include "base/paths.h"
#include "base/vmgroup.h"
#include "base/xmalloc.h"
#include "monitor/mon.h"
#include "json/json.h"

#define LINE_BYTES    65536
#define CLIENTS_MAX   32
#define ANSWERS_BYTES (16u << 20) /* queued for one client */
#define REFS_MAX      64          /* requests of one client at a time */
#define READ_SIZE     4096
#define FLUSH_MS      1000

struct conn {
	TAILQ_ENTRY(conn) entry;
	uv_pipe_t pipe;
	struct control *control;
	struct ucred peer;
	struct buf in;
	unsigned refs; /* the handle, and requests that are not answered yet */
	bool waits_stop;
};

struct control {
	struct mon *mon;
	uv_pipe_t listen;
	TAILQ_HEAD(, conn) conns;
	unsigned n_conns;
	unsigned n_writes; /* on their way */
	char *path;        /* host path; owned */
	char chunk[READ_SIZE];
};

/* --- Life of a connection --- */

void
conn_ref(struct conn *c)
{
	c->refs++;
}

void
conn_unref(struct conn *c)
{
	if (--c->refs > 0)
		return;
	buf_done(&c->in);
	free(c);
}

const struct ucred *
conn_peer(const struct conn *c)
{
	return &c->peer;
}

static void
on_closed(uv_handle_t *h)
{
	conn_unref((struct conn *)((char *)h - offsetof(struct conn, pipe)));
}

static void
conn_drop(struct conn *c)
{
	if (uv_is_closing((uv_handle_t *)&c->pipe))
		return;
	TAILQ_REMOVE(&c->control->conns, c, entry);
	c->control->n_conns--;
	uv_close((uv_handle_t *)&c->pipe, on_closed);
}

/* --- Answers --- */

struct write {
	uv_write_t req;
	struct control *control;
	char *text; /* owned */
};

static void
on_written(uv_write_t *req, int status)
{
	struct write *w = (struct write *)req;

	(void)status;
	w->control->n_writes--;
	free(w->text);
	free(w);
}

void
conn_reply(struct conn *c, json_t *owned)
{
	struct write *w;
	auto_buf struct buf b = BUF_INIT;
	uv_buf_t out;
	size_t len;

	if (!uv_is_closing((uv_handle_t *)&c->pipe)) {
		json_write(&b, owned, 0);
		buf_addc(&b, '\n');
	}
	json_decref(owned);
	if (b.len == 0)
		return;
	if (uv_stream_get_write_queue_size((uv_stream_t *)&c->pipe) + b.len > ANSWERS_BYTES) {
		conn_drop(c);
		return;
	}
	len = b.len;
	w = xcalloc(1, sizeof(*w));
	w->text = buf_take(&b);
	w->control = c->control;
	out = uv_buf_init(w->text, (unsigned)len);
	if (uv_write(&w->req, (uv_stream_t *)&c->pipe, &out, 1, on_written) < 0) {
		free(w->text);
		free(w);
		conn_drop(c);
		return;
	}
	c->control->n_writes++;
}

void
conn_reply_error(struct conn *c, const struct err *err)
{
	const char *name = strerrorname_np(-err->code);
	json_t *answer =
	    json_pack("{s:b, s:s, s:s}", "ok", 0, "error", err->msg, "code", name ? name : "EIO");

	if (!answer)
		answer = json_pack(
		    "{s:b, s:s, s:s}", "ok", 0, "error", "failed", "code", name ? name : "EIO");
	conn_reply(c, answer);
}

void
conn_wait_stop(struct conn *c)
{
	c->waits_stop = true;
}

void
control_stopped(struct mon *m, const char *cause, const struct err *err)
{
	struct conn *c, *next;

	if (!m->control)
		return;
	for (c = TAILQ_FIRST(&m->control->conns); c; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (!c->waits_stop)
			continue;
		c->waits_stop = false;
		if (err)
			conn_reply_error(c, err);
		else
			conn_reply(
			    c, json_pack("{s:b, s:b, s:s}", "ok", 1, "stopped", 1, "cause", cause));
	}
}

/* --- Requests --- */

static void
refuse(struct conn *c, int code, const char *sentence)
{
	struct err err = { 0 };

	(void)err_set(&err, code, "request", "%s", sentence);
	conn_reply_error(c, &err);
}

static void
on_line(struct conn *c, const char *text, size_t len)
{
	struct err err = { 0 };
	json_auto_t *request = json_parse(text, len, "request", &err);

	if (!request)
		conn_reply_error(c, &err);
	else if (c->refs > REFS_MAX)
		refuse(c, -EBUSY, "too many requests at a time");
	else
		verb_run(c->control->mon, c, request);
}

static void
take_lines(struct conn *c)
{
	const char *end;

	while (c->in.len > 0 && (end = memchr(c->in.data, '\n', c->in.len)) != NULL) {
		size_t len = (size_t)(end - c->in.data);

		if (len > 0)
			on_line(c, c->in.data, len);
		if (uv_is_closing((uv_handle_t *)&c->pipe))
			return;
		buf_drop(&c->in, len + 1);
	}
	if (c->in.len > LINE_BYTES) {
		refuse(c, -EMSGSIZE, "the line is too long");
		conn_drop(c);
	}
}

static void
on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct control *k = ((struct conn *)((char *)h - offsetof(struct conn, pipe)))->control;

	(void)suggested;
	*buf = uv_buf_init(k->chunk, sizeof(k->chunk));
}

static void
on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct conn *c = (struct conn *)((char *)s - offsetof(struct conn, pipe));

	if (n < 0) {
		conn_drop(c);
	} else if (n > 0) {
		buf_add(&c->in, b->base, (size_t)n);
		take_lines(c);
	}
}

static int
check_peer(struct conn *c)
{
	socklen_t len = sizeof(c->peer);
	uv_os_fd_t fd;

	if (uv_fileno((uv_handle_t *)&c->pipe, &fd) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c->peer, &len) < 0)
		return -EACCES;
	return vmgroup_may_read_all(c->peer.uid) ? 0 : -EACCES;
}

static void
on_client(uv_stream_t *listen, int status)
{
	struct control *k = ((struct mon *)listen->data)->control;
	struct conn *c;

	if (status < 0)
		return;
	c = xcalloc(1, sizeof(*c));
	c->control = k;
	c->refs = 1;
	(void)uv_pipe_init(&k->mon->loop, &c->pipe, 0);
	TAILQ_INSERT_TAIL(&k->conns, c, entry);
	k->n_conns++;
	if (uv_accept(listen, (uv_stream_t *)&c->pipe) < 0 || k->n_conns > CLIENTS_MAX) {
		conn_drop(c);
	} else if (check_peer(c) < 0) {
		log_warn(
		    "control connection refused", LS("vm", k->mon->uuid), LI("uid", c->peer.uid));
		refuse(c, -EACCES, "not allowed");
		conn_drop(c);
	} else {
		(void)uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
	}
}

/* --- The socket --- */

int
control_open(struct mon *m, struct err *err)
{
	struct fs_owner owner = own_of(OWN_SOCKET, (uid_t)-1);
	struct control *k = xcalloc(1, sizeof(*k));
	int fd, r;

	m->control = k;
	k->mon = m;
	TAILQ_INIT(&k->conns);
	(void)uv_pipe_init(&m->loop, &k->listen, 0);
	k->listen.data = m;
	k->path = path_hostf(PATH_RUN_ZONES "/%s.sock", m->uuid);
	fd = fs_unix_listen_path(k->path, 16, &owner);
	if (fd < 0)
		return err_errno(err, fd, "control socket", "cannot be served");
	r = uv_pipe_open(&k->listen, fd);
	if (r < 0) {
		(void)close(fd);
		return err_set(err, r, "control socket", "cannot be served: %s", uv_strerror(r));
	}
	r = uv_listen((uv_stream_t *)&k->listen, 16, on_client);
	if (r < 0)
		return err_set(err, r, "control socket", "cannot be served: %s", uv_strerror(r));
	return 0;
}

static void
on_flush_over(uv_timer_t *t)
{
	*(bool *)t->data = true;
}

void
control_close(struct mon *m)
{
	struct control *k = m->control;
	uv_timer_t timer;
	bool over = false;

	if (!k)
		return;
	(void)fs_unlink(k->path, NULL);
	uv_close((uv_handle_t *)&k->listen, NULL);
	(void)uv_timer_init(&m->loop, &timer);
	timer.data = &over;
	(void)uv_timer_start(&timer, on_flush_over, FLUSH_MS, 0);
	while (k->n_writes > 0 && !over)
		(void)uv_run(&m->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	(void)uv_run(&m->loop, UV_RUN_NOWAIT);
	free(TAKE(k->path));
}
