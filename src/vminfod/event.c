#include "vminfod/event.h"

#include <inttypes.h>

#include "base/clock.h"
#include "vm/properties.h"
#include "json/json.h"

static bool
is_visible(const json_t *change, enum view view)
{
	const char *top = json_string_value(json_array_get(json_object_get(change, "path"), 0));

	return view == VIEW_FULL || !top || !prop_is_secret(top);
}

json_t *
event_visible_changes(const json_t *changes, enum view view)
{
	json_t *visible = json_array();
	json_t *change;
	size_t i;

	json_array_foreach (changes, i, change) {
		if (is_visible(change, view))
			(void)json_array_append(visible, change);
	}
	return visible;
}

static void
add_tail(struct buf *b, const char *epoch, uint64_t seq)
{
	buf_addf(b, ",\"epoch\":\"%s\",\"seq\":%" PRIu64 "}\n", epoch, seq);
}

struct blob *
event_line(const struct change *c, enum view view, const char *epoch, int64_t date_ms)
{
	json_auto_t *changes = NULL;
	auto_buf struct buf b = BUF_INIT;
	char date[ISO8601_SIZE];

	if (c->kind == CHANGE_MODIFY) {
		changes = event_visible_changes(c->changes, view);
		if (json_array_size(changes) == 0)
			return NULL;
	}
	buf_addf(&b, "{\"type\":\"%s\",\"date\":\"%s\",\"zonename\":\"%s\",\"uuid\":\"%s\"",
	    change_kind_names[c->kind], iso8601_format(date_ms, date), c->uuid, c->uuid);
	if (c->vm) {
		buf_adds(&b, ",\"vm\":");
		store_render(c->vm, view, NULL, &b);
	}
	if (changes) {
		buf_adds(&b, ",\"changes\":");
		json_write(&b, changes, 0);
	}
	add_tail(&b, epoch, c->seq);
	return blob_new(b.data, b.len);
}

void
event_ready_head(struct buf *b, const char *listener_uuid, int64_t date_ms)
{
	char date[ISO8601_SIZE];

	buf_addf(b, "{\"type\":\"ready\",\"date\":\"%s\",\"uuid\":\"%s\",\"vms\":\"",
	    iso8601_format(date_ms, date), listener_uuid);
}

void
event_ready_tail(struct buf *b, const char *epoch, uint64_t seq)
{
	buf_addc(b, '"');
	add_tail(b, epoch, seq);
}
