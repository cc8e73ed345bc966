/* Defaults of create and of added elements (vm-properties.md 6.2): the `def` column of the table.
 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "vm/payload.h"
#include "vm/validate.h"
#include "json/json.h"

static json_t *
default_value(const struct prop *p)
{
	char now[ISO8601_SIZE];

	if (p->type == PROP_TIME)
		return json_string(iso8601_format(clock_wall_ms(), now));
	return json_parse(p->def, strlen(p->def), p->name, NULL);
}

static void
fill_default(const struct prop *p, enum brand brand, json_t *obj)
{
	if (p->def && (p->brands & BRAND_BIT(brand)) && !json_object_get(obj, p->name))
		json_put(obj, p->name, default_value(p));
}

void
payload_element_defaults(const struct prop *p, enum brand brand, json_t *element)
{
	assert(p->members);
	/* An optical disc is an image as it is. */
	if (str_eq(json_member_str(element, "media"), "cdrom") &&
	    !json_object_get(element, "format") && prop_member(p, "format"))
		json_put_str(element, "format", "raw");
	for (const struct prop *m = p->members; m->name; m++)
		fill_default(m, brand, element);
}

void
vm_payload_defaults(enum brand brand, json_t *payload)
{
	for (const struct prop *p = properties; p->name; p++) {
		const json_t *list = p->members ? json_object_get(payload, p->name) : NULL;
		json_t *element;
		size_t i;

		fill_default(p, brand, payload);
		json_array_foreach (list, i, element)
			payload_element_defaults(p, brand, element);
	}
}
