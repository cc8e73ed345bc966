/* The directories of a VM below its zonepath, with the owners of base/own.h. */
#ifndef HOST_ZONE_DIR_H
#define HOST_ZONE_DIR_H

#include <sys/types.h>

#include "base/err.h"

/* zonepath, config, root, root/tmp; existing ones get the right owner and mode. vm_uid (uid_t)-1:
 * none. */
int zone_dir_create(const char *zonepath, uid_t vm_uid, struct err *err);
/* Open <zonepath>/root/tmp with every component checked (no symlinks). fd or negative errno. */
int zone_dir_open_tmp(const char *zonepath, struct err *err);
/* All directories of /run/vmnode, /etc/zones, /var/lib/vmnode, the index: what a new root needs.
 * Called by every writer. */
int host_init(struct err *err);

#endif
