/* The difference of two JSON values (vminfod.md 6). */
#include "vm/diff.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "vm/properties.h"
#include "json/json.h"

struct diff {
	json_t *changes; /* array of change objects */
	json_t *path;    /* array of texts and null: where we are */
	const struct diff_identity *identity;
	json_t *ident; /* of the element we are in, or NULL; borrowed */
};

static void diff_values(struct diff *d, json_t *a, json_t *b);

void
diff_pretty_path(struct buf *b, const json_t *path)
{
	const json_t *part;
	size_t i, start = b->len;

	json_array_foreach (path, i, part) {
		const char *s = json_string_value(part);
		bool brackets = s && strpbrk(s, ".[]");

		if (!brackets && b->len > start)
			buf_addc(b, '.');
		if (!s || !brackets) {
			buf_adds(b, s ? s : "*");
			continue;
		}
		buf_addc(b, '[');
		for (; *s; s++) {
			if (*s == '[' || *s == ']')
				buf_addc(b, '\\');
			buf_addc(b, *s);
		}
		buf_addc(b, ']');
	}
}

/* Values are borrowed; NULL ones are left out. */
static void
emit(struct diff *d, const char *action, json_t *old_value, json_t *new_value)
{
	auto_buf struct buf pretty = BUF_INIT;
	json_t *change = json_object();

	diff_pretty_path(&pretty, d->path);
	json_object_set_new(
	    change, "prettyPath", json_stringn_nocheck(pretty.data ? pretty.data : "", pretty.len));
	json_object_set_new(change, "path", json_copy(d->path));
	json_object_set_new(change, "action", json_string(action));
	if (old_value)
		json_object_set(change, "oldValue", old_value);
	if (new_value)
		json_object_set(change, "newValue", new_value);
	if (d->ident)
		json_object_set(change, "ident", d->ident);
	json_array_append_new(d->changes, change);
}

static void
path_push(struct diff *d, const char *key)
{
	json_array_append_new(d->path, key ? json_string_nocheck(key) : json_null());
}

static void
path_pop(struct diff *d)
{
	json_array_remove(d->path, json_array_size(d->path) - 1);
}

static bool
is_container(const json_t *v)
{
	return json_is_object(v) || json_is_array(v);
}

/* JavaScript's ===, for numbers of either kind; containers only when they are the same one. */
static bool
same(const json_t *a, const json_t *b)
{
	if (a == b)
		return true;
	if (is_container(a) || is_container(b))
		return false;
	if (json_is_number(a) && json_is_number(b) && json_typeof(a) != json_typeof(b))
		return json_number_value(a) == json_number_value(b);
	return json_equal(a, b) != 0;
}

/* --- Objects --- */

/* A value under a key of both sides. */
static void
diff_member(struct diff *d, const char *key, json_t *old_value, json_t *new_value)
{
	if (same(old_value, new_value))
		return;
	path_push(d, key);
	if (is_container(old_value) && is_container(new_value))
		diff_values(d, old_value, new_value);
	else
		emit(d, "changed", old_value, new_value);
	path_pop(d);
}

static void
emit_at(struct diff *d, const char *key, const char *action, json_t *old_value, json_t *new_value)
{
	path_push(d, key);
	emit(d, action, old_value, new_value);
	path_pop(d);
}

static void
diff_objects(struct diff *d, json_t *a, json_t *b)
{
	const char *key;
	json_t *value;

	json_object_foreach (a, key, value) {
		json_t *other = json_object_get(b, key);

		if (other)
			diff_member(d, key, value, other);
		else
			emit_at(d, key, "removed", value, NULL);
	}
	json_object_foreach (b, key, value) {
		if (!json_object_get(a, key))
			emit_at(d, key, "added", NULL, value);
	}
}

/* An array as the object it is in JavaScript: index to element. Objects are themselves. New
 * reference. */
static json_t *
as_object(json_t *v)
{
	json_t *out, *element;
	size_t i;

	if (json_is_object(v))
		return json_incref(v);
	out = json_object();
	json_array_foreach (v, i, element) {
		char key[24];

		(void)snprintf(key, sizeof(key), "%zu", i);
		json_object_set(out, key, element);
	}
	return out;
}

/* --- Arrays --- */

/* Elements of one side whose text the other side lacks. */
struct candidates {
	json_t **elements; /* borrowed; NULL once paired */
	size_t n;
};

static void
candidates_done(struct candidates *c)
{
	free(c->elements);
}

static json_t *
text_set(json_t *array)
{
	json_t *set = json_object(), *element;
	size_t i;

	json_array_foreach (array, i, element) {
		auto_free char *text = json_text(element);

		json_object_set_new_nocheck(set, text, json_true());
	}
	return set;
}

static struct candidates
elements_not_in(json_t *array, const json_t *set)
{
	struct candidates c = { xcalloc(json_array_size(array) + 1, sizeof(json_t *)), 0 };
	json_t *element;
	size_t i;

	json_array_foreach (array, i, element) {
		auto_free char *text = json_text(element);

		if (!json_object_get(set, text))
			c.elements[c.n++] = element;
	}
	return c;
}

/* Text of an element's identity: equal texts are equal identities; "" for none. NULL: it cannot be
 * paired. Allocated. */
static char *
identity_key(const json_t *element, const char *member)
{
	const json_t *value = json_object_get(element, member);

	if (!json_is_object(element) || is_container(value))
		return NULL;
	return value ? json_text(value) : xstrdup("");
}

/* identity text -> array of positions of the additions that have it, first one last. */
static json_t *
index_additions(const struct candidates *added, const char *member)
{
	json_t *index = json_object();

	for (size_t i = added->n; i-- > 0;) {
		auto_free char *key = identity_key(added->elements[i], member);
		json_t *positions = key ? json_object_get(index, key) : NULL;

		if (key && !positions) {
			positions = json_array();
			json_object_set_new_nocheck(index, key, positions);
		}
		if (positions)
			json_array_append_new(positions, json_integer((json_int_t)i));
	}
	return index;
}

struct pair {
	json_t *old_element, *new_element;
};

/* Take pairs out of both sides: for each removal the first free addition of the same identity. */
static size_t
pair_up(
    struct candidates *removed, struct candidates *added, const char *member, struct pair *pairs)
{
	json_auto_t *index = index_additions(added, member);
	size_t n = 0;

	for (size_t i = 0; i < removed->n; i++) {
		auto_free char *key = identity_key(removed->elements[i], member);
		json_t *positions = key ? json_object_get(index, key) : NULL;
		size_t left = json_array_size(positions), at;

		if (left == 0)
			continue;
		at = (size_t)json_integer_value(json_array_get(positions, left - 1));
		json_array_remove(positions, left - 1);
		pairs[n++] = (struct pair){ removed->elements[i], added->elements[at] };
		removed->elements[i] = added->elements[at] = NULL;
	}
	return n;
}

/* Only the arrays directly below the root have identities. */
static const char *
identity_here(const struct diff *d)
{
	const char *key = json_string_value(json_array_get(d->path, 0));

	if (json_array_size(d->path) != 1 || !key || !d->identity)
		return NULL;
	for (const struct diff_identity *id = d->identity; id->key; id++) {
		if (str_eq(id->key, key))
			return id->member;
	}
	return NULL;
}

static void
emit_elements(struct diff *d, const struct candidates *c, bool added)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->elements[i])
			emit(d, added ? "added" : "removed", added ? NULL : c->elements[i],
			    added ? c->elements[i] : NULL);
	}
}

static void
diff_pairs(struct diff *d, const struct pair *pairs, size_t n, const char *member)
{
	const struct diff_identity *identity = d->identity;
	json_t *ident = d->ident; /* arrays inside an element come here too, without pairs */

	d->identity = NULL;
	for (size_t i = 0; i < n; i++) {
		d->ident = json_object_get(pairs[i].old_element, member);
		diff_objects(d, pairs[i].old_element, pairs[i].new_element);
	}
	d->ident = ident;
	d->identity = identity;
}

static void
diff_arrays(struct diff *d, json_t *a, json_t *b)
{
	json_auto_t *a_set = text_set(a), *b_set = text_set(b);
	__attribute__((cleanup(candidates_done))) struct candidates removed =
	    elements_not_in(a, b_set);
	__attribute__((cleanup(candidates_done))) struct candidates added =
	    elements_not_in(b, a_set);
	auto_free struct pair *pairs = xcalloc(removed.n + 1, sizeof(*pairs));
	const char *member = identity_here(d);
	size_t n = member ? pair_up(&removed, &added, member, pairs) : 0;

	path_push(d, NULL);
	emit_elements(d, &removed, false);
	diff_pairs(d, pairs, n, member);
	emit_elements(d, &added, true);
	path_pop(d);
}

static void
diff_values(struct diff *d, json_t *a, json_t *b)
{
	json_auto_t *object_a = NULL, *object_b = NULL;

	if (json_is_array(a) && json_is_array(b)) {
		diff_arrays(d, a, b);
		return;
	}
	object_a = as_object(a);
	object_b = as_object(b);
	diff_objects(d, object_a, object_b);
}

json_t *
json_diff(const json_t *a, const json_t *b, const struct diff_identity *identity)
{
	json_auto_t *path = json_array();
	struct diff d = { .changes = json_array(), .path = path, .identity = identity };
	/* Nothing is changed, but the results share the values, so their counts are. */
	json_t *old_value = (json_t *)(uintptr_t)a, *new_value = (json_t *)(uintptr_t)b;

	if (same(a, b))
		return d.changes;
	if (is_container(a) && is_container(b))
		diff_values(&d, old_value, new_value);
	else
		emit(&d, "changed", old_value, new_value);
	return d.changes;
}

json_t *
vm_diff(const json_t *old_obj, const json_t *new_obj)
{
	static struct diff_identity
	    identity[16]; /* from the table, made once; ends with a NULL key */
	static bool is_made;
	unsigned n = 0;

	for (const struct prop *p = properties; !is_made && p->name; p++) {
		if (p->identity && n < ARRAY_LEN(identity) - 1)
			identity[n++] = (struct diff_identity){ p->name, p->identity };
	}
	is_made = true;
	return json_diff(old_obj, new_obj, identity);
}
