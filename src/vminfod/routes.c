#include "vminfod/routes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "base/vmgroup.h"
#include "base/xmalloc.h"
#include "io/http_path.h"
#include "io/http_server.h"
#include "vminfod/listeners.h"
#include "vminfod/listing.h"
#include "vminfod/load_queue.h"
#include "vminfod/scan.h"
#include "vminfod/status.h"
#include "vminfod/store.h"
#include "vminfod/vminfod.h"
#include "json/json.h"

/* What an endpoint works on. */
struct call {
	struct vminfod *d;
	struct http_request *r;
	enum view view;
	const char *operand; /* second component of the path as received, NULL: none; borrowed */
};

static enum view
view_of(const struct http_request *r)
{
	const struct peer *p = http_request_peer(r);

	return p->known && vmgroup_may_read_all(p->uid) ? VIEW_FULL : VIEW_REDACTED;
}

static void
reply_buf(struct http_request *r, struct buf *b)
{
	size_t len = b->len;
	struct http_body *body = http_body_take(buf_take(b), len);

	http_reply(r, 200, body);
	http_body_unref(body);
}

/* Parameters of ours are on unless they are empty or 0. */
static bool
is_on(const char *value)
{
	return value && *value != '\0' && strcmp(value, "0") != 0;
}

/* `fields` of the query string: 1 and *ret, 0 when there is none, negative errno. */
static int
fields_of(const struct http_request *r, struct fields *ret)
{
	const char *value = http_request_query(r, "fields");
	auto_free char *list = NULL;
	int code;

	if (!value)
		return 0;
	list = http_query_decode(xstrdup(value));
	code = fields_parse(list, ret);
	return code < 0 ? code : 1;
}

/* --- /ping and /status --- */

static void
get_ping(const struct call *c)
{
	http_reply_text(c->r, 200, "{\"ping\":\"pong\"}");
}

static void
get_status(const struct call *c)
{
	const char *full = http_request_query(c->r, "full");
	/* Any text switches it on, "false" and "0" too (vminfod.md 3.2). */
	json_auto_t *document = status_document(c->d, full && *full != '\0');
	auto_buf struct buf b = BUF_INIT;

	json_write(&b, document, 0);
	reply_buf(c->r, &b);
}

/* --- /vms --- */

static void
reply_projection(const struct call *c, struct fields *f)
{
	auto_buf struct buf b = BUF_INIT;
	unsigned i;

	buf_addc(&b, '[');
	for (i = 0; i < store_count(c->d->store); i++) {
		if (i > 0)
			buf_addc(&b, ',');
		store_render(store_at(c->d->store, i), c->view, f, &b);
	}
	buf_addc(&b, ']');
	reply_buf(c->r, &b);
}

static void
reply_bad_fields(struct http_request *r)
{
	http_reply_text(
	    r, 400, "{\"code\":\"InvalidArgument\",\"message\":\"fields: too many names\"}");
}

static void
reply_list(const struct call *c)
{
	struct fields f;
	int code = fields_of(c->r, &f);

	if (code < 0) {
		reply_bad_fields(c->r);
	} else if (code == 0) {
		http_reply(c->r, 200, listing_body(c->d->listing, c->view));
	} else {
		reply_projection(c, &f);
		fields_done(&f);
	}
}

/* --- /vms/<uuid> --- */

#define ETAG_SIZE 64
static void
etag_of(const struct call *c, const struct store_vm *vm, char ret[ETAG_SIZE])
{
	(void)snprintf(ret, ETAG_SIZE, "\"%s-%" PRIu64 "-%c\"", store_epoch(c->d->store), vm->seq,
	    c->view == VIEW_FULL ? 'f' : 'r');
}

static struct http_body *
body_of_view(const struct call *c, const struct store_vm *vm)
{
	auto_buf struct buf b = BUF_INIT;
	size_t len;

	if (c->view == VIEW_FULL)
		return http_body_new(vm->text->data, vm->text->len, blob_unref, blob_ref(vm->text));
	store_render(vm, c->view, NULL, &b);
	len = b.len;
	return http_body_take(buf_take(&b), len);
}

/* The whole text in the full view is kept as an answer; what others see is copied together each
 * time. */
static void
reply_whole(const struct call *c, struct store_vm *vm)
{
	struct http_body *body = c->view == VIEW_FULL ? vm->body : NULL;
	const char *known = http_request_header(c->r, "If-None-Match");
	char etag[ETAG_SIZE];
	bool same;

	etag_of(c, vm, etag);
	same = known && strcmp(known, etag) == 0;
	if (same || !body) {
		body = same ? http_body_copy("", 0) : body_of_view(c, vm);
		http_body_header(body, "ETag", etag);
		http_reply(c->r, same ? 304 : 200, body);
		if (!same && c->view == VIEW_FULL)
			vm->body = body;
		else
			http_body_unref(body);
		return;
	}
	http_reply(c->r, 200, body);
}

static void
reply_vm(const struct call *c, const char *name)
{
	struct store_vm *vm = store_find(c->d->store, name);
	auto_buf struct buf b = BUF_INIT;
	struct fields f;
	int code;

	if (!vm) {
		buf_addf(&b, "VM Not Found: %s", name);
		http_reply_text(c->r, 404, b.data);
		return;
	}
	code = fields_of(c->r, &f);
	if (code < 0) {
		reply_bad_fields(c->r);
	} else if (code == 0) {
		reply_whole(c, vm);
	} else {
		store_render(vm, c->view, &f, &b);
		fields_done(&f);
		reply_buf(c->r, &b);
	}
}

/* --- sync=1: answered after a load that begins now --- */

struct pending {
	struct call call;
	struct sync_load load;   /* one VM */
	struct scan_waiter scan; /* all */
	bool all;
};

static void
on_pending_gone(void *arg)
{
	struct pending *p = arg;

	if (p->all)
		scan_cancel(p->call.d->scan, &p->scan);
	else
		load_queue_cancel(p->call.d->queue, &p->load);
	free(p);
}

static struct pending *
defer(const struct call *c)
{
	struct pending *p = xcalloc(1, sizeof(*p));

	p->call = *c;
	p->call.operand = NULL;
	http_request_defer(c->r, on_pending_gone, p);
	return p;
}

static void
on_loaded(struct sync_load *s)
{
	struct pending *p = (struct pending *)((char *)s - offsetof(struct pending, load));

	reply_vm(&p->call, s->uuid);
	free(p);
}

static void
on_scanned(struct scan_waiter *w)
{
	struct pending *p = (struct pending *)((char *)w - offsetof(struct pending, scan));

	reply_list(&p->call);
	free(p);
}

static void
get_vms(const struct call *c)
{
	bool sync = is_on(http_request_query(c->r, "sync"));
	struct pending *p;

	if (!c->operand && !sync) {
		reply_list(c);
	} else if (!c->operand) {
		p = defer(c);
		p->all = true;
		p->scan.done = on_scanned;
		scan_wait(c->d->scan, &p->scan);
	} else if (!sync || !uuid_valid(c->operand)) {
		reply_vm(c, c->operand);
	} else {
		p = defer(c);
		memcpy(p->load.uuid, c->operand, sizeof(p->load.uuid));
		p->load.done = on_loaded;
		load_queue_sync(c->d->queue, &p->load);
	}
}

/* --- /events --- */

static void
get_events(const struct call *c)
{
	listeners_add(c->d->listeners, c->r, c->view);
}

/* --- The table --- */

static const struct route {
	const char
	    *name; /* first component of the path; further ones that no endpoint uses are ignored */
	void (*get)(const struct call *c);
	const char *help;
} routes[] = {
	{ "ping", get_ping, "Is the daemon there?" },
	{ "status", get_status, "What the daemon knows about itself; full=1 for more." },
	{ "vms", get_vms,
	    "All VMs, or one by its uuid; fields=a,b for some members, sync=1 to load first." },
	{ "events", get_events, "A line with all VMs, then a line for every change, without end." },
};

static const struct route *
find_route(const char *name)
{
	unsigned i;

	for (i = 0; i < ARRAY_LEN(routes); i++) {
		if (strcmp(routes[i].name, name) == 0)
			return &routes[i];
	}
	return NULL;
}

static void
log_request(const struct http_request *r)
{
	const struct peer *p = http_request_peer(r);

	log_debug("request", LS("method", http_request_method(r)), LS("path", http_request_path(r)),
	    LI("uid", p->known ? (int64_t)p->uid : -1));
}

void
routes_handle(void *arg, struct http_request *r)
{
	auto_free char *path = http_path_normalise(http_request_path(r));
	struct call c = { .d = arg, .r = r };
	const struct route *route;
	char *operand, *rest;

	log_request(r);
	if (strcmp(http_request_method(r), "GET") != 0) {
		http_reply_text(r, 400, "");
		return;
	}
	operand = path ? strchr(path + 1, '/') : NULL;
	if (operand) {
		*operand++ = '\0';
		rest = strchr(operand, '/');
		if (rest)
			*rest = '\0';
	}
	route = path ? find_route(path + 1) : NULL;
	if (!route) {
		http_reply_text(r, 404, "Unsupported URL Path");
		return;
	}
	c.operand = operand;
	c.view = view_of(r);
	route->get(&c);
}
