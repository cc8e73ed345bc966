/*
 * Where things are. Objects, journals and logs hold *logical* paths ("/zones/<uuid>"); this module,
 * and nothing else, puts the root prefix before them (design.md section 3). The root is set once at
 * start, from --root or VMNODE_ROOT, default "/".
 */
#ifndef BASE_PATHS_H
#define BASE_PATHS_H

#include <stdbool.h>

/* Logical directories. */
#define PATH_ZONES_ETC  "/etc/zones"
#define PATH_ZONE_INDEX "/etc/zones/index"
#define PATH_CONF       "/etc/vmnode/vmnode.conf"
#define PATH_RUN        "/run/vmnode"
#define PATH_RUN_ZONES  "/run/vmnode/zones" /* <uuid>.state .sock .busy .lock */
#define PATH_RUN_LOCKS  "/run/vmnode/locks"
#define PATH_RUN_OPS    "/run/vmnode/ops" /* journals of start, stop, update */
#define PATH_SYSINFO    "/run/vmnode/sysinfo.json"
#define PATH_VMINFOD    "/run/vmnode/vminfod.sock"
#define PATH_LIB        "/var/lib/vmnode"
#define PATH_LIB_OPS    "/var/lib/vmnode/ops" /* journals of create, delete */
#define PATH_POOL_ROOT  "/zones"              /* pool "zones" of driver dir */

/*
 * Set the root. NULL: VMNODE_ROOT or "/". A relative path is made absolute; a trailing slash is
 * dropped. Creates nothing. 0, or -ENOTDIR / -ENOENT when an explicit root is not a directory.
 */
struct err;
int paths_init(const char *root, struct err *err);
const char *paths_root(void); /* "" for "/", else the prefix without trailing slash */
bool paths_is_private(void);  /* a root other than "/" */

/* The host path of a logical path. Allocated. */
char *path_host(const char *logical);
/* The same below a root of the caller's choice, for clients of several hosts in one process.
 * Allocated. */
char *path_host_below(const char *other_root, const char *logical);
/* printf, then path_host. Allocated. */
char *path_hostf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Strip the root again; the path itself if it is not below the root. Borrowed from the argument. */
const char *path_logical(const char *host);

/* The boot id of the running kernel (36 characters); borrowed for ever. */
const char *host_boot_id(void);

#endif
