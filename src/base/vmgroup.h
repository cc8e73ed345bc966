/* The group that may read everything, and our own identity. */
#ifndef BASE_VMGROUP_H
#define BASE_VMGROUP_H

#include <stdbool.h>
#include <sys/types.h>

/* gid of conf key vm.group; (gid_t)-1 when there is no such group or we are not root. */
gid_t vmgroup_gid(void);
/* uid 0, the uid this process runs as, or a member of the group (primary or supplementary, cached
 * for 5 s). */
bool vmgroup_may_read_all(uid_t uid);
/* We run as root and so change owners and uids. */
bool is_privileged(void);

#endif
