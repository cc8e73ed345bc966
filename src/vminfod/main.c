/* vminfod: always knows every VM of the host. Start, reload and stop. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/fs.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/options.h"
#include "base/own.h"
#include "base/paths.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "host/sysinfo.h"
#include "host/zone_dir.h"
#include "io/http_server.h"
#include "load/load.h"
#include "vminfod/listeners.h"
#include "vminfod/listing.h"
#include "vminfod/load_queue.h"
#include "vminfod/ring.h"
#include "vminfod/routes.h"
#include "vminfod/scan.h"
#include "vminfod/service.h"
#include "vminfod/status.h"
#include "vminfod/store.h"
#include "vminfod/vminfod.h"
#include "vminfod/watch.h"
#include "json/json.h"

#define EXIT_USAGE     2
#define TICK_MS        1000
#define SPARE_CONNS    256         /* beside listeners, per socket */
#define MMAP_THRESHOLD (256 << 10) /* lists go back to the system when they are freed */
#define TRIM_THRESHOLD (1 << 20)   /* what loads use for a moment is not given back each time */
#define UNIX_BACKLOG   1024

enum { OPT_ROOT, OPT_PORT, OPT_NO_TCP, OPT_INTERVAL, OPT_HELP, OPT_VERSION };

static const struct option_row option_rows[] = {
	[OPT_ROOT] = { 0, "root", "DIR", "Serve the host below DIR instead of /." },
	[OPT_PORT] = { 0, "port", "N",
	    "TCP port instead of vminfod.port; 0: the kernel's choice." },
	[OPT_NO_TCP] = { 0, "no-tcp", NULL, "Serve the Unix socket only." },
	[OPT_INTERVAL] = { 0, "scan-interval", "S",
	    "Seconds between full scans instead of vminfod.scan_interval." },
	[OPT_HELP] = { 'h', "help", NULL, "Show this text." },
	[OPT_VERSION] = { 0, "version", NULL, "Show the version." },
	{ 0 },
};

struct settings {
	const char *root;            /* NULL: default */
	int64_t port, scan_interval; /* -1: from the configuration */
	bool no_tcp, help, version;
};

struct program {
	struct vminfod d; /* first: on_loaded gets back to the program from it */
	struct settings settings;
	int lock_fd, tcp_fd; /* -1: none */
	int port;            /* -1: none */
	char *bind;          /* owned */
	int64_t started_ns;
	int exit_code;
	bool stopping;
	uv_timer_t tick;
	uv_signal_t signals[3];
};

/* --- Command line --- */

static int
parse_number(
    const char *what, const char *text, int64_t min, int64_t max, int64_t *ret, struct err *err)
{
	if (str_to_int(text, false, min, max, ret) < 0)
		return err_set(err, -EINVAL, what, "--%s: \"%s\" is not a number from %lld to %lld",
		    what, text, (long long)min, (long long)max);
	return 0;
}

static int
take_option(const struct option_found *f, struct settings *s, struct err *err)
{
	switch (f->row) {
	case OPT_ROOT:
		s->root = f->value;
		return 0;
	case OPT_PORT:
		return parse_number("port", f->value, 0, 65535, &s->port, err);
	case OPT_NO_TCP:
		s->no_tcp = true;
		return 0;
	case OPT_INTERVAL:
		return parse_number("scan-interval", f->value, 1, 86400, &s->scan_interval, err);
	case OPT_HELP:
		s->help = true;
		return 0;
	case OPT_VERSION:
		s->version = true;
		return 0;
	default:
		return err_set(err, -EINVAL, NULL, "unexpected operand \"%s\"", f->value);
	}
}

static int
parse_options(int argc, char **argv, struct settings *ret, struct err *err)
{
	auto_free struct option_found *found = NULL;
	struct settings s = { .port = -1, .scan_interval = -1 };
	unsigned i, n = 0;
	int r = options_parse(argc, argv, option_rows, false, &found, &n, err);

	for (i = 0; r >= 0 && i < n; i++)
		r = take_option(&found[i], &s, err);
	if (r < 0)
		return r;
	*ret = s;
	return 0;
}

static int
complain(const struct err *err, int code)
{
	(void)fprintf(stderr, "vminfod: %s\n", err->msg);
	return code;
}

static int
show_help(void)
{
	(void)printf("usage: vminfod [--root DIR] [--port N] [--no-tcp] [--scan-interval S]\n\n"
	             "Keeps every VM of the host in memory and serves them over HTTP.\n\n");
	options_print(stdout, option_rows);
	return 0;
}

/* --- Settings that may change while we run --- */

static void
apply_settings(struct program *p)
{
	int64_t interval = p->settings.scan_interval;

	scan_set_interval(p->d.scan, interval > 0 ? interval : conf_int("vminfod.scan_interval"));
	ring_set_budget(p->d.ring, (size_t)conf_int("vminfod.ring_bytes"));
	listeners_set_limits(p->d.listeners, (unsigned)conf_int("vminfod.max_listeners"),
	    conf_int("vminfod.write_deadline"));
}

static void
reload(struct program *p)
{
	struct err err = { 0 };

	if (conf_load(&err) < 0)
		log_error("the configuration cannot be read; the old one stays", LE(&err));
	else
		apply_settings(p);
	log_info("reloading: full scan");
	scan_request(p->d.scan);
}

/* --- Serving --- */

static unsigned
max_connections(void)
{
	unsigned wanted = (unsigned)conf_int("vminfod.max_listeners") + SPARE_CONNS;
	unsigned half = service_raise_nofile() / 2;
	unsigned most = half > SPARE_CONNS ? (half - SPARE_CONNS / 2) / 2 : half / 4 + 1;

	/* Two sockets, and well below the limit of descriptors: without any left the library spins
	 * and no file can be read. */
	return wanted < most ? wanted : most;
}

static int
listen_unix(struct program *p, struct err *err)
{
	auto_free char *path = path_host(PATH_VMINFOD);
	struct fs_owner owner = own_of(OWN_SOCKET, (uid_t)-1);
	int fd = fs_unix_listen_path(path, UNIX_BACKLOG, &owner);

	if (fd < 0)
		return err_errno(err, fd, PATH_VMINFOD, "cannot listen on %s", path);
	return http_server_listen(p->d.http, fd, err);
}

static int
serve(struct program *p, struct err *err)
{
	struct http_server_options o = {
		.handler = routes_handle,
		.arg = &p->d,
		.bind = p->bind,
		.max_connections = max_connections(),
		.timeout_s = (unsigned)conf_int("vminfod.write_deadline"),
	};
	int r = http_server_new(p->d.loop, &o, &p->d.http, err);

	if (r == 0)
		r = listen_unix(p, err);
	if (r == 0 && p->tcp_fd >= 0)
		r = http_server_listen(p->d.http, take_fd(&p->tcp_fd), err);
	if (r == 0)
		r = service_write_port(p->port, err);
	return r;
}

static void stop(struct program *p);

static void
on_loaded(struct vminfod *d)
{
	struct program *p = (struct program *)d;
	struct err err = { 0 };

	d->booting = false;
	if (serve(p, &err) < 0) {
		log_fatal("cannot serve", LE(&err));
		p->exit_code = complain(&err, 1);
		stop(p);
		return;
	}
	(void)malloc_trim(0);
	log_info("ready", LI("vms", store_count(d->store)),
	    LI("elapsed_ms", (clock_mono_ns() - p->started_ns) / 1000000), LI("port", p->port));
	service_notify("READY=1\nSTATUS=working");
}

/* --- Life --- */

static void
on_tick(uv_timer_t *timer)
{
	struct program *p = timer->data;

	watch_retry(p->d.watch);
	load_queue_tick(p->d.queue);
	listeners_sweep(p->d.listeners);
	listing_trim(p->d.listing);
}

/* In the order of data flow backwards; what was embedded is freed when the loop has closed its
 * handles. */
static void
stop(struct program *p)
{
	unsigned i;

	if (p->stopping)
		return;
	p->stopping = true;
	service_notify("STOPPING=1");
	http_server_close(p->d.http);
	listeners_close(p->d.listeners);
	scan_close(p->d.scan);
	load_queue_close(p->d.queue);
	watch_close(p->d.watch);
	uv_close((uv_handle_t *)&p->tick, NULL);
	for (i = 0; i < ARRAY_LEN(p->signals); i++)
		uv_close((uv_handle_t *)&p->signals[i], NULL);
}

static void
on_signal(uv_signal_t *handle, int signum)
{
	struct program *p = handle->data;

	if (signum == SIGHUP) {
		reload(p);
		return;
	}
	log_info("stopping", LI("signal", signum));
	stop(p);
}

static void
start_handles(struct program *p)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	unsigned i;

	(void)signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < ARRAY_LEN(signals); i++) {
		(void)uv_signal_init(p->d.loop, &p->signals[i]);
		p->signals[i].data = p;
		(void)uv_signal_start(&p->signals[i], on_signal, signals[i]);
	}
	(void)uv_timer_init(p->d.loop, &p->tick);
	p->tick.data = p;
	(void)uv_timer_start(&p->tick, on_tick, TICK_MS, TICK_MS);
}

static int
start_parts(struct program *p, struct err *err)
{
	struct vminfod *d = &p->d;
	int r;

	d->loader = loader_new();
	d->store = store_new();
	d->ring = ring_new((size_t)conf_int("vminfod.ring_bytes"));
	d->listing = listing_new(d->store);
	d->status = status_new();
	r = watch_new(d, &d->watch, err);
	if (r < 0)
		return r;
	r = load_queue_new(d, &d->queue, err);
	if (r < 0)
		return r;
	d->listeners = listeners_new(d->loop, d->store, d->listing, d->ring);
	d->scan = scan_new(d);
	d->on_loaded = on_loaded;
	d->booting = true;
	return 0;
}

static void
free_parts(struct program *p)
{
	scan_free(p->d.scan);
	load_queue_free(p->d.queue);
	watch_free(p->d.watch);
	status_free(p->d.status);
	listing_free(p->d.listing);
	ring_free(p->d.ring);
	store_free(p->d.store);
	loader_free(p->d.loader);
}

/* One daemon per root, and a port that is taken is known at once. */
static int
claim(struct program *p, struct err *err)
{
	auto_free char *lock = path_host(PATH_RUN "/vminfod.lock");
	const char *bind = conf_str("vminfod.bind");
	int64_t port = p->settings.port >= 0 ? p->settings.port : conf_int("vminfod.port");
	int r;

	p->lock_fd = lock_take(lock, 0, err);
	if (p->lock_fd == -EAGAIN)
		return err_set(err, -EAGAIN, NULL,
		    "another vminfod serves this host already (it holds %s)", lock);
	if (p->lock_fd < 0)
		return p->lock_fd;
	if (p->settings.no_tcp)
		return 0;
	r = http_bind_tcp(bind, (int)port, &p->port, err);
	if (r == -EADDRINUSE)
		return err_set(err, r, NULL,
		    "port %d on %s is taken by another program; choose one with --port or "
		    "vminfod.port in %s",
		    (int)port, bind, PATH_CONF);
	if (r < 0)
		return r;
	p->tcp_fd = r;
	p->bind = xstrdup(bind);
	return 0;
}

static int
prepare_host(struct program *p, struct err *err)
{
	struct err warning = { 0 };
	int r = conf_load(err);

	if (r == 0)
		r = host_init(err);
	if (r == 0)
		r = claim(p, err);
	if (r == 0 && sysinfo_write(&warning) < 0)
		log_warn("facts about the host cannot be written", LE(&warning));
	return r;
}

static void
run(struct program *p)
{
	struct err err = { 0 };

	start_handles(p);
	if (start_parts(p, &err) < 0) {
		log_fatal("cannot start", LE(&err));
		p->exit_code = complain(&err, 1);
		stop(p);
	} else {
		apply_settings(p);
		watch_retry(p->d.watch);
		scan_boot(p->d.scan);
	}
	(void)uv_run(p->d.loop, UV_RUN_DEFAULT);
}

/* Before the lock is let go: what is there then belongs to the next one. */
static void
remove_traces(void)
{
	auto_free char *path = path_host(PATH_VMINFOD);

	(void)fs_unlink(path, NULL);
	(void)service_write_port(-1, NULL);
}

static void
clean_up(struct program *p)
{
	free_parts(p);
	(void)uv_loop_close(p->d.loop);
	free(p->d.loop);
	remove_traces();
	if (p->tcp_fd >= 0)
		(void)close(p->tcp_fd);
	(void)close(p->lock_fd);
	free(p->bind);
}

int
main(int argc, char **argv)
{
	struct program p = {
		.lock_fd = -1, .tcp_fd = -1, .port = -1, .started_ns = clock_mono_ns()
	};
	struct err err = { 0 };

	(void)proc_claim_stdio();
	if (parse_options(argc, argv, &p.settings, &err) < 0)
		return complain(&err, EXIT_USAGE);
	if (p.settings.help)
		return show_help();
	if (p.settings.version) {
		(void)puts(VMNODE_VERSION_LINE("vminfod"));
		return 0;
	}
	(void)mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
	(void)mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD);
	log_init("vminfod", LOG_INFO);
	json_setup();
	if (paths_init(p.settings.root, &err) < 0 || prepare_host(&p, &err) < 0)
		return complain(&err, 1);
	p.d.loop = xcalloc(1, sizeof(*p.d.loop));
	if (uv_loop_init(p.d.loop) < 0) {
		(void)fputs("vminfod: cannot make an event loop\n", stderr);
		return 1;
	}
	run(&p);
	clean_up(&p);
	return p.exit_code;
}
