/* The stored configuration and the processes of a VM, as operations need them. */
#ifndef OPS_STORED_H
#define OPS_STORED_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "host/run_state.h"
#include "ops/context.h"

/* Replace one stored member (value owned; NULL removes it) of the zone XML; everything else stays
 * as it is. */
int config_edit(const char *uuid, const char *name, json_t *value, struct err *err);
/* autoboot, if the operation is a user's own (op_is_users). */
int job_set_autoboot(struct job *j, bool value, struct err *err);

/* Is there a row or an XML file? An index that cannot be read is an error. */
int vm_exists(const char *uuid, bool *ret, struct err *err);
/* 0, or -ENOENT `VM <uuid> not found`. */
int require_vm(const char *uuid, struct err *err);

/* Files named by PROP_PATH properties are regular and can be read by the VM's process. Only the
 * properties in `only` (object; NULL: all). */
int vm_check_paths(const json_t *vm, uid_t vm_uid, const json_t *only, struct err *err);

struct vm_processes {
	struct run_state rs;
	bool hypervisor, monitor; /* which of them live */
};
int vm_processes(const char *uuid, struct vm_processes *ret, struct err *err);

#endif
