/* What checking and applying payloads share. Private to vm/. */
#ifndef VM_PAYLOAD_H
#define VM_PAYLOAD_H

#include <jansson.h>

#include "base/err.h"
#include "vm/properties.h"

/* Verbs of an update: set_/remove_ of maps, add_/update_/remove_ of arrays whose row has
 * UPDATE_VERB. */
enum payload_verb { VERB_SET, VERB_REMOVE, VERB_ADD, VERB_UPDATE, VERB_COUNT };
/* The row a member like "add_nics" is about, or NULL. */
const struct prop *payload_verb_find(const char *key, enum payload_verb *ret);

/* Defaults of a new element of an array. */
void payload_element_defaults(const struct prop *p, enum brand brand, json_t *element);

/* The NIC `nic` with the members of an update_nics element: ip, netmask and gateway keep ips and
 * gateways in step. */
int nic_merge(const struct prop *p, json_t *nic, const json_t *changes, struct err *err);
/* Plain merge: null removes. Other arrays. */
int element_merge(const struct prop *p, json_t *element, const json_t *changes, struct err *err);
/* An update that makes a NIC primary clears the others first; -EINVAL when it names two. */
int nics_yield_primary(json_t *nics, const json_t *update, struct err *err);
/* No primary left: promote one (vmadm.md 2.5). */
void nics_promote_primary(json_t *nics);

#endif
