/* Payload checking (vm-properties.md 5). */
#include "vm/validate.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "vm/payload.h"
#include "json/json.h"

/* --- One check --- */

struct check {
	enum vm_action action;
	enum brand brand;
	const json_t *payload;
	json_t *out;
	json_t *seen; /* names already in one of the lists, so that each is there once */
	struct vm_problems *problems;
};

static void
add_name(struct check *c, json_t *list, const char *name)
{
	auto_free char *key = xasprintf("%p %s", (void *)list, name);

	if (json_object_get(c->seen, key))
		return;
	json_put_bool(c->seen, key, true);
	json_array_append_new(list, json_string(name));
}

static void
bad_value(struct check *c, const char *name, const struct err *why)
{
	if (json_array_size(c->problems->bad_values) == 0)
		c->problems->first = *why;
	add_name(c, c->problems->bad_values, name);
}

/* A bad value whose sentence says everything. */
static void
bad_value_alone(struct check *c, const char *name, const char *sentence)
{
	struct err why;

	(void)err_set(&why, -EINVAL, name, "%s", sentence);
	if (json_array_size(c->problems->bad_values) == 0)
		c->problems->first_alone = true;
	bad_value(c, name, &why);
}

static char *
member_name(const struct prop *p, const char *member)
{
	return xasprintf("%s.*.%s", p->name, member);
}

static void
bad_member(struct check *c, const struct prop *p, const char *member, const char *sentence)
{
	auto_free char *name = member_name(p, member);
	struct err why;

	(void)err_set(&why, -EINVAL, name, "%s", sentence);
	bad_value(c, name, &why);
}

/* Put the canonical value into `out`. An unset one is left out of new things and null in changes.
 */
static void
check_value(struct check *c, const struct prop *p, const char *name, const json_t *value,
    bool is_new, json_t *out)
{
	json_t *normal = NULL;
	struct err why = { 0 };

	if (prop_normalise(p, value, &normal, &why) < 0)
		bad_value(c, name, &why);
	else if (is_new && json_is_null(normal))
		json_decref(normal);
	else
		json_object_set_new(out, p->name, normal);
}

/* --- Elements of arrays --- */

/* Where an element stands: "disks" or "add_disks", its index, and whether it is a new one. */
struct place {
	const struct prop *p;
	const char *key;
	size_t index;
	bool is_new;
};

static void
missing_member(struct check *c, const struct place *at, const char *member)
{
	auto_free char *name = xasprintf("%s.%zu.%s", at->key, at->index, member);

	add_name(c, c->problems->missing_properties, name);
}

/* Exactly one source per disk (vm-properties.md 4.2). */
static void
check_disk(struct check *c, const struct place *at, json_t *disk)
{
	const char *model = json_member_str(disk, "model");
	const char *const *models = brands[c->brand].disk_models;
	bool has_volume = json_member_bool(disk, "nocreate", false) ||
	                  str_eq(json_member_str(disk, "media"), "cdrom");

	if (model && models && !str_in(model, models))
		bad_member(c, at->p, "model", "is not a model of this brand");
	if (!at->is_new)
		return;
	if (has_volume) {
		if (!json_object_get(disk, "path"))
			missing_member(c, at, "path");
		return;
	}
	/* A path would attach whatever is there, perhaps another VM's disk. */
	if (json_object_get(disk, "path")) {
		auto_free char *name = member_name(at->p, "path");

		add_name(c, c->problems->bad_properties, name);
		json_object_del(disk, "path");
	}
	if (!json_object_get(disk, "size"))
		missing_member(c, at, "size");
}

static bool
ips_have(const json_t *ips, const char *ip)
{
	const json_t *item;
	size_t i, len = strlen(ip);

	json_array_foreach (ips, i, item) {
		const char *text = json_string_value(item);

		if (strncmp(text, ip, len) == 0 && (text[len] == '\0' || text[len] == '/'))
			return true;
	}
	return false;
}

static void
check_nic(struct check *c, const struct place *at, json_t *nic)
{
	const char *ip = json_member_str(nic, "ip");
	const json_t *ips = json_object_get(nic, "ips");

	if (json_is_null(json_object_get(nic, "primary"))) {
		bad_member(
		    c, at->p, "primary", "can only be set to true, which clears it elsewhere");
		json_object_del(nic, "primary");
	}
	if (ip && ips && !ips_have(ips, ip))
		bad_member(c, at->p, "ip", "is not one of ips");
}

static void
check_element_rules(struct check *c, const struct place *at, json_t *element)
{
	static const struct {
		const char *name;
		void (*check)(struct check *c, const struct place *at, json_t *element);
	} rules[] = { { "disks", check_disk }, { "nics", check_nic } };

	for (unsigned i = 0; i < ARRAY_LEN(rules); i++) {
		if (str_eq(rules[i].name, at->p->name))
			rules[i].check(c, at, element);
	}
	if (!at->is_new && !json_is_string(json_object_get(element, at->p->identity)))
		bad_member(c, at->p, at->p->identity, "is required to say which element changes");
}

static bool
member_allowed(const struct check *c, const struct place *at, const struct prop *m)
{
	if (at->is_new)
		return prop_in_create(m, c->brand);
	return prop_in_update(m, c->brand) || str_eq(m->name, at->p->identity);
}

static json_t *
check_element(struct check *c, const struct place *at, const json_t *element)
{
	json_t *out = json_object();
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)element, key, value) {
		const struct prop *m = prop_member(at->p, key);
		auto_free char *name = member_name(at->p, key);

		if (m && member_allowed(c, at, m))
			check_value(c, m, name, value, at->is_new, out);
		else
			add_name(c, c->problems->bad_properties, name);
	}
	check_element_rules(c, at, out);
	return out;
}

static void
check_elements(
    struct check *c, const struct prop *p, const char *key, const json_t *value, bool is_new)
{
	struct place at = { p, key, 0, is_new };
	json_t *list = json_array();
	const json_t *element;
	struct err why;

	(void)err_set(&why, -EINVAL, key, "must be an array of objects");
	if (!json_is_array(value))
		bad_value(c, key, &why);
	json_array_foreach (value, at.index, element) {
		if (json_is_object(element))
			json_array_append_new(list, check_element(c, &at, element));
		else
			bad_value(c, key, &why);
	}
	json_object_set_new(c->out, key, list);
}

/* --- Verbs --- */

const struct prop *
payload_verb_find(const char *key, enum payload_verb *ret)
{
	static const struct {
		const char *prefix;
		enum payload_verb verb;
		bool maps, arrays;
	} verbs[] = {
		{ "set_", VERB_SET, true, false },
		{ "remove_", VERB_REMOVE, true, true },
		{ "add_", VERB_ADD, false, true },
		{ "update_", VERB_UPDATE, false, true },
	};

	for (unsigned i = 0; i < ARRAY_LEN(verbs); i++) {
		const struct prop *p;

		if (!str_starts(key, verbs[i].prefix))
			continue;
		p = prop_find(key + strlen(verbs[i].prefix));
		if (!p || p->update != UPDATE_VERB ||
		    !(p->type == PROP_MAP ? verbs[i].maps : verbs[i].arrays))
			return NULL;
		*ret = verbs[i].verb;
		return p;
	}
	return NULL;
}

/* Keys of a map, or identities of elements in their canonical form. */
static void
check_removals(struct check *c, const struct prop *p, const char *key, const json_t *value)
{
	const struct prop *identity = p->type == PROP_OBJECTS ? prop_member(p, p->identity) : NULL;
	json_t *list = json_array();
	const json_t *item;
	size_t i;

	json_object_set_new(c->out, key, list);
	json_array_foreach (value, i, item) {
		auto_free char *number = json_is_number(item) ? json_text(item) : NULL;
		json_auto_t *text = number ? json_string(number) : NULL;
		json_t *normal = NULL;
		struct err why = { 0 };

		if (!text && json_is_string(item))
			text = json_deep_copy(item);
		(void)err_set(&why, -EINVAL, key, "must be an array of texts");
		if (!text || (identity && prop_normalise(identity, text, &normal, &why) < 0) ||
		    json_is_null(normal)) {
			json_decref(normal);
			bad_value(c, key, &why);
			continue;
		}
		json_array_append_new(list, normal ? normal : json_incref(text));
	}
}

static void
check_verb(struct check *c, const struct prop *p, enum payload_verb verb, const char *key,
    const json_t *value)
{
	auto_free char *not_array = xasprintf("%s must be an array.", key);
	struct err why = { 0 };
	json_t *normal = NULL;

	if (verb == VERB_SET) {
		if (prop_normalise(p, value, &normal, &why) < 0)
			bad_value(c, key, &why);
		else
			json_object_set_new(c->out, key, normal);
	} else if (!json_is_array(value)) {
		bad_value_alone(c, key, not_array);
	} else if (verb == VERB_REMOVE) {
		check_removals(c, p, key, value);
	} else {
		check_elements(c, p, key, value, verb == VERB_ADD);
	}
}

/* --- The payload --- */

static void
check_property(struct check *c, const char *key, const json_t *value)
{
	const struct prop *p = prop_find(key);
	bool is_create = c->action == VM_ACTION_CREATE;

	if (!p || !(is_create ? prop_in_create(p, c->brand) : prop_in_update(p, c->brand)))
		add_name(c, c->problems->bad_properties, key);
	else if (p->type == PROP_OBJECTS)
		check_elements(c, p, key, value, true);
	else
		check_value(c, p, key, value, is_create, c->out);
}

static void
check_member(struct check *c, const char *key, const json_t *value)
{
	enum payload_verb verb = VERB_COUNT;
	const struct prop *p = payload_verb_find(key, &verb);

	if (p && verb == VERB_ADD && json_object_get(c->payload, p->name)) {
		auto_free char *both = xasprintf("Cannot specify both %s and %s", p->name, key);

		bad_value_alone(c, key, both);
	} else if (p && c->action == VM_ACTION_UPDATE && (p->brands & BRAND_BIT(c->brand))) {
		check_verb(c, p, verb, key, value);
	} else {
		check_property(c, key, value);
	}
}

static void
check_required(struct check *c)
{
	for (const struct prop *p = properties; p->name; p++) {
		if ((p->flags & PROP_REQUIRED) && (p->brands & BRAND_BIT(c->brand)) &&
		    !json_object_get(c->payload, p->name))
			add_name(c, c->problems->missing_properties, p->name);
	}
}

/* The brand of a create payload decides which rules apply, so a wrong one is the only problem told.
 */
static bool
check_brand(struct check *c)
{
	const json_t *brand = json_object_get(c->payload, "brand");

	if (!brand || brand_parse(json_string_value(brand), &c->brand) == 0)
		return true;
	c->problems->bad_brand =
	    json_is_string(brand) ? xstrdup(json_string_value(brand)) : json_text(brand);
	return false;
}

void
vm_payload_check(enum vm_action action, enum brand brand, const json_t *payload, json_t **ret,
    struct vm_problems *problems)
{
	json_auto_t *seen = json_object();
	struct check c = { action, brand, payload, json_object(), seen, problems };
	const char *key;
	json_t *value;

	*ret = c.out;
	*problems = (struct vm_problems){
		.bad_values = json_array(),
		.bad_properties = json_array(),
		.missing_properties = json_array(),
	};
	if (!json_is_object(payload)) {
		bad_value_alone(&c, "payload", "The payload must be a JSON object.");
		return;
	}
	if (action == VM_ACTION_CREATE && !check_brand(&c))
		return;
	json_object_foreach ((json_t *)(uintptr_t)payload, key, value)
		check_member(&c, key, value);
	if (action == VM_ACTION_CREATE)
		check_required(&c);
}
