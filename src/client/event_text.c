#include "client/event_text.h"

#include <string.h>

#include "base/str.h"
#include "json/json.h"

#define ALIAS_MAX  30 /* characters; longer ones are cut to ALIAS_KEPT and "..." */
#define ALIAS_KEPT 27

static void
add_date(struct buf *out, const char *date, enum event_style style)
{
	const char *t = strchr(date, 'T');

	buf_addf(out, "[%s]", style == EVENT_SHORT && t ? t + 1 : date);
}

static void
add_zone(struct buf *out, const char *zone, enum event_style style)
{
	size_t len = style == EVENT_SHORT ? strcspn(zone, "-") : strlen(zone);

	buf_add(out, zone, len);
}

/* Offset of character `n` of a text, or its length. */
static size_t
offset_of(const char *s, unsigned n)
{
	size_t i = 0, len = strlen(s), step;

	for (; n > 0 && i < len; n--, i += step) {
		step = utf8_sequence(s + i, len - i);
		if (step == 0)
			step = 1;
	}
	return i;
}

static void
add_alias(struct buf *out, const char *alias)
{
	bool cut = alias && alias[offset_of(alias, ALIAS_MAX)] != '\0';

	if (!alias || !*alias)
		alias = "-";
	buf_add(out, alias, cut ? offset_of(alias, ALIAS_KEPT) : strlen(alias));
	if (cut)
		buf_adds(out, "...");
}

static void
add_value(struct buf *out, const json_t *value)
{
	if (value)
		json_write(out, value, 0);
	else
		buf_adds(out, "undefined");
}

static void
add_head(struct buf *out, const json_t *event, enum event_style style)
{
	add_date(out, str_or_empty(json_member_str(event, "date")), style);
	buf_addc(out, ' ');
	add_zone(out, str_or_empty(json_member_str(event, "zonename")), style);
	buf_addc(out, ' ');
	add_alias(out, json_member_str(json_object_get(event, "vm"), "alias"));
	buf_addf(out, " %s", json_member_str(event, "type"));
}

/* Names and values are anybody's text. */
static void
end_line(struct buf *out, size_t from)
{
	str_hide_controls(out->data + from, out->len - from);
	buf_addc(out, '\n');
}

static void
add_ready(struct buf *out, const json_t *event, enum event_style style)
{
	add_date(out, str_or_empty(json_member_str(event, "date")), style);
	buf_adds(out, " ready");
	if (style == EVENT_FULL)
		buf_addf(out, " (uuid %s)", str_or_empty(json_member_str(event, "uuid")));
	buf_addc(out, '\n');
}

static void
add_simple(struct buf *out, const json_t *event, enum event_style style)
{
	size_t from = out->len;

	add_head(out, event, style);
	end_line(out, from);
}

static void
add_changes(struct buf *out, const json_t *event, enum event_style style)
{
	const json_t *change;
	size_t i;

	json_array_foreach (json_object_get(event, "changes"), i, change) {
		size_t from = out->len;

		add_head(out, event, style);
		buf_addf(out, ": %s %s :: ", str_or_empty(json_member_str(change, "prettyPath")),
		    str_or_empty(json_member_str(change, "action")));
		add_value(out, json_object_get(change, "oldValue"));
		buf_adds(out, " -> ");
		add_value(out, json_object_get(change, "newValue"));
		end_line(out, from);
	}
}

static const struct event_kind {
	const char *type;
	void (*add)(struct buf *out, const json_t *event, enum event_style style);
} kinds[] = {
	{ "ready", add_ready },
	{ "create", add_simple },
	{ "modify", add_changes },
	{ "delete", add_simple },
};

void
event_text(const json_t *event, enum event_style style, struct buf *out)
{
	const char *type = json_member_str(event, "type");

	for (unsigned i = 0; type && i < ARRAY_LEN(kinds); i++)
		if (str_eq(type, kinds[i].type))
			kinds[i].add(out, event, style);
}
