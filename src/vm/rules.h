/* Rules of single properties: extra checks, canonical spellings, sort numbers. Named by rows of the
 * property table. */
#ifndef VM_RULES_H
#define VM_RULES_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "vm/properties.h"

/* Checks of struct prop: 0, or err_set with a sentence that goes after the name. */
int
rule_line(const struct prop *p, const json_t *value, struct err *err); /* no control characters */
int rule_vnc_password(
    const struct prop *p, const json_t *value, struct err *err); /* a line of at most 8 bytes */
int rule_cpu_type(const struct prop *p, const json_t *value, struct err *err);
int rule_name(
    const struct prop *p, const json_t *value, struct err *err); /* letters, digits, - and _ */
int rule_nic_tag(const struct prop *p, const json_t *value, struct err *err);
int rule_interface(const struct prop *p, const json_t *value, struct err *err);
int rule_mac(const struct prop *p, const json_t *value, struct err *err);
int
rule_ip(const struct prop *p, const json_t *value, struct err *err); /* dhcp, addrconf or IPv4 */
int rule_ips(const struct prop *p, const json_t *value,
    struct err *err); /* dhcp, addrconf or address/prefix */
int rule_netmask(const struct prop *p, const json_t *value, struct err *err);
int rule_gateway(
    const struct prop *p, const json_t *value, struct err *err); /* one text or a list of them */
int rule_addresses(const struct prop *p, const json_t *value, struct err *err);
int rule_routes(const struct prop *p, const json_t *value, struct err *err);
int rule_disk_path(
    const struct prop *p, const json_t *value, struct err *err); /* absolute, no . or .. in it */

/* Canonical spellings; allocated. */
char *canon_mac(const char *text);

/* Sort numbers of array elements (vmobject-load.md 5.4): <N> of net<N>; of -disk<N>, also before
 * ".qcow2". Else 0. */
int64_t order_nic(const json_t *nic);
int64_t order_disk(const json_t *disk);

#endif
