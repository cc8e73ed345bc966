/* NIC tags: names of host networks a NIC is attached to. `user` (user-mode networking, no rights
 * needed) always exists; taps and bridges bring more. ONE table. */
#ifndef NET_NIC_TAG_H
#define NET_NIC_TAG_H

#include <stdbool.h>

#include <jansson.h>

#include "base/err.h"

enum nic_backend { NIC_BACKEND_USER };
struct nic_tag {
	const char *name, *help;
	enum nic_backend backend;
};
const struct nic_tag *nic_tag_find(const char *name); /* NULL: unknown */
/* Every tag of the VM's nics exists; else -EINVAL `Invalid nic tag "<tag>"`, one after the other
 * with "; " between. */
int nic_tag_check(const json_t *vm, struct err *err);

#endif
