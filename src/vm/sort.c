/* Sort keys of list (vmadm.md 2.3). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "vm/filter.h"
#include "json/json.h"

struct sort_key {
	struct prop_path path;
	bool descending;
};

struct vm_sort {
	struct sort_key *keys;
	unsigned n;
};

void
vm_sort_free(struct vm_sort *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->n; i++)
		prop_path_done(&s->keys[i].path);
	free(s->keys);
	free(s);
}

static int
add_key(struct vm_sort *s, const char *word, struct err *err)
{
	const char *name = word + (*word == '+' || *word == '-');
	struct sort_key key = { .descending = *word == '-' };

	if (prop_path_parse(name, &key.path) < 0)
		return err_set(err, -EINVAL, NULL, "invalid sort field: %s", name);
	s->keys = xreallocarray(s->keys, s->n + 1, sizeof(key));
	s->keys[s->n++] = key;
	if (key.path.index == -1)
		return err_set(err, -EINVAL, NULL, "Invalid sort key: \"%s\"", name);
	if (!prop_path_is_column(&key.path))
		return err_set(err, -EINVAL, NULL, "invalid sort field: %s", name);
	return 0;
}

int
vm_sort_parse(const char *keys, struct vm_sort **ret, struct err *err)
{
	auto_strv char **words = strv_split(keys, ',');
	AUTO(vm_sort) struct vm_sort *s = xcalloc(1, sizeof(*s));

	for (size_t i = 0; i < strv_len(words); i++) {
		int r = add_key(s, words[i], err);

		if (r < 0)
			return r;
	}
	*ret = TAKE(s);
	return 0;
}

/* --- Comparing --- */

struct sort_row {
	json_t *obj;
	size_t index;          /* where it stood: keeps the sort stable */
	const json_t **values; /* one per key; NULL: empty */
};

/* null, "" and false count like missing. */
static const json_t *
sort_value(const struct prop_path *path, const json_t *obj)
{
	const json_t *value = vm_field_value(path, obj);
	bool is_empty =
	    json_is_false(value) || (json_is_string(value) && json_string_length(value) == 0);

	return is_empty ? NULL : value;
}

/* By UTF-16 code unit: as bytes of UTF-8, but U+E000..U+FFFF come after everything above U+FFFF. */
static int
compare_text(const char *a, const char *b)
{
	size_t i = 0;
	unsigned char x, y;

	while (a[i] && a[i] == b[i])
		i++;
	x = (unsigned char)a[i];
	y = (unsigned char)b[i];
	if ((x >= 0xee && y >= 0xee) && (x >= 0xf0) != (y >= 0xf0))
		return x >= 0xf0 ? -1 : 1;
	return x < y ? -1 : x > y;
}

static int
compare_values(const json_t *a, const json_t *b)
{
	if (!a || !b)
		return (a == NULL) - (b == NULL);
	if (json_is_integer(a) && json_is_integer(b)) {
		json_int_t x = json_integer_value(a), y = json_integer_value(b);

		return x < y ? -1 : x > y;
	}
	if (json_is_number(a) && json_is_number(b)) {
		double x = json_number_value(a), y = json_number_value(b);

		return x < y ? -1 : x > y;
	}
	if (!json_is_string(a) || !json_is_string(b)) {
		auto_free char *x = json_text(a), *y = json_text(b);

		return compare_text(x, y);
	}
	return compare_text(json_string_value(a), json_string_value(b));
}

static int
compare_rows(const void *va, const void *vb, void *arg)
{
	const struct vm_sort *s = arg;
	const struct sort_row *a = va, *b = vb;

	for (unsigned i = 0; i < s->n; i++) {
		int r = compare_values(a->values[i], b->values[i]);

		if (r != 0)
			return s->keys[i].descending ? -r : r;
	}
	return a->index < b->index ? -1 : a->index > b->index;
}

void
vm_sort_apply(const struct vm_sort *s, json_t **objs, unsigned n)
{
	auto_free struct sort_row *rows = xcalloc((size_t)n + 1, sizeof(*rows));
	auto_free const json_t **values = xcalloc((size_t)n * s->n + 1, sizeof(*values));

	for (unsigned i = 0; i < n; i++) {
		rows[i] = (struct sort_row){ objs[i], i, values + (size_t)i * s->n };
		for (unsigned k = 0; k < s->n; k++)
			rows[i].values[k] = sort_value(&s->keys[k].path, objs[i]);
	}
	qsort_r(rows, n, sizeof(*rows), compare_rows, (void *)(uintptr_t)s);
	for (unsigned i = 0; i < n; i++)
		objs[i] = rows[i].obj;
}

void
vm_sort_fields(const struct vm_sort *s, void (*fn)(void *arg, const char *top_level), void *arg)
{
	for (unsigned i = 0; i < s->n; i++) {
		const struct prop *p = s->keys[i].path.prop;

		fn(arg, p->needs ? p->needs : p->name);
	}
}
