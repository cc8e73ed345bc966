#include "vmadm/select.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "vm/compose.h"
#include "json/json.h"

void
fields_done(struct fields *f)
{
	strv_free(f->names);
	f->names = NULL;
}

void
fields_add(void *fields, const char *name)
{
	struct fields *f = fields;
	const struct prop *p = prop_find(name);

	if (p && (p->flags & PROP_VIRTUAL))
		p = prop_find(p->needs);
	if (!p)
		return;
	for (char **n = f->names; n && *n; n++)
		if (str_eq(*n, p->name))
			return;
	f->names = strv_push(f->names, xstrdup(p->name));
}

int
select_filter(const struct vmadm *v, const char *kind, struct vm_filter **ret, struct err *err)
{
	AUTO(vm_filter) struct vm_filter *filter = NULL;

	for (unsigned i = 0; i < vmadm_operands(v); i++) {
		int r = vm_filter_add(&filter, vmadm_operand(v, i), kind, err);

		if (r < 0)
			return r;
	}
	*ret = TAKE(filter);
	return 0;
}

int
select_vms(struct vmadm *v, const struct vm_filter *filter, const struct fields *fields,
    json_t **ret, struct err *err)
{
	json_auto_t *all = NULL, *matching = json_array();
	auto_free char *names = fields && fields->names ? strv_join(fields->names, ",") : NULL;
	json_t *vm;
	size_t i;
	int r = vmadm_vms(v, names, &all, err);

	if (r < 0)
		return r;
	json_array_foreach (all, i, vm) {
		vm_add_virtual(vm);
		if (vm_filter_match(filter, vm))
			(void)json_array_append(matching, vm);
	}
	*ret = TAKE(matching);
	return 0;
}
