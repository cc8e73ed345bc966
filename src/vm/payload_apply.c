/* An update applied to a VM (vmadm.md 2.5). */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "vm/compose.h"
#include "vm/payload.h"
#include "vm/validate.h"
#include "json/json.h"

struct apply {
	json_t *vm;
	const json_t *update;
	enum brand brand;
};

static void
apply_plain(struct apply *a)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)a->update, key, value) {
		const struct prop *p = prop_find(key);

		if (!p || !prop_in_update(p, a->brand))
			continue;
		if (json_is_null(value) || (json_is_array(value) && json_array_size(value) == 0))
			prop_unset(p, a->vm);
		else
			json_object_set_new(a->vm, key, json_deep_copy(value));
	}
}

/* --- Maps --- */

static int
map_verb(struct apply *a, const struct prop *p, enum payload_verb verb, const json_t *value,
    struct err *err)
{
	json_t *map = json_object_get(a->vm, p->name), *item;
	const char *key;
	size_t i;

	if (!json_is_object(map)) {
		map = json_object();
		json_object_set_new(a->vm, p->name, map);
	}
	if (verb == VERB_REMOVE) {
		json_array_foreach (value, i, item)
			json_object_del(map, str_or_empty(json_string_value(item)));
		return 0;
	}
	json_object_foreach ((json_t *)(uintptr_t)value, key, item)
		json_object_set_new(map, key, json_deep_copy(item));
	return 0;
}

/* --- Arrays --- */

/* Position of the element named `name`, compared in canonical form; the size when there is none. */
static size_t
find_element(const struct prop *p, const json_t *list, const char *name)
{
	const struct prop *identity = prop_member(p, p->identity);
	const json_t *element;
	size_t i;

	json_array_foreach (list, i, element) {
		const char *text = json_member_str(element, p->identity);
		auto_free char *canon = text && identity->canon ? identity->canon(text) : NULL;

		if (name && str_eq(canon ? canon : text, name))
			return i;
	}
	return json_array_size(list);
}

static int
unknown_element(const struct prop *p, const char *name, struct err *err)
{
	if (!name)
		return err_set(
		    err, -EINVAL, p->identity, "%s: .%s is required", p->name, p->identity);
	return err_set(
	    err, -ENOENT, p->identity, "No %s with %s %s exists", p->noun, p->identity, name);
}

static int
remove_element(
    struct apply *a, const struct prop *p, json_t *list, const json_t *item, struct err *err)
{
	size_t i = find_element(p, list, json_string_value(item));

	if (json_array_remove(list, i) < 0)
		return unknown_element(p, str_or_empty(json_string_value(item)), err);
	return 0;
}

static int
update_element(
    struct apply *a, const struct prop *p, json_t *list, const json_t *item, struct err *err)
{
	const char *name = json_member_str(item, p->identity);
	json_t *element = json_array_get(list, find_element(p, list, name));

	if (!element)
		return unknown_element(p, name, err);
	return str_eq(p->name, "nics") ? nic_merge(p, element, item, err)
	                               : element_merge(p, element, item, err);
}

static int
add_element(
    struct apply *a, const struct prop *p, json_t *list, const json_t *item, struct err *err)
{
	json_t *element = json_deep_copy(item);

	payload_element_defaults(p, a->brand, element);
	json_array_append_new(list, element);
	return 0;
}

static int
array_verb(struct apply *a, const struct prop *p, enum payload_verb verb, const json_t *value,
    struct err *err)
{
	static int (*const one[VERB_COUNT])(
	    struct apply *, const struct prop *, json_t *, const json_t *, struct err *) = {
		[VERB_REMOVE] = remove_element,
		[VERB_UPDATE] = update_element,
		[VERB_ADD] = add_element,
	};
	json_t *list = json_object_get(a->vm, p->name);
	const json_t *item;
	size_t i;
	int r = 0;

	assert(one[verb]);
	if (!json_is_array(list)) {
		list = json_array();
		json_object_set_new(a->vm, p->name, list);
	}
	json_array_foreach (value, i, item) {
		r = one[verb](a, p, list, item, err);
		if (r < 0)
			break;
	}
	return r;
}

/* Every verb of one kind. */
static int
apply_verbs(struct apply *a, enum payload_verb wanted, struct err *err)
{
	const char *key;
	json_t *value;
	int r = 0;

	json_object_foreach ((json_t *)(uintptr_t)a->update, key, value) {
		enum payload_verb verb = VERB_COUNT;
		const struct prop *p = payload_verb_find(key, &verb);

		if (!p || verb != wanted)
			continue;
		if (verb != VERB_SET && !json_is_array(value))
			return err_set(err, -EINVAL, key, "%s must be an array.", key);
		r = p->type == PROP_MAP ? map_verb(a, p, verb, value, err)
		                        : array_verb(a, p, verb, value, err);
		if (r < 0)
			return r;
	}
	return r;
}

static bool
touches(const json_t *update, const char *name)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)update, key, value) {
		enum payload_verb verb;
		const struct prop *p = payload_verb_find(key, &verb);

		if (p && str_eq(p->name, name))
			return true;
	}
	return false;
}

static int
finish_arrays(struct apply *a, struct err *err)
{
	int r = 0;

	if (touches(a->update, "nics")) {
		nics_promote_primary(json_object_get(a->vm, "nics"));
		r = vm_fix_nics(a->vm, err);
	}
	if (r == 0 && touches(a->update, "disks"))
		r = vm_fix_disks(a->vm, err);
	return r;
}

int
vm_payload_apply(const json_t *vm, const json_t *update, json_t **ret, struct err *err)
{
	static const enum payload_verb order[] = { VERB_REMOVE, VERB_UPDATE, VERB_SET, VERB_ADD };
	json_auto_t *out = vm_stored(vm);
	struct apply a = { out, update, brand_of(json_member_str(vm, "brand")) };
	int r;

	apply_plain(&a);
	r = nics_yield_primary(json_object_get(out, "nics"), update, err);
	for (unsigned i = 0; r == 0 && i < ARRAY_LEN(order); i++)
		r = apply_verbs(&a, order[i], err);
	if (r == 0)
		r = finish_arrays(&a, err);
	if (r < 0)
		return r;
	*ret = TAKE(out);
	return 0;
}
