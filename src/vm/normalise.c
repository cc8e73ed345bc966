/* Payload values in their canonical form (vm-properties.md 2). */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "vm/properties.h"
#include "vm/text.h"
#include "json/json.h"

/* Beyond it doubles, and so other readers of our JSON, lose digits. */
#define EXACT_MAX      INT64_C(9007199254740991)
#define PATH_BYTES_MAX 4095

bool
prop_in_create(const struct prop *p, enum brand brand)
{
	return (p->flags & PROP_CREATE) && (p->brands & BRAND_BIT(brand));
}

bool
prop_in_update(const struct prop *p, enum brand brand)
{
	return p->update != UPDATE_NO && p->update != UPDATE_VERB && (p->brands & BRAND_BIT(brand));
}

static bool
is_blank(const char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	return *s == '\0';
}

static bool
is_unset(const json_t *value)
{
	return json_is_null(value) || (json_is_string(value) && is_blank(json_string_value(value)));
}

/* Text without NUL; in XML attributes and paths also without control characters. base64 carries
 * anything. */
static int
check_text(const struct prop *p, const json_t *value, struct err *err)
{
	const char *text = json_string_value(value);
	bool is_line = (p->flags & PROP_PATH) || (p->xml != XML_NONE && p->conv != CONV_B64);

	if (strlen(text) != json_string_length(value))
		return err_set(err, -EINVAL, p->name, "must not contain NUL");
	if (is_line && !text_is_line(text))
		return err_set(err, -EINVAL, p->name, "must not contain control characters");
	if (p->values && !str_in(text, p->values)) {
		auto_free char *legal = NULL;
		char **v = NULL;

		for (unsigned i = 0; p->values[i]; i++)
			v = strv_push(v, xstrdup(p->values[i]));
		legal = strv_join(v, ", ");
		strv_free(v);
		return err_set(err, -EINVAL, p->name, "must be one of %s", legal);
	}
	return 0;
}

static int
check_host_path(const struct prop *p, const json_t *value, struct err *err)
{
	if (json_string_value(value)[0] != '/')
		return err_set(err, -EINVAL, p->name, "must be an absolute path");
	if (json_string_length(value) > PATH_BYTES_MAX)
		return err_set(err, -EINVAL, p->name, "must be at most %d bytes", PATH_BYTES_MAX);
	return 0;
}

static int
normalise_string(const struct prop *p, const json_t *value, json_t **ret, struct err *err)
{
	auto_free char *canon = NULL;
	int r;

	if (is_unset(value)) {
		*ret = json_null();
		return 0;
	}
	if (!json_is_string(value))
		return err_set(err, -EINVAL, p->name, "must be text");
	r = check_text(p, value, err);
	if (r == 0 && (p->flags & PROP_PATH))
		r = check_host_path(p, value, err);
	if (r == 0 && p->validate)
		r = p->validate(p, value, err);
	if (r < 0)
		return r;
	canon = p->canon ? p->canon(json_string_value(value)) : NULL;
	*ret = canon ? json_string(canon) : json_deep_copy(value);
	return 0;
}

static int
integer_of(const struct prop *p, const json_t *value, int64_t *ret, struct err *err)
{
	json_auto_t *number = NULL;

	if (json_is_integer(value)) {
		*ret = json_integer_value(value);
		return 0;
	}
	if (json_is_real(value)) {
		double d = json_real_value(value);

		if (!(fabs(d) <= (double)EXACT_MAX) || d != trunc(d))
			return err_set(err, -EINVAL, p->name, "must be an integer");
		*ret = (int64_t)d;
		return 0;
	}
	if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
		return err_set(err, -EINVAL, p->name, "must be an integer");
	number = text_number(json_string_value(value));
	if (!json_is_integer(number))
		return err_set(err, -EINVAL, p->name, "must be an integer");
	*ret = json_integer_value(number);
	return 0;
}

static int
normalise_int(const struct prop *p, const json_t *value, json_t **ret, struct err *err)
{
	bool limited = p->min != 0 || p->max != 0;
	int64_t min = limited ? p->min : -EXACT_MAX, max = limited ? p->max : EXACT_MAX;
	int64_t i = 0;
	int r;

	if (is_unset(value)) {
		*ret = json_null();
		return 0;
	}
	r = integer_of(p, value, &i, err);
	if (r < 0)
		return r;
	if (i < min || i > max)
		return err_set(err, -EINVAL, p->name, "must be from %" PRId64 " to %" PRId64 "%s%s",
		    min, max, p->unit ? " " : "", str_or_empty(p->unit));
	*ret = json_integer(i);
	r = p->validate ? p->validate(p, *ret, err) : 0;
	if (r < 0 || (i == 0 && !(p->flags & PROP_KEEP_ZERO))) {
		json_decref(*ret);
		*ret = r < 0 ? NULL : json_null();
	}
	return r;
}

static int
normalise_bool(const struct prop *p, const json_t *value, json_t **ret, struct err *err)
{
	const char *text = str_or_empty(json_string_value(value));
	bool is_true = json_is_true(value) || str_eq(text, "true") || str_eq(text, "1") ||
	               (json_is_integer(value) && json_integer_value(value) == 1);

	if (!is_true && !json_is_false(value) && !str_eq(text, "false"))
		return err_set(err, -EINVAL, p->name, "must be true or false");
	if (!is_true && (p->flags & PROP_HIDE_FALSE))
		*ret = json_null();
	else
		*ret = json_boolean(is_true);
	return 0;
}

static int
normalise_uuid(const struct prop *p, const json_t *value, json_t **ret, struct err *err)
{
	if (!json_is_string(value) ||
	    strlen(json_string_value(value)) != json_string_length(value) ||
	    !uuid_valid(json_string_value(value)))
		return err_set(err, -EINVAL, p->name, "must be a UUID in lower case");
	*ret = json_string(json_string_value(value));
	return 0;
}

/* "a,b" as an array, empty items dropped. */
static json_t *
split_list(const char *text)
{
	json_t *list = json_array();

	while (*text) {
		size_t len = strcspn(text, ",");

		if (len > 0)
			json_array_append_new(list, json_stringn(text, len));
		text += len + (text[len] == ',');
	}
	return list;
}

static int
list_item(const struct prop *p, const json_t *item, json_t *list, struct err *err)
{
	if (json_is_number(item)) {
		auto_free char *text = json_text(item);

		json_array_append_new(list, json_string(text));
		return 0;
	}
	if (!json_is_string(item))
		return err_set(err, -EINVAL, p->name, "must be a list of texts");
	if (strchr(json_string_value(item), ','))
		return err_set(err, -EINVAL, p->name, "must not have a comma in an item");
	json_array_append_new(list, json_deep_copy(item));
	return check_text(p, item, err);
}

static int
normalise_list(const struct prop *p, const json_t *value, json_t **ret, struct err *err)
{
	json_auto_t *split = json_is_string(value) ? split_list(json_string_value(value)) : NULL;
	json_auto_t *list = json_array();
	const json_t *items = split ? split : value, *item;
	size_t i;
	int r = 0;

	if (!json_is_array(items))
		return err_set(err, -EINVAL, p->name, "must be a list of texts");
	json_array_foreach (items, i, item) {
		r = list_item(p, item, list, err);
		if (r < 0)
			return r;
	}
	r = p->validate ? p->validate(p, list, err) : 0;
	if (r == 0)
		*ret = TAKE(list);
	return r;
}

static int
normalise_map(const struct prop *p, const json_t *value, json_t **ret, struct err *err)
{
	const char *key;
	json_t *member;
	int r;

	if (!json_is_object(value))
		return err_set(err, -EINVAL, p->name, "must be an object");
	json_object_foreach ((json_t *)(uintptr_t)value, key, member) {
		if (!json_is_string(member) && !json_is_number(member) && !json_is_boolean(member))
			return err_set(err, -EINVAL, p->name,
			    "must have texts, numbers or booleans as values: %s", key);
	}
	r = p->validate ? p->validate(p, value, err) : 0;
	if (r == 0)
		*ret = json_deep_copy(value);
	return r;
}

/* Members in the order of the table, unknown ones dropped. */
static int
normalise_element(const struct prop *p, const json_t *element, json_t *out, struct err *err)
{
	if (!json_is_object(element))
		return err_set(err, -EINVAL, p->name, "must be an array of objects");
	for (const struct prop *m = p->members; m->name; m++) {
		const json_t *value = json_object_get(element, m->name);
		json_t *normal = NULL;
		int r;

		if (!value)
			continue;
		r = prop_normalise(m, value, &normal, err);
		if (r < 0)
			return r;
		if (json_is_null(normal))
			json_decref(normal);
		else
			json_object_set_new(out, m->name, normal);
	}
	return 0;
}

static int
normalise_objects(const struct prop *p, const json_t *value, json_t **ret, struct err *err)
{
	json_auto_t *list = json_array();
	const json_t *element;
	size_t i;

	if (!json_is_array(value))
		return err_set(err, -EINVAL, p->name, "must be an array of objects");
	json_array_foreach (value, i, element) {
		json_t *out = json_object();
		int r;

		json_array_append_new(list, out);
		r = normalise_element(p, element, out, err);
		if (r < 0)
			return r;
	}
	*ret = TAKE(list);
	return 0;
}

static int
normalise_nothing(const struct prop *p, const json_t *value, json_t **ret, struct err *err)
{
	return err_set(err, -EINVAL, p->name, "cannot be set");
}

int
prop_normalise(const struct prop *p, const json_t *value, json_t **ret, struct err *err)
{
	static int (*const by_type[PROP_TYPE_COUNT])(
	    const struct prop *, const json_t *, json_t **, struct err *) = {
		[PROP_STRING] = normalise_string,
		[PROP_INT] = normalise_int,
		[PROP_BOOL] = normalise_bool,
		[PROP_UUID] = normalise_uuid,
		[PROP_LIST] = normalise_list,
		[PROP_MAP] = normalise_map,
		[PROP_OBJECTS] = normalise_objects,
		[PROP_TIME] = normalise_nothing,
		[PROP_JSON] = normalise_nothing,
	};
	json_t *normal = NULL;
	int r = by_type[p->type](p, value, &normal, err);

	if (r == 0)
		*ret = normal;
	return r;
}

int
prop_from_text(const struct prop *p, const char *text, json_t **ret, struct err *err)
{
	json_auto_t *value = json_string(text);

	if (!value)
		return err_set(err, -EINVAL, p->name, "must be UTF-8");
	if (p->type == PROP_MAP || p->type == PROP_OBJECTS)
		return err_set(err, -EINVAL, p->name, "can only be given as JSON");
	return prop_normalise(p, value, ret, err);
}

void
prop_unset(const struct prop *p, json_t *obj)
{
	if (p->type == PROP_INT && (p->flags & PROP_KEEP_ZERO))
		json_object_set_new(obj, p->name, json_integer(0));
	else if (p->flags & PROP_ALWAYS)
		json_object_set_new(obj, p->name, prop_empty(p));
	else
		json_object_del(obj, p->name);
}
