/* Filters and fields over VM objects (vmadm.md 2.3). */
#include "vm/filter.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/xmalloc.h"
#include "json/json.h"

/* What one value may cost: a hostile pattern ends here instead of after years. */
#define MATCH_LIMIT    100000
#define DEPTH_LIMIT    1000
#define HEAP_LIMIT_KIB 8192
#define PATTERN_MAX    4096

struct condition {
	char *key; /* as written */
	struct prop_path path;
	char *text; /* exact value; NULL: `re` */
	pcre2_code *re;
};

struct vm_filter {
	struct condition *conditions;
	unsigned n;
	pcre2_match_context *limits;
	pcre2_match_data *match;
};

static void
condition_done(struct condition *c)
{
	free(c->key);
	free(c->text);
	pcre2_code_free(c->re);
	prop_path_done(&c->path);
}

void
vm_filter_free(struct vm_filter *f)
{
	if (!f)
		return;
	for (unsigned i = 0; i < f->n; i++)
		condition_done(&f->conditions[i]);
	free(f->conditions);
	pcre2_match_context_free(f->limits);
	pcre2_match_data_free(f->match);
	free(f);
}

static struct vm_filter *
filter_new(void)
{
	struct vm_filter *f = xcalloc(1, sizeof(*f));

	f->limits = pcre2_match_context_create(NULL);
	f->match = pcre2_match_data_create(1, NULL);
	if (!f->limits || !f->match)
		abort(); /* out of memory, as xmalloc */
	pcre2_set_match_limit(f->limits, MATCH_LIMIT);
	pcre2_set_depth_limit(f->limits, DEPTH_LIMIT);
	pcre2_set_heap_limit(f->limits, HEAP_LIMIT_KIB);
	return f;
}

/* As near to JavaScript as PCRE2 goes. */
static int
compile(const char *pattern, pcre2_code **ret, struct err *err)
{
	size_t len = strlen(pattern), offset;
	uint32_t options = PCRE2_CASELESS | PCRE2_ALT_BSUX | PCRE2_ALLOW_EMPTY_CLASS |
	                   PCRE2_MATCH_UNSET_BACKREF | PCRE2_DOLLAR_ENDONLY |
	                   PCRE2_NEVER_BACKSLASH_C;
	unsigned char why[128];
	int code;

	if (len > PATTERN_MAX)
		return err_set(
		    err, -EINVAL, NULL, "Invalid pattern: longer than %d bytes", PATTERN_MAX);
	options |= utf8_valid(pattern, len) ? PCRE2_UTF : PCRE2_NEVER_UTF;
	*ret = pcre2_compile((PCRE2_SPTR)pattern, len, options, &code, &offset, NULL);
	if (*ret)
		return 0;
	(void)pcre2_get_error_message(code, why, sizeof(why));
	return err_set(
	    err, -EINVAL, NULL, "Invalid pattern: %s at offset %zu", (const char *)why, offset);
}

/* What the value of a field must be equal to: the row's own spelling of it. */
static char *
exact_text(const struct prop_path *path, const char *text)
{
	const struct prop *row = path->member ? path->member : path->prop;

	return row->canon ? row->canon(text) : xstrdup(text);
}

static int
condition_init(struct condition *c, const char *word, const char *kind, struct err *err)
{
	const char *equals = strchr(word, '=');
	int r;

	if (!equals)
		return err_set(
		    err, -EINVAL, NULL, "Invalid %s: \"%s\" is not key=value", kind, word);
	c->key = xstrndup(word, (size_t)(equals - word));
	r = prop_path_parse(c->key, &c->path);
	if (r < 0 || !prop_path_is_filter(&c->path))
		return err_set(err, -EINVAL, NULL, "Invalid %s key: \"%s\"", kind, c->key);
	if (equals[1] == '~')
		return compile(equals + 2, &c->re, err);
	c->text = exact_text(&c->path, equals + 1);
	return 0;
}

int
vm_filter_add(struct vm_filter **f, const char *word, const char *kind, struct err *err)
{
	struct condition c = { 0 };
	int r = condition_init(&c, word, kind, err);

	if (r < 0) {
		condition_done(&c);
		return r;
	}
	if (!*f)
		*f = filter_new();
	for (unsigned i = 0; i < (*f)->n; i++) {
		if (str_eq((*f)->conditions[i].key, c.key)) {
			condition_done(&(*f)->conditions[i]);
			(*f)->conditions[i] = c;
			return 0;
		}
	}
	(*f)->conditions = xreallocarray((*f)->conditions, (*f)->n + 1, sizeof(c));
	(*f)->conditions[(*f)->n++] = c;
	return 0;
}

/* --- Values --- */

static const json_t *
element_value(const struct prop_path *path, const json_t *element)
{
	const json_t *value = json_object_get(element, path->key);

	return json_is_null(value) ? NULL : value;
}

const json_t *
vm_field_value(const struct prop_path *path, const json_t *obj)
{
	const json_t *top = json_object_get(obj, path->prop->name), *element;
	size_t i;

	if (!path->key)
		return json_is_null(top) ? NULL : top;
	if (path->index == -2)
		return element_value(path, top);
	if (path->index >= 0)
		return element_value(path, json_array_get(top, (size_t)path->index));
	json_array_foreach (top, i, element) {
		const json_t *value = element_value(path, element);

		if (value)
			return value;
	}
	return NULL;
}

/* As JavaScript's String(): arrays joined with commas. */
static void
add_text(struct buf *b, const json_t *value)
{
	const json_t *item;
	size_t i;

	if (json_is_string(value)) {
		buf_add(b, json_string_value(value), json_string_length(value));
	} else if (json_is_array(value)) {
		json_array_foreach (value, i, item) {
			if (i > 0)
				buf_addc(b, ',');
			if (json_is_array(item) || json_is_null(item))
				continue; /* no such lists exist; do not follow hostile depth */
			add_text(b, item);
		}
	} else {
		json_write(b, value, 0);
	}
}

bool
vm_field_text(const struct prop_path *path, const json_t *obj, struct buf *b)
{
	const json_t *value = vm_field_value(path, obj);
	size_t before = b->len;

	if (!value || json_is_false(value))
		return false;
	add_text(b, value);
	return b->len > before;
}

/* --- Matching --- */

static bool
value_matches(const struct vm_filter *f, const struct condition *c, const json_t *value)
{
	auto_buf struct buf b = BUF_INIT;

	if (!value)
		return false;
	add_text(&b, value);
	if (c->text)
		return b.len == strlen(c->text) &&
		       memcmp(b.data ? b.data : "", c->text, b.len) == 0;
	/* Negative results are "no match", and every limit that was reached. */
	return pcre2_match(c->re, (PCRE2_SPTR)(b.data ? b.data : ""), b.len, 0, 0, f->match,
	           f->limits) >= 0;
}

static bool
condition_matches(const struct vm_filter *f, const struct condition *c, const json_t *obj)
{
	const json_t *element;
	size_t i;

	if (c->path.index != -1)
		return value_matches(f, c, vm_field_value(&c->path, obj));
	json_array_foreach (json_object_get(obj, c->path.prop->name), i, element) {
		if (value_matches(f, c, element_value(&c->path, element)))
			return true;
	}
	return false;
}

bool
vm_filter_match(const struct vm_filter *f, const json_t *obj)
{
	for (unsigned i = 0; f && i < f->n; i++) {
		if (!condition_matches(f, &f->conditions[i], obj))
			return false;
	}
	return true;
}

void
vm_filter_fields(const struct vm_filter *f, void (*fn)(void *arg, const char *top_level), void *arg)
{
	for (unsigned i = 0; f && i < f->n; i++) {
		const struct prop *p = f->conditions[i].path.prop;

		fn(arg, p->needs ? p->needs : p->name);
	}
}
