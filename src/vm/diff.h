/*
 * The difference of two VM objects as change objects {prettyPath, path, action, oldValue, newValue,
 * ident} in the order and with the rules of vminfod.md 6 (null <-> object is `changed`, NaN equals
 * NaN).
 */
#ifndef VM_DIFF_H
#define VM_DIFF_H

#include <jansson.h>

#include "base/buf.h"

/* Identity of array elements below the root: disks by path, nics by mac, from the property table.
 * New array, maybe empty. */
json_t *vm_diff(const json_t *old_obj, const json_t *new_obj);

/* The same without the table: `identity` maps a root key to the member that names elements; ended
 * by a NULL key; may be NULL. */
struct diff_identity {
	const char *key, *member;
};
json_t *json_diff(const json_t *a, const json_t *b, const struct diff_identity *identity);

/* Apply changes to a copy of `old_obj`; for tests and mirrors. Arrays are compared as sets by the
 * diff, so order within arrays may differ from the object the changes were made from. NULL when a
 * change does not fit. */
json_t *vm_patch(const json_t *old_obj, const json_t *changes);

/* Human form of a path array (6.6). */
void diff_pretty_path(struct buf *b, const json_t *path);

#endif
