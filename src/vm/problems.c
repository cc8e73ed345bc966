/* What is wrong with a payload, as people and programs read it (vm-properties.md 5). */
#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "vm/validate.h"
#include "json/json.h"

void
vm_problems_done(struct vm_problems *p)
{
	json_decref(p->bad_values);
	json_decref(p->bad_properties);
	json_decref(p->missing_properties);
	free(p->bad_brand);
	*p = (struct vm_problems){ 0 };
}

bool
vm_problems_fatal(const struct vm_problems *p)
{
	return p->bad_brand || json_array_size(p->bad_values) > 0 ||
	       json_array_size(p->missing_properties) > 0;
}

static char *
names_joined(const json_t *names)
{
	auto_buf struct buf b = BUF_INIT;
	const json_t *name;
	size_t i;

	json_array_foreach (names, i, name) {
		if (i > 0)
			buf_addc(&b, ',');
		buf_adds(&b, json_string_value(name));
	}
	return buf_take(&b);
}

int
vm_problems_err(const struct vm_problems *p, struct err *err)
{
	bool is_bad = json_array_size(p->bad_values) > 0;
	auto_free char *names = names_joined(is_bad ? p->bad_values : p->missing_properties);
	const char *first = is_bad ? json_string_value(json_array_get(p->bad_values, 0)) : NULL;

	if (p->bad_brand)
		return err_set(err, -EINVAL, "brand", "Invalid brand while validating payload: %s",
		    p->bad_brand);
	if (is_bad && p->first_alone)
		return err_set(err, -EINVAL, first, "%s", p->first.msg);
	if (json_array_size(p->bad_values) == 1)
		return err_set(
		    err, -EINVAL, first, "Invalid value(s) for: %s (%s)", names, p->first.msg);
	if (is_bad)
		return err_set(err, -EINVAL, first, "Invalid value(s) for: %s", names);
	return err_set(err, -EINVAL, NULL, "Missing required properties: %s", names);
}

json_t *
vm_problems_json(const struct vm_problems *p)
{
	json_t *out = json_object();

	if (p->bad_brand) {
		json_put_str(out, "bad_brand", p->bad_brand);
		return out;
	}
	json_object_set(out, "bad_values", p->bad_values);
	json_object_set(out, "bad_properties", p->bad_properties);
	json_object_set(out, "missing_properties", p->missing_properties);
	return out;
}
