/* The volumes behind the disks of a VM. */
#ifndef OPS_VOLUMES_H
#define OPS_VOLUMES_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "pool/pool.h"

struct volumes {
	const char *uuid;
	const struct pool_driver *pool;
	uid_t uid; /* of the VM's process */
};

/*
 * Create the volume of every disk in the array (borrowed) that needs one, in order, and put its
 * path into the disk. `made` (may be NULL) is called after each with its logical path; a negative
 * result ends it. The volumes made before a failure stay: the caller undoes.
 */
typedef int volume_made_fn(void *arg, const char *path, struct err *err);
int volumes_create(
    const struct volumes *v, json_t *disks, volume_made_fn *made, void *arg, struct err *err);

/* Has the disk a volume that is (or shall be) ours: a disk, not an attached file? */
bool volume_is_ours(const json_t *disk);

#endif
