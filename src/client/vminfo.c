#include "vminfo.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/paths.h"
#include "base/xmalloc.h"
#include "io/http_client.h"

#define DEFAULT_PORT       9090
#define DEFAULT_TIMEOUT_MS 60000

struct vminfo {
	char *socket; /* NULL: TCP */
	char *host;
	int port;
	char *user_agent;
	int64_t timeout_ms;
	struct http_client *http;
	int status;
	struct err err;
};

struct vminfo_events {
	struct vminfo *v; /* borrowed: takes the sentences */
	struct http_client *http;
};

/* vminfod shows it in /status (vminfod.md 13.1). */
static char *
make_user_agent(const char *name)
{
	char host[256] = "", program[512] = "";
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	if (n < 0)
		(void)snprintf(program, sizeof(program), "%s", program_invocation_name);
	return xasprintf(
	    "%.128s - %s/%d (%s)", name ? name : "libvminfo", host, (int)getpid(), program);
}

static struct http_client *
make_http(const struct vminfo *v)
{
	if (v->socket)
		return http_client_unix(v->socket, v->user_agent);
	return http_client_tcp(v->host, v->port, v->user_agent);
}

int
vminfo_open(const struct vminfo_options *options, struct vminfo **ret)
{
	static const struct vminfo_options defaults;
	const struct vminfo_options *o = options ? options : &defaults;
	const char *root = o->root ? o->root : getenv("VMNODE_ROOT");
	struct vminfo *v;

	if (o->port < 0 || o->port > 65535 || (o->port && !o->host) || o->timeout_ms < -1)
		return -EINVAL;
	v = xcalloc(1, sizeof(*v));
	if (o->host)
		v->host = xstrdup(o->host);
	else
		v->socket = path_host_below(root ? root : "/", PATH_VMINFOD);
	v->port = o->port ? o->port : DEFAULT_PORT;
	v->timeout_ms = o->timeout_ms ? o->timeout_ms : DEFAULT_TIMEOUT_MS;
	v->user_agent = make_user_agent(o->name);
	v->http = make_http(v);
	*ret = v;
	return 0;
}

void
vminfo_close(struct vminfo *v)
{
	if (!v)
		return;
	http_client_free(v->http);
	free(v->socket);
	free(v->host);
	free(v->user_agent);
	free(v);
}

const char *
vminfo_strerror(const struct vminfo *v)
{
	return v->err.msg;
}

int
vminfo_status_code(const struct vminfo *v)
{
	return v->status;
}

int
vminfo_get(struct vminfo *v, const char *path_and_query, char **ret_body, size_t *ret_len)
{
	auto_buf struct buf body = BUF_INIT;
	int r;

	v->status = 0;
	v->err = (struct err){ 0 };
	r = http_client_get(v->http, path_and_query, v->timeout_ms, &v->status, &body, &v->err);
	if (r < 0)
		return r;
	if (ret_len)
		*ret_len = body.len;
	if (ret_body)
		*ret_body = buf_take(&body);
	return 0;
}

static int
bad_status(struct vminfo *v, int not_found)
{
	return err_set(
	    &v->err, v->status == 404 ? not_found : -EPROTO, NULL, "bad statusCode: %d", v->status);
}

/* vminfo_get, with anything but 200 as an error. */
static int
get_ok(struct vminfo *v, const char *path, int not_found, char **ret_body, size_t *ret_len)
{
	auto_free char *body = NULL;
	size_t len;
	int r = vminfo_get(v, path, &body, &len);

	if (r < 0)
		return r;
	if (v->status != 200)
		return bad_status(v, not_found);
	if (ret_len)
		*ret_len = len;
	if (ret_body)
		*ret_body = TAKE(body);
	return 0;
}

int
vminfo_ping(struct vminfo *v)
{
	auto_free char *body = NULL;
	int r = get_ok(v, "/ping", -EPROTO, &body, NULL);

	if (r < 0)
		return r;
	if (!strstr(body, "\"pong\""))
		return err_set(&v->err, -EPROTO, NULL,
		    "this is not vminfod: /ping was not answered with pong");
	return 0;
}

int
vminfo_status(struct vminfo *v, int full, char **ret)
{
	return get_ok(v, full ? "/status?full=true" : "/status", -EPROTO, ret, NULL);
}

/* RFC 3986: everything but unreserved characters and ',' becomes %XX. */
static void
add_encoded(struct buf *b, const char *s)
{
	static const char plain[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~,";

	for (; *s; s++) {
		if (strchr(plain, *s))
			buf_addc(b, *s);
		else
			buf_addf(b, "%%%02X", (unsigned char)*s);
	}
}

int
vminfo_vms(struct vminfo *v, const char *fields, char **ret, size_t *ret_len)
{
	auto_buf struct buf path = BUF_INIT;

	buf_adds(&path, "/vms");
	if (fields) {
		buf_adds(&path, "?fields=");
		add_encoded(&path, fields);
	}
	return get_ok(v, path.data, -EPROTO, ret, ret_len);
}

int
vminfo_vm(struct vminfo *v, const char *uuid, int sync, char **ret, size_t *ret_len)
{
	auto_buf struct buf path = BUF_INIT;

	/* "/vms/" is the list and ".", ".." would name other things. */
	if (!*uuid || strcmp(uuid, ".") == 0 || strcmp(uuid, "..") == 0) {
		v->status = 404;
		return bad_status(v, -ENOENT);
	}
	buf_adds(&path, "/vms/");
	add_encoded(&path, uuid);
	if (sync)
		buf_adds(&path, "?sync=1");
	return get_ok(v, path.data, -ENOENT, ret, ret_len);
}

static int
wait_ready(struct vminfo_events *e, char **ret_ready)
{
	struct vminfo *v = e->v;
	auto_buf struct buf line = BUF_INIT;
	size_t head;
	int r = http_client_line(e->http, v->timeout_ms, &line, &v->err);

	if (r < 0)
		return r;
	if (r == 0)
		return err_set(&v->err, -ETIMEDOUT, NULL,
		    "no ready event: timeout of %lld ms exceeded", (long long)v->timeout_ms);
	head = line.len < 256 ? line.len : 256; /* the snapshot behind it may hold anything */
	if (line.len == 0 || !memmem(line.data, head, "\"type\":\"ready\"", 14))
		return err_set(
		    &v->err, -EPROTO, NULL, "the event stream does not begin with ready");
	if (ret_ready)
		*ret_ready = buf_take(&line);
	return 0;
}

int
vminfo_events(struct vminfo *v, struct vminfo_events **ret, char **ret_ready)
{
	struct vminfo_events *e = xcalloc(1, sizeof(*e));
	int r;

	e->v = v;
	e->http = make_http(v);
	v->status = 0;
	v->err = (struct err){ 0 };
	r = http_client_stream(e->http, "/events", v->timeout_ms, &v->status, &v->err);
	if (r == 0 && v->status != 200)
		r = bad_status(v, -EPROTO);
	if (r == 0)
		r = wait_ready(e, ret_ready);
	if (r < 0) {
		vminfo_events_close(e);
		return r;
	}
	*ret = e;
	return 0;
}

int
vminfo_next(struct vminfo_events *e, int64_t timeout_ms, char **ret_line, size_t *ret_len)
{
	auto_buf struct buf line = BUF_INIT;
	int r = http_client_line(e->http, timeout_ms, &line, &e->v->err);

	if (r <= 0)
		return r;
	if (ret_len)
		*ret_len = line.len;
	*ret_line = buf_take(&line);
	return 1;
}

int
vminfo_fd(const struct vminfo_events *e)
{
	return http_client_fd(e->http);
}

void
vminfo_events_close(struct vminfo_events *e)
{
	if (!e)
		return;
	http_client_free(e->http);
	free(e);
}
