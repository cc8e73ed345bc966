/* Names of fields: "ram", "nics.0.ip", "nics.*.ip", "tags.x" (vmadm.md 2.3). */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "vm/properties.h"

/* "<n>.member" or "*.member". */
static int
parse_element(const char *rest, struct prop_path *path)
{
	const char *dot = strchr(rest, '.');
	auto_free char *index = NULL;
	int64_t n;

	if (!dot || dot[1] == '\0')
		return -ENOENT;
	index = xstrndup(rest, (size_t)(dot - rest));
	if (str_eq(index, "*"))
		path->index = -1;
	else if (strspn(index, "0123456789") == strlen(index) &&
	         str_to_int(index, false, 0, INT_MAX, &n) == 0)
		path->index = (int)n;
	else
		return -ENOENT;
	path->member = prop_member(path->prop, dot + 1);
	path->key = xstrdup(dot + 1);
	return 0;
}

int
prop_path_parse(const char *text, struct prop_path *ret)
{
	const char *dot = strchr(text, '.');
	auto_free char *name = dot ? xstrndup(text, (size_t)(dot - text)) : xstrdup(text);
	struct prop_path path = { .prop = prop_find(name), .index = -2 };

	if (!path.prop || (dot && dot[1] == '\0'))
		return -ENOENT;
	if (dot && path.prop->type == PROP_MAP) {
		path.key = xstrdup(dot + 1);
	} else if (dot) {
		if (path.prop->type != PROP_OBJECTS || parse_element(dot + 1, &path) < 0)
			return -ENOENT;
	}
	*ret = path;
	return 0;
}

void
prop_path_done(struct prop_path *p)
{
	free(p->key);
	p->key = NULL;
}

static bool
has_nested(const struct prop *p)
{
	return p->type == PROP_MAP || p->type == PROP_OBJECTS;
}

bool
prop_path_is_column(const struct prop_path *p)
{
	if (!(p->prop->flags & PROP_LISTABLE) || has_nested(p->prop) != (p->key != NULL))
		return false;
	if (p->prop->type == PROP_OBJECTS)
		return p->index >= 0;
	return !p->key || !strchr(p->key, '.');
}

bool
prop_path_is_filter(const struct prop_path *p)
{
	if (!(p->prop->flags & PROP_LISTABLE) || has_nested(p->prop) != (p->key != NULL))
		return false;
	if (p->prop->type == PROP_OBJECTS)
		return p->member && (p->member->flags & PROP_FILTER);
	return p->prop->type != PROP_MAP || (p->prop->flags & PROP_FILTER);
}
