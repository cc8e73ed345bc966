/*
 * The serial console: this process alone reads the hypervisor's socket, always, so that nothing is
 * lost while nobody looks. What comes goes to a log of bounded size, to a memory of the last 64
 * KiB, and to every client of vm.console; what the first client types goes to the guest, and when
 * it leaves the next one may type.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/conf.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/own.h"
#include "base/paths.h"
#include "base/xmalloc.h"
#include "monitor/mon.h"
#include "vmm/vmm.h"

#define REPLAY_BYTES  65536
#define CLIENT_BEHIND (256u << 10) /* a slower reader is dropped */
#define GUEST_BEHIND  65536        /* past it nothing more is read from the writer */
#define CLIENTS_MAX   32
#define READ_SIZE     8192
#define RECONNECT_MIN 100
#define RECONNECT_MAX 5000
#define LOG_NAME      "console.log"

struct client {
	TAILQ_ENTRY(client) entry;
	uv_pipe_t pipe;
	struct console *console;
	/* One write at a time: a guest prints byte by byte, and a request per byte would cost a
	 * slow reader hundreds of times what it is behind. */
	uv_write_t write;
	bool writing;
	struct buf sending, behind; /* in that write; after it */
};

/* The hypervisor's socket; a new object per connection, because its handle closes later. */
struct serial {
	uv_pipe_t pipe;
	struct console *console; /* NULL: given up */
};

struct console {
	struct mon *mon;
	uv_pipe_t listen;
	uv_timer_t retry;
	int64_t retry_ms;
	struct serial *serial;        /* NULL: not connected */
	TAILQ_HEAD(, client) clients; /* the first one is the writer */
	unsigned n_clients;
	bool writer_paused;
	int dir_fd, log_fd;
	int64_t log_size;
	bool log_failed; /* said once */
	char *replay;    /* ring; owned */
	size_t replay_at, replay_len;
	char chunk[READ_SIZE];
};

static void on_client_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b);

static void
on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct console *c = *(struct console **)h->data;

	(void)suggested;
	*buf = uv_buf_init(c->chunk, sizeof(c->chunk));
}

/* --- The log --- */

static int
log_open(struct console *c)
{
	struct fs_owner owner = own_of(OWN_LEDGER, (uid_t)-1);
	struct stat st;

	c->log_fd = openat(c->dir_fd, LOG_NAME,
	    O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
	    owner.mode);
	if (c->log_fd < 0)
		return -errno;
	/* A FIFO would block us when it is full. */
	if (fstat(c->log_fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		(void)close(take_fd(&c->log_fd));
		return -EINVAL;
	}
	if (owner.uid != (uid_t)-1 || owner.gid != (gid_t)-1)
		(void)!fchown(c->log_fd, owner.uid, owner.gid);
	(void)fchmod(c->log_fd, owner.mode);
	c->log_size = st.st_size;
	return 0;
}

/* console.log, .1, .2 ...: as many files as configured, counting the first. */
static void
log_rotate(struct console *c)
{
	int64_t files = conf_int("vm.console_log_files");

	for (int64_t i = files - 1; i > 0; i--) {
		auto_free char *from =
		    i > 1 ? xasprintf(LOG_NAME ".%d", (int)i - 1) : xstrdup(LOG_NAME);
		auto_free char *to = xasprintf(LOG_NAME ".%d", (int)i);

		(void)renameat(c->dir_fd, from, c->dir_fd, to);
	}
	if (files <= 1)
		(void)unlinkat(c->dir_fd, LOG_NAME, 0);
	(void)close(take_fd(&c->log_fd));
	(void)log_open(c);
}

static void
log_add(struct console *c, const char *data, size_t len)
{
	ssize_t n;

	if (c->log_size + (int64_t)len > conf_int("vm.console_log_bytes") && c->log_size > 0 &&
	    c->log_fd >= 0)
		log_rotate(c);
	n = c->log_fd >= 0 ? write(c->log_fd, data, len) : -1;
	if (n > 0)
		c->log_size += n;
	if (n != (ssize_t)len && !c->log_failed)
		log_error("the console log is not written, going on without",
		    LS("vm", c->mon->uuid), LS("reason", strerror(errno)));
	c->log_failed = n != (ssize_t)len;
}

/* --- The memory of the last bytes --- */

static void
replay_add(struct console *c, const char *data, size_t len)
{
	if (len > REPLAY_BYTES) {
		data += len - REPLAY_BYTES;
		len = REPLAY_BYTES;
	}
	for (size_t done = 0; done < len;) {
		size_t end = (c->replay_at + c->replay_len) % REPLAY_BYTES;
		size_t n = len - done < REPLAY_BYTES - end ? len - done : REPLAY_BYTES - end;

		memcpy(c->replay + end, data + done, n);
		done += n;
		c->replay_len += n;
		if (c->replay_len > REPLAY_BYTES) {
			c->replay_at = (c->replay_at + c->replay_len - REPLAY_BYTES) % REPLAY_BYTES;
			c->replay_len = REPLAY_BYTES;
		}
	}
}

/* What was shown before we took over. */
static void
replay_preload(struct console *c)
{
	auto_free char *text = xmalloc(REPLAY_BYTES);
	off_t from = c->log_size > REPLAY_BYTES ? c->log_size - REPLAY_BYTES : 0;
	ssize_t n = c->log_fd >= 0 ? pread(c->log_fd, text, REPLAY_BYTES, from) : -1;

	if (n > 0)
		replay_add(c, text, (size_t)n);
}

/* --- Writing to streams --- */

struct write {
	uv_write_t req;
	void (*done)(struct console *c);
	struct console *console;
	char data[];
};

static void
on_written(uv_write_t *req, int status)
{
	struct write *w = (struct write *)req;

	if (w->done && status != UV_ECANCELED)
		w->done(w->console);
	free(w);
}

static int
stream_write(struct console *c, uv_stream_t *s, const char *data, size_t len,
    void (*done)(struct console *c))
{
	struct write *w = xmalloc(sizeof(*w) + len);
	uv_buf_t b;
	int r;

	w->done = done;
	w->console = c;
	memcpy(w->data, data, len);
	b = uv_buf_init(w->data, (unsigned)len);
	r = uv_write(&w->req, s, &b, 1, on_written);
	if (r < 0)
		free(w);
	return r;
}

/* --- Clients --- */

static void
on_client_closed(uv_handle_t *h)
{
	struct client *cl = (struct client *)((char *)h - offsetof(struct client, pipe));

	buf_done(&cl->sending);
	buf_done(&cl->behind);
	free(cl);
}

static void
client_drop(struct client *cl)
{
	struct console *c = cl->console;

	if (uv_is_closing((uv_handle_t *)&cl->pipe))
		return;
	TAILQ_REMOVE(&c->clients, cl, entry);
	c->n_clients--;
	c->writer_paused = false;
	uv_close((uv_handle_t *)&cl->pipe, on_client_closed);
}

static void client_flush(struct client *cl);

static void
on_client_written(uv_write_t *req, int status)
{
	struct client *cl = (struct client *)((char *)req - offsetof(struct client, write));

	cl->writing = false;
	buf_done(&cl->sending);
	if (status < 0)
		client_drop(cl);
	else
		client_flush(cl);
}

static void
client_flush(struct client *cl)
{
	uv_buf_t b;

	if (cl->writing || cl->behind.len == 0 || uv_is_closing((uv_handle_t *)&cl->pipe))
		return;
	cl->sending = cl->behind;
	cl->behind = BUF_INIT;
	b = uv_buf_init(cl->sending.data, (unsigned)cl->sending.len);
	if (uv_write(&cl->write, (uv_stream_t *)&cl->pipe, &b, 1, on_client_written) < 0)
		client_drop(cl);
	else
		cl->writing = true;
}

static void
client_send(struct client *cl, const char *data, size_t len)
{
	if (len == 0 || uv_is_closing((uv_handle_t *)&cl->pipe))
		return;
	if (cl->behind.len + len > CLIENT_BEHIND) {
		log_info("slow console client dropped", LS("vm", cl->console->mon->uuid));
		client_drop(cl);
		return;
	}
	buf_add(&cl->behind, data, len);
	client_flush(cl);
}

static void
resume_writer(struct console *c)
{
	struct client *writer = TAILQ_FIRST(&c->clients);

	if (!c->writer_paused || !writer)
		return;
	c->writer_paused = false;
	(void)uv_read_start((uv_stream_t *)&writer->pipe, on_alloc, on_client_read);
}

static void
type(struct client *cl, const char *data, size_t len)
{
	struct console *c = cl->console;

	if (!c->serial || cl != TAILQ_FIRST(&c->clients))
		return;
	if (stream_write(c, (uv_stream_t *)&c->serial->pipe, data, len, resume_writer) < 0)
		return;
	if (uv_stream_get_write_queue_size((uv_stream_t *)&c->serial->pipe) > GUEST_BEHIND) {
		c->writer_paused = true;
		(void)uv_read_stop((uv_stream_t *)&cl->pipe);
	}
}

static void
on_client_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct client *cl = (struct client *)((char *)s - offsetof(struct client, pipe));

	if (n < 0)
		client_drop(cl);
	else if (n > 0)
		type(cl, b->base, (size_t)n);
}

static void
on_client(uv_stream_t *listen, int status)
{
	struct console *c = *(struct console **)listen->data;
	struct client *cl;

	if (status < 0)
		return;
	cl = xcalloc(1, sizeof(*cl));
	cl->console = c;
	(void)uv_pipe_init(&c->mon->loop, &cl->pipe, 0);
	cl->pipe.data = &cl->console;
	TAILQ_INSERT_TAIL(&c->clients, cl, entry);
	c->n_clients++;
	if (uv_accept(listen, (uv_stream_t *)&cl->pipe) < 0 || c->n_clients > CLIENTS_MAX) {
		client_drop(cl);
		return;
	}
	client_send(cl, c->replay + c->replay_at,
	    c->replay_at + c->replay_len > REPLAY_BYTES ? REPLAY_BYTES - c->replay_at
	                                                : c->replay_len);
	if (c->replay_at + c->replay_len > REPLAY_BYTES)
		client_send(cl, c->replay, c->replay_at + c->replay_len - REPLAY_BYTES);
	if (!uv_is_closing((uv_handle_t *)&cl->pipe))
		(void)uv_read_start((uv_stream_t *)&cl->pipe, on_alloc, on_client_read);
}

/* --- The hypervisor's socket --- */

static void
on_serial_closed(uv_handle_t *h)
{
	free((char *)h - offsetof(struct serial, pipe));
}

static void
serial_drop(struct console *c)
{
	if (!c->serial)
		return;
	uv_close((uv_handle_t *)&TAKE(c->serial)->pipe, on_serial_closed);
	/* What was on its way to the guest is lost; who typed it may go on. */
	resume_writer(c);
}

static void
got(struct console *c, const char *data, size_t len)
{
	struct client *cl, *next;

	log_add(c, data, len);
	replay_add(c, data, len);
	for (cl = TAILQ_FIRST(&c->clients); cl; cl = next) {
		next = TAILQ_NEXT(cl, entry);
		client_send(cl, data, len);
	}
}

static void on_retry(uv_timer_t *t);

static void
retry_later(struct console *c)
{
	if (c->mon->hyper)
		(void)uv_timer_start(&c->retry, on_retry, (uint64_t)c->retry_ms, 0);
	c->retry_ms = c->retry_ms * 2 > RECONNECT_MAX ? RECONNECT_MAX : c->retry_ms * 2;
}

static void
on_serial_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct console *c = ((struct serial *)((char *)s - offsetof(struct serial, pipe)))->console;

	if (n > 0) {
		c->retry_ms = RECONNECT_MIN;
		got(c, b->base, (size_t)n);
	} else if (n < 0) {
		serial_drop(c);
		retry_later(c);
	}
}

void
console_connect(struct mon *m)
{
	struct console *c = m->console;
	struct serial *s;
	int fd;

	if (c->serial)
		return;
	fd = tmp_connect(m, VMM_SERIAL);
	if (fd < 0) {
		retry_later(c);
		return;
	}
	s = xcalloc(1, sizeof(*s));
	s->console = c;
	(void)uv_pipe_init(&m->loop, &s->pipe, 0);
	s->pipe.data = &s->console;
	c->serial = s;
	if (uv_pipe_open(&s->pipe, fd) < 0) {
		(void)close(fd);
		serial_drop(c);
		return;
	}
	(void)uv_read_start((uv_stream_t *)&s->pipe, on_alloc, on_serial_read);
}

static void
on_retry(uv_timer_t *t)
{
	struct console *c = t->data;

	if (c->mon->hyper)
		console_connect(c->mon);
}

/* The process is gone; what it wrote last is still in the socket. */
void
console_disconnect(struct mon *m)
{
	struct console *c = m->console;
	uv_os_fd_t fd;
	ssize_t n;

	(void)uv_timer_stop(&c->retry);
	c->retry_ms = RECONNECT_MIN;
	if (!c->serial)
		return;
	if (uv_fileno((uv_handle_t *)&c->serial->pipe, &fd) == 0) {
		while ((n = read(fd, c->chunk, sizeof(c->chunk))) > 0)
			got(c, c->chunk, (size_t)n);
	}
	serial_drop(c);
}

/* --- Life --- */

unsigned
console_clients(const struct mon *m)
{
	return m->console ? m->console->n_clients : 0;
}

static int
listen_on(struct console *c, struct err *err)
{
	struct fs_owner owner = own_of(OWN_SOCKET, (uid_t)-1);
	int fd = fs_unix_listen(c->mon->tmp_fd, VMM_CONSOLE, 16, &owner);
	int r;

	if (fd < 0)
		return err_errno(err, fd, VMM_CONSOLE, "cannot be served");
	r = uv_pipe_open(&c->listen, fd);
	if (r < 0) {
		(void)close(fd);
		return err_set(err, r, VMM_CONSOLE, "cannot be served: %s", uv_strerror(r));
	}
	r = uv_listen((uv_stream_t *)&c->listen, 16, on_client);
	if (r < 0)
		return err_set(err, r, VMM_CONSOLE, "cannot be served: %s", uv_strerror(r));
	return 0;
}

int
console_open(struct mon *m, bool preload, struct err *err)
{
	auto_free char *dir = path_host(m->zonepath);
	struct console *c = xcalloc(1, sizeof(*c));
	int r;

	m->console = c;
	c->mon = m;
	c->log_fd = -1;
	c->retry_ms = RECONNECT_MIN;
	c->replay = xmalloc(REPLAY_BYTES);
	TAILQ_INIT(&c->clients);
	(void)uv_pipe_init(&m->loop, &c->listen, 0);
	(void)uv_timer_init(&m->loop, &c->retry);
	c->listen.data = &m->console;
	c->retry.data = c;
	c->dir_fd = fs_open_dir(dir);
	if (c->dir_fd < 0)
		return err_errno(err, c->dir_fd, m->zonepath, "cannot be opened");
	r = log_open(c);
	if (r < 0)
		return err_errno(err, r, LOG_NAME, "cannot be opened");
	if (preload)
		replay_preload(c);
	return listen_on(c, err);
}

/* The loop does not run any more: nothing is freed that a handle may still name. */
void
console_close(struct mon *m)
{
	struct console *c = m->console;
	struct client *cl;

	if (!c)
		return;
	TAILQ_FOREACH (cl, &c->clients, entry) {
		uv_buf_t b = uv_buf_init(cl->behind.data, (unsigned)cl->behind.len);

		/* Only when the write before it is over; then the last words of the guest fit. */
		if (cl->behind.len > 0)
			(void)uv_try_write((uv_stream_t *)&cl->pipe, &b, 1);
	}
	(void)unlinkat(m->tmp_fd, VMM_CONSOLE, 0);
	if (c->log_fd >= 0)
		(void)close(take_fd(&c->log_fd));
	if (c->dir_fd >= 0)
		(void)close(take_fd(&c->dir_fd));
}
