/* Which VMs, and which of their members: what list and lookup share. */
#ifndef VMADM_SELECT_H
#define VMADM_SELECT_H

#include <jansson.h>

#include "base/err.h"
#include "vm/filter.h"
#include "vmadm/vmadm.h"

/* The members to ask vminfod for. */
struct fields {
	char **names; /* base/str.h vector */
};
void fields_done(struct fields *f);
/* Add a top-level member once; for a virtual one what it is made from; nothing for an unknown one.
 * Has the type vm_filter_fields() wants. */
void fields_add(void *fields, const char *name);

/* The operands as filters; kind: "filter" or "lookup". */
int select_filter(const struct vmadm *v, const char *kind, struct vm_filter **ret, struct err *err);
/* The VMs that match, with their virtual members: a new array. fields NULL: whole objects. */
int select_vms(struct vmadm *v, const struct vm_filter *filter, const struct fields *fields,
    json_t **ret, struct err *err);

#endif
