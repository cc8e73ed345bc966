/* The uid each VM's process runs as: a host-wide registry outside any private root (conf
 * vm.uid_registry, one line "uid root uuid"), so that two roots never share a uid. Only used when
 * privileged. Source: design.md section 3. */
#ifndef HOST_VM_UID_H
#define HOST_VM_UID_H

#include <sys/types.h>

#include "base/err.h"

/* The uid of the VM, allocated at first use. (uid_t)-1 and 0 when we are not privileged. */
int vm_uid_get(const char *uuid, uid_t *ret, struct err *err);
/* Forget it; absent is success. Rows whose root directory no longer exists are dropped as well. */
int vm_uid_release(const char *uuid, struct err *err);

#endif
