/*
 * Hypervisor drivers behind one table of functions. A driver turns a VM object into an argv and
 * knows how to talk to the process. Processes themselves are started and held by vm-monitor.
 */
#ifndef VMM_VMM_H
#define VMM_VMM_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "vmm/accel.h"

/* Names in the VM's root/tmp, which is the working directory of the hypervisor. */
#define VMM_QMP_PUBLIC  "vm.qmp"     /* free for vmadmd */
#define VMM_QMP_PRIVATE "vm.monitor" /* vm-monitor's own */
#define VMM_SERIAL      "vm.serial"  /* the hypervisor's end of serial 0 */
#define VMM_CONSOLE     "vm.console" /* served by vm-monitor */
#define VMM_VNC         "vm.vnc"
#define VMM_PIDFILE                                                                                \
	"vm.pid" /* written by vm-monitor: QEMU would look up every parent of the directory */
#define VMM_LOG "vm.log" /* stderr of the hypervisor */

struct vmm_start {
	const json_t *vm;          /* VM object; borrowed */
	const struct accel *accel; /* borrowed */
	const char *platform;      /* SMBIOS version suffix; may be NULL */
	const char *order;         /* boot order of this start, NULL: the property */
	int volume_dir_up;         /* components from root/tmp up to the pool's directory */
};

struct vmm_driver {
	const char *name;
	/* Path of the program; allocated. -ENOENT with a sentence that names the Debian package. */
	int (*program)(char **ret, struct err *err);
	/* The machine type to pin at create ("pc-q35-7.2"), allocated. Asks the program; cached per
	 * program file in /run/vmnode. */
	int (*machine)(const char *program, char **ret, struct err *err);
	/* Complete argv, owned NULL-terminated vector. The process is created stopped (-S) and is
	 * let go over QMP. */
	int (*argv)(
	    const char *program, const struct vmm_start *start, char ***ret, struct err *err);
};
extern const struct vmm_driver vmm_qemu;
/* By the brand's driver name; -EINVAL with a sentence that names the brand to use instead. */
int vmm_find(const char *brand, const struct vmm_driver **ret, struct err *err);

#endif
