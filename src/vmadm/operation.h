/* What the commands that change a VM share: the operation's view of this program. */
#ifndef VMADM_OPERATION_H
#define VMADM_OPERATION_H

#include "ops/ops.h"
#include "vmadm/vmadm.h"

/* For ops/: who asked, other VMs and read-after-write through vminfod. `v` is borrowed as long as
 * the result is used. */
struct op operation_of(struct vmadm *v);
/*
 * vmadm_fail() of an operation, after `prefix` (NULL: none) and a colon. An error about a file has
 * its path only in `what`; people need it.
 */
int operation_fail(struct vmadm *v, const char *prefix, struct err *err);
/* {"uuid": "..."}; new reference. */
json_t *operation_result(const char *uuid);

#endif
