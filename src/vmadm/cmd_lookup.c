/* vmadm lookup (vmadm.md 2.4). */
#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "client/output.h"
#include "vmadm/select.h"
#include "vmadm/vmadm.h"
#include "json/json.h"

/* Only the wanted top-level members; a VM that has none of them is left out. */
static json_t *
project(const json_t *vms, char *const *wanted)
{
	json_t *out = json_array();
	const json_t *vm;
	size_t i;

	json_array_foreach (vms, i, vm) {
		json_auto_t *part = json_object();

		for (char *const *w = wanted; *w; w++)
			json_put(part, *w, json_incref(json_object_get(vm, *w)));
		if (json_object_size(part) > 0)
			(void)json_array_append(out, part);
	}
	return out;
}

static void
print_json(const json_t *vms, char *const *wanted, struct buf *out)
{
	json_auto_t *projected = wanted ? project(vms, wanted) : NULL;

	json_write(out, projected ? projected : vms, 2);
	buf_addc(out, '\n');
}

static void
print_uuids(const json_t *vms, struct buf *out)
{
	const json_t *vm;
	size_t i;

	json_array_foreach (vms, i, vm)
		buf_addf(out, "%s\n", str_or_empty(json_member_str(vm, "uuid")));
}

static int
find(struct vmadm *v, char *const *wanted, bool whole, json_t **ret, struct err *err)
{
	struct fields fields __attribute__((cleanup(fields_done))) = { 0 };
	AUTO(vm_filter) struct vm_filter *filter = NULL;
	int r = select_filter(v, "lookup", &filter, err);

	if (r < 0)
		return r;
	fields_add(&fields, "uuid");
	vm_filter_fields(filter, fields_add, &fields);
	for (char *const *w = wanted; w && *w; w++)
		fields_add(&fields, *w);
	r = select_vms(v, filter, whole ? NULL : &fields, ret, err);
	if (r == 0 && vmadm_option(v, '1') && json_array_size(*ret) != 1) {
		r = err_set(err, -ENOTUNIQ, NULL, "Requested unique lookup but found %zu results.",
		    json_array_size(*ret));
		json_decref(TAKE(*ret));
	}
	return r;
}

static int
run(struct vmadm *v)
{
	const char *order = vmadm_option(v, 'o');
	auto_strv char **wanted = order ? strv_split(order, ',') : NULL;
	auto_buf struct buf out = BUF_INIT;
	json_auto_t *vms = NULL;
	struct err err = { 0 };
	bool json = vmadm_option(v, 'j');

	if (order && !json) {
		(void)err_set(&err, -EINVAL, NULL, "Cannot specify -o without -j");
		return vmadm_fail(v, &err);
	}
	if (find(v, wanted, json && !order, &vms, &err) < 0)
		return vmadm_fail(v, &err);
	if (json)
		print_json(vms, wanted, &out);
	else
		print_uuids(vms, &out);
	return output_end(&out);
}

static const struct option_row options[] = {
	{ 'j', "json", NULL, "Print the objects as a JSON array." },
	{ '1', "unique", NULL, "Fail unless exactly one VM matches." },
	{ 'o', "order", "FIELDS", "With -j: only these members, separated by commas." },
	{ 0 },
};

const struct command cmd_lookup = {
	.name = "lookup",
	.usage = "[-j|-1] [-o FIELD,...] [FIELD=VALUE ...]",
	.help = "Find VMs; the filters are those of list.",
	.options = options,
	.run = run,
};
