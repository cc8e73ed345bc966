/* Members of VM objects that are not a plain copy from their source (vmobject-load.md 12-15). Named
 * by rows of the property table. */
#ifndef VM_COMPUTE_H
#define VM_COMPUTE_H

#include <jansson.h>

#include "vm/compose.h"

json_t *compute_zonename(const struct prop *p, const struct vm_sources *s, const json_t *obj);
json_t *compute_uuid(const struct prop *p, const struct vm_sources *s, const json_t *obj);
json_t *compute_zone_state(const struct prop *p, const struct vm_sources *s, const json_t *obj);
json_t *compute_zonepath(const struct prop *p, const struct vm_sources *s, const json_t *obj);
json_t *compute_hvm(const struct prop *p, const struct vm_sources *s, const json_t *obj);
json_t *compute_transition(const struct prop *p, const struct vm_sources *s, const json_t *obj);
json_t *compute_transition_to(const struct prop *p, const struct vm_sources *s, const json_t *obj);
json_t *
compute_transition_expire(const struct prop *p, const struct vm_sources *s, const json_t *obj);
json_t *compute_state(const struct prop *p, const struct vm_sources *s, const json_t *obj);
json_t *compute_exit(const struct prop *p, const struct vm_sources *s, const json_t *obj);
json_t *compute_array(const struct prop *p, const struct vm_sources *s, const json_t *obj);
json_t *compute_disks(const struct prop *p, const struct vm_sources *s, const json_t *obj);
json_t *compute_zfs_filesystem(const struct prop *p, const struct vm_sources *s, const json_t *obj);
json_t *compute_zpool(const struct prop *p, const struct vm_sources *s, const json_t *obj);
json_t *compute_quota(const struct prop *p, const struct vm_sources *s, const json_t *obj);
/* PROP_VIRTUAL rows: s is NULL. */
json_t *compute_type(const struct prop *p, const struct vm_sources *s, const json_t *obj);

#endif
