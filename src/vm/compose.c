/* From what the sources say to a VM object: one loop over the property table. */
#include "vm/compose.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "vm/text.h"
#include "json/json.h"

const char *const zone_state_names[ZONE_STATE_COUNT] = {
	[ZONE_CONFIGURED] = "configured",
	[ZONE_INCOMPLETE] = "incomplete",
	[ZONE_INSTALLED] = "installed",
	[ZONE_READY] = "ready",
	[ZONE_RUNNING] = "running",
	[ZONE_SHUTTING_DOWN] = "shutting_down",
};

int
zone_state_parse(const char *s, enum zone_state *ret)
{
	for (unsigned i = 0; i < ZONE_STATE_COUNT; i++) {
		if (str_eq(s, zone_state_names[i])) {
			*ret = (enum zone_state)i;
			return 0;
		}
	}
	return -EINVAL;
}

void
vm_sources_done(struct vm_sources *s)
{
	for (unsigned i = 0; i < SRC_COUNT; i++) {
		json_decref(s->part[i]);
		s->part[i] = NULL;
	}
}

static json_t *
compose_member(const struct prop *p, const struct vm_sources *s, const json_t *obj)
{
	json_t *value = p->compute ? p->compute(p, s, obj)
	                           : json_incref(json_object_get(s->part[p->source], p->name));

	if (!value)
		return (p->flags & PROP_ALWAYS) ? prop_empty(p) : NULL;
	if ((p->flags & PROP_HIDE_FALSE) && json_is_false(value)) {
		json_decref(value);
		return NULL;
	}
	return value;
}

static json_t *
compose_all(const struct vm_sources *s)
{
	json_t *obj = json_object();

	for (const struct prop *p = properties; p->name; p++) {
		json_t *value = (p->flags & PROP_VIRTUAL) ? NULL : compose_member(p, s, obj);

		if (value)
			json_object_set_new(obj, p->name, value);
	}
	return obj;
}

/* Nothing of the sources but which VM it is. */
static json_t *
compose_minimal(const struct vm_sources *s)
{
	struct vm_sources known = {
		.uuid = s->uuid, .has_row = s->has_row, .row_state = s->row_state
	};
	json_t *brand = json_object_get(s->part[SRC_XML], "brand");
	json_auto_t *xml = json_object(), *run = json_object();
	json_t *zone_state = json_object_get(s->part[SRC_RUN], "zone_state"), *obj;

	if (brand)
		json_object_set(xml, "brand", brand);
	if (zone_state)
		json_object_set(run, "zone_state", zone_state);
	known.part[SRC_INDEX] = s->part[SRC_INDEX];
	known.part[SRC_XML] = xml;
	known.part[SRC_RUN] = run;
	obj = compose_all(&known);
	json_put_str(obj, "state", zone_state_names[ZONE_CONFIGURED]);
	return obj;
}

static json_t *
load_error_json(const struct load_error *e)
{
	json_t *out = json_object();

	json_put(out, "file", text_json(e->file, strnlen(e->file, sizeof(e->file))));
	json_put_int(out, "line", e->line);
	json_put(out, "reason", text_json(e->reason, strnlen(e->reason, sizeof(e->reason))));
	return out;
}

json_t *
vm_compose(const struct vm_sources *s, const json_t *last_good)
{
	json_t *obj;

	if (!s->error.set)
		return compose_all(s);
	obj = last_good ? json_deep_copy(last_good) : compose_minimal(s);
	json_object_del(obj, "load_error");
	json_put(obj, "load_error", load_error_json(&s->error));
	return obj;
}

const char *
vm_state_of(const json_t *obj)
{
	const char *zone_state = str_or_empty(json_member_str(obj, "zone_state"));
	const char *stored = json_member_str(obj, "state"), *state = zone_state;

	if (json_object_get(obj, "transition_to") && stored)
		state = stored;
	else if (str_eq(zone_state, zone_state_names[ZONE_INSTALLED]))
		state = "stopped";
	if (str_eq(state, "stopped") && json_is_true(json_object_get(obj, "provisioning")))
		state = "provisioning";
	if (*str_or_empty(json_member_str(obj, "failed")))
		state = "failed";
	return state;
}

json_t *
vm_stored(const json_t *obj)
{
	const char *to = json_member_str(obj, "transition_to");
	json_t *out = json_deep_copy(obj);

	if (to && json_member_str(obj, "state")) {
		auto_free char *text = xasprintf("%s:%s:%lld", json_member_str(obj, "state"), to,
		    (long long)json_member_int(obj, "transition_expire", 0));

		json_put(out, "transition", text_json(text, strlen(text)));
	}
	json_object_del(out, "transition_to");
	json_object_del(out, "transition_expire");
	return out;
}

json_t *
vm_redact(const json_t *obj)
{
	json_t *out = json_object();
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)obj, key, value) {
		const struct prop *p = prop_find(key);

		if (!prop_is_secret(key))
			json_object_set(out, key, value);
		else if (p && p->type == PROP_MAP)
			json_object_set_new(out, key, json_object());
	}
	return out;
}

void
vm_add_virtual(json_t *obj)
{
	for (const struct prop *p = properties; p->name; p++) {
		if ((p->flags & PROP_VIRTUAL) && json_object_get(obj, p->needs))
			json_object_set_new(obj, p->name, p->compute(p, NULL, obj));
	}
}

json_t *
vm_with_virtual(const json_t *obj)
{
	json_t *out = json_copy((json_t *)(uintptr_t)obj);

	vm_add_virtual(out);
	return out;
}
