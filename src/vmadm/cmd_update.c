/* vmadm update (vmadm.md 2.5). */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "vm/properties.h"
#include "vmadm/operation.h"
#include "json/json.h"

/* "ram=512": the last of several counts. Text that does not fit the property is reported by the
 * check of the payload. */
static int
add_word(json_t *payload, const char *word)
{
	const char *equals = strchr(word, '=');
	auto_free char *name = equals ? xstrndup(word, (size_t)(equals - word)) : NULL;
	const struct prop *p = name ? prop_find(name) : NULL;
	json_t *value = NULL;

	if (!name || !*name)
		return -1;
	if (!p || prop_from_text(p, equals + 1, &value, NULL) < 0)
		value = json_string(equals + 1);
	if (!value)
		return -1; /* not UTF-8 */
	json_object_set_new(payload, name, value);
	return 0;
}

/* If there are words, they are the payload; neither -f nor stdin is read. */
static int
payload_of(struct vmadm *v, json_t **ret)
{
	json_auto_t *payload = json_object();

	if (vmadm_operands(v) == 1)
		return vmadm_payload(v, ret);
	for (unsigned i = 1; i < vmadm_operands(v); i++) {
		if (add_word(payload, vmadm_operand(v, i)) < 0) {
			auto_free char *msg =
			    xasprintf("Not a property=value: %s", vmadm_operand(v, i));

			return vmadm_usage(v, msg);
		}
	}
	*ret = TAKE(payload);
	return VMADM_OK;
}

static char *
names_text(const json_t *names)
{
	auto_strv char **v = NULL;
	const json_t *name;
	size_t i;

	json_array_foreach (names, i, name)
		v = strv_push(v, xstrdup(json_string_value(name)));
	return strv_join(v, ", ");
}

/* The result has "next_boot", the changed properties a running VM does not have yet. */
static int
succeed(struct vmadm *v, const char *uuid, json_t *next_boot)
{
	auto_free char *names = names_text(next_boot);
	json_t *result = operation_result(uuid);

	json_object_set(result, "next_boot", next_boot);
	if (json_array_size(next_boot) == 0)
		return vmadm_success(v, result, "Successfully updated VM %s", uuid);
	return vmadm_success(
	    v, result, "Successfully updated VM %s\nWaiting for the next boot: %s", uuid, names);
}

static int
run(struct vmadm *v)
{
	const char *uuid = vmadm_uuid_operand(v);
	json_auto_t *payload = NULL, *next_boot = NULL;
	struct op op = operation_of(v);
	struct err err = { 0 };
	int r;

	if (!uuid)
		return VMADM_USAGE;
	r = payload_of(v, &payload);
	if (r != VMADM_OK)
		return r;
	if (op_update(&op, uuid, payload, &next_boot, &err) < 0)
		return operation_fail(v, NULL, &err);
	return succeed(v, uuid, next_boot);
}

static const struct option_row options[] = {
	{ 'f', "file", "FILE", "Read the payload from FILE; without it, or with -, from stdin." },
	{ 0 },
};

const struct command cmd_update = {
	.name = "update",
	.usage = "<uuid> [-f FILE | property=value ...]",
	.help = "Change properties of a VM.",
	.options = options,
	.writes = true,
	.run = run,
};
