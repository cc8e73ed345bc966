/*
 * Payload checking (vm-properties.md 2, 5, 6; vmadm.md 2.1, 2.5). Pure: what needs the host (files,
 * tags, other VMs) is checked by ops/.
 */
#ifndef VM_VALIDATE_H
#define VM_VALIDATE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "vm/properties.h"

enum vm_action { VM_ACTION_CREATE, VM_ACTION_UPDATE };

/* Result of `validate`: arrays of names in the forms of vm-properties.md 5. */
struct vm_problems {
	json_t *bad_values; /* arrays of strings, owned */
	json_t *bad_properties;
	json_t *missing_properties;
	char *bad_brand;  /* NULL: fine */
	struct err first; /* sentence about the first bad value */
	bool first_alone; /* that sentence is the whole message ("add_nics must be an array.") */
};
void vm_problems_done(struct vm_problems *p);
/* Any of them, bad_properties not counted (those are dropped by create and update). */
bool vm_problems_fatal(const struct vm_problems *p);
/* The sentence vmadm prints: "Invalid value(s) for: a,b", "Missing required properties: ...", ...
 * -EINVAL. With one bad value the sentence about it follows in parentheses. */
int vm_problems_err(const struct vm_problems *p, struct err *err);
json_t *vm_problems_json(const struct vm_problems *p);

/*
 * Check `payload` (borrowed) and build the normalised payload: known members in canonical form,
 * unknown and not allowed ones dropped (named in problems). `brand` of an update is the VM's. *ret
 * is a new object, also when there are problems. Verbs (add_nics, set_tags, remove_disks ...) of an
 * update are kept under their names with normalised elements; verb names follow from the table:
 * UPDATE_VERB maps have set_/remove_, UPDATE_VERB arrays have add_/update_/remove_.
 */
void vm_payload_check(enum vm_action action, enum brand brand, const json_t *payload, json_t **ret,
    struct vm_problems *problems);

/* Fill in create defaults of the table (vm-properties.md 6.2) into a normalised create payload. */
void vm_payload_defaults(enum brand brand, json_t *payload);

/*
 * Apply a normalised update payload to `vm` (borrowed, a VM object): a new object with the stored
 * members as they shall be. Rules: removal before setting; unset members removed; primary NIC
 * rules; update_* by identity. Errors: unknown MAC or path, second primary, a verb that is not an
 * array (`<verb> must be an array.`).
 */
int vm_payload_apply(const json_t *vm, const json_t *update, json_t **ret, struct err *err);

/* NIC and disk rules of create and add_ verbs: models from *_driver or first element, exactly one
 * primary, free interface names net<N>, MAC normalised (random locally administered ones for
 * absent), no duplicates; ip/netmask/ips made consistent. Works on the whole object in place. */
int vm_fix_nics(json_t *vm, struct err *err);
int vm_fix_disks(json_t *vm, struct err *err);

/* Other VMs (array of objects with uuid, state, zone_state, nics, vnc_port) use the same MAC, IP
 * (per nic_tag and vlan_id) or vnc_port: -EEXIST, "Conflict detected with another vm ...". The VM
 * itself (same uuid) and failed VMs that do not run are skipped. */
int vm_check_conflicts(const json_t *vm, const json_t *others, struct err *err);

#endif
