/* Change objects applied to a VM object. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "vm/diff.h"
#include "vm/properties.h"
#include "json/json.h"

/* Position of the element with this text; the size when there is none. */
static size_t
find_text(const json_t *array, const json_t *wanted)
{
	auto_free char *text = json_text(wanted);
	const json_t *element;
	size_t i;

	json_array_foreach (array, i, element) {
		auto_free char *other = json_text(element);

		if (str_eq(text, other))
			return i;
	}
	return json_array_size(array);
}

static json_t *
find_ident(const json_t *array, const char *member, const json_t *ident)
{
	json_t *element;
	size_t i;

	json_array_foreach (array, i, element) {
		const json_t *value = json_object_get(element, member);

		if (json_is_object(element) && (ident ? json_equal(value, ident) : !value))
			return element;
	}
	return NULL;
}

/* The container the last part of the path is in, or NULL. */
static json_t *
walk(json_t *root, const json_t *change)
{
	const json_t *path = json_object_get(change, "path");
	const char *top = json_string_value(json_array_get(path, 0));
	const struct prop *p = top ? prop_find(top) : NULL;
	json_t *at = root;

	for (size_t i = 0; at && i + 1 < json_array_size(path); i++) {
		const char *key = json_string_value(json_array_get(path, i));

		if (key)
			at = json_object_get(at, key);
		else if (i == 1 && p && p->identity)
			at = find_ident(at, p->identity, json_object_get(change, "ident"));
		else
			at = NULL;
	}
	return at;
}

static int
patch_element(json_t *array, json_t *old_value, json_t *new_value)
{
	if (!json_is_array(array) || (old_value && new_value))
		return -1;
	if (old_value)
		return json_array_remove(array, find_text(array, old_value));
	return json_array_append_new(array, json_deep_copy(new_value));
}

static int
patch_member(json_t *object, const char *key, json_t *old_value, json_t *new_value)
{
	const json_t *there = json_object_get(object, key);

	if (!json_is_object(object) || (old_value != NULL) != (there != NULL) ||
	    (there && !json_equal(there, old_value)))
		return -1;
	if (!new_value)
		return json_object_del(object, key);
	return json_object_set_new_nocheck(object, key, json_deep_copy(new_value));
}

json_t *
vm_patch(const json_t *old_obj, const json_t *changes)
{
	json_auto_t *out = json_deep_copy(old_obj);
	const json_t *change;
	size_t i;

	json_array_foreach (changes, i, change) {
		const json_t *path = json_object_get(change, "path");
		const json_t *last = json_array_get(path, json_array_size(path) - 1);
		json_t *old_value = json_object_get(change, "oldValue");
		json_t *new_value = json_object_get(change, "newValue");
		json_t *at = walk(out, change);
		int r;

		if (!at || !last || (!old_value && !new_value))
			return NULL;
		if (json_is_string(last))
			r = patch_member(at, json_string_value(last), old_value, new_value);
		else
			r = patch_element(at, old_value, new_value);
		if (r < 0)
			return NULL;
	}
	return TAKE(out);
}
