#include "client/event_print.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "client/output.h"
#include "json/json.h"

DEFINE_AUTO(vminfo_events, struct vminfo_events *, vminfo_events_close)

static int
print_text(const struct buf *text, struct err *err)
{
	int r = output_write(text);

	return r < 0 ? err_errno(err, r, NULL, "cannot write the output") : 0;
}

/* The snapshot of the ready event as an object keyed by zonename; of one VM if p->uuid. */
static int
snapshot_map(const struct event_print *p, const json_t *ready, json_t **ret, struct err *err)
{
	const char *text = str_or_empty(json_member_str(ready, "vms"));
	json_auto_t *vms = json_parse(text, strlen(text), "snapshot", err), *map = json_object();
	json_t *vm;
	size_t i;

	if (!vms)
		return -EPROTO;
	json_array_foreach (vms, i, vm) {
		const char *zone = json_member_str(vm, "zonename");
		const char *uuid = json_member_str(vm, "uuid");

		if (!p->uuid || str_eq(p->uuid, uuid))
			json_put(map, zone ? zone : str_or_empty(uuid), json_incref(vm));
	}
	*ret = TAKE(map);
	return 0;
}

static int
print_ready(const struct event_print *p, const char *line, struct err *err)
{
	json_auto_t *ready = NULL, *map = NULL;
	auto_buf struct buf out = BUF_INIT;

	if (!p->uuid && !p->ready)
		return 0;
	ready = json_parse(line, strlen(line), "ready event", err);
	if (!ready)
		return -EPROTO;
	if (p->uuid || (p->json && p->ready_map)) {
		int r = snapshot_map(p, ready, &map, err);

		if (r < 0)
			return r;
		if (p->uuid && json_object_size(map) == 0)
			return err_set(err, -ENOENT, NULL, "VM %s not found", p->uuid);
	}
	if (!p->ready)
		return 0;
	if (!p->json) {
		event_text(ready, p->style, &out);
	} else {
		if (p->ready_map)
			json_put(ready, "vms", TAKE(map));
		json_write(&out, ready, 0);
		buf_addc(&out, '\n');
	}
	return print_text(&out, err);
}

static int
print_event(const struct event_print *p, const char *line, size_t len, struct err *err)
{
	json_auto_t *event = NULL;
	auto_buf struct buf out = BUF_INIT;

	if (!p->json || p->uuid) {
		event = json_parse(line, len, "event", err);
		if (!event)
			return -EPROTO;
		if (p->uuid && !str_eq(p->uuid, json_member_str(event, "uuid")))
			return 0;
	}
	if (p->json) {
		buf_add(&out, line, len);
		buf_addc(&out, '\n');
	} else {
		event_text(event, p->style, &out);
	}
	return print_text(&out, err);
}

/* Everything that is there now, then wait for more or for the reader to leave. */
static int
print_stream(
    struct vminfo *v, struct vminfo_events *e, const struct event_print *p, struct err *err)
{
	for (;;) {
		auto_free char *line = NULL;
		size_t len;
		int r = vminfo_next(e, 0, &line, &len);

		if (r < 0)
			return err_set(err, r, NULL, "vminfod closed the event stream: %s",
			    vminfo_strerror(v));
		if (r == 1)
			r = print_event(p, line, len, err);
		else if (output_wait_gone(vminfo_fd(e)))
			return -EPIPE;
		if (r < 0)
			return r;
	}
}

int
event_print(struct vminfo *v, const struct event_print *p, struct err *err)
{
	AUTO(vminfo_events) struct vminfo_events *e = NULL;
	auto_free char *ready = NULL;
	int r = vminfo_events(v, &e, &ready);

	if (r < 0)
		return err_set(err, r, NULL, "%s", vminfo_strerror(v));
	r = print_ready(p, ready, err);
	if (r == 0)
		r = print_stream(v, e, p, err);
	return r == -EPIPE ? 0 : r;
}
