/*
 * Storage drivers behind one table of functions. A pool has file systems (one per VM, mounted at
 * its zonepath) and volumes (the disks). Driver `dir`: pool "zones" on any file system:
 *   zones/<uuid>          directory /zones/<uuid>; properties in /zones/.pool/<uuid>.json
 *                         {"quota","creation","compression","recsize","volumes":["<uuid>-disk0.qcow2"]}
 *   zones/<uuid>-disk<N>  file /zones/<uuid>-disk<N>.qcow2 (or .raw), sizes from the file itself
 * A volume's name is in "volumes" before its file is made and until its file is gone, so that
 * nothing needs to search /zones, which is large. A name without file is no row. Files are made
 * under the name ".<name>.new" and renamed when they are whole.
 */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "vm/compose.h"

enum volume_format { VOLUME_QCOW2, VOLUME_RAW };
int volume_format_parse(const char *s, enum volume_format *ret); /* NULL or "": qcow2 */

/* Rows of one VM: its file system and its volumes. */
struct dataset_rows {
	struct dataset *rows; /* owned */
	unsigned n;
	/* Of everything they came from, combined: another stamp means other facts. What a running
	 * guest does to its volumes does not change it. All zero: nothing there. */
	struct fs_stamp stamp;
};
void dataset_rows_done(struct dataset_rows *r);
const struct dataset *
dataset_rows_by_mountpoint(const struct dataset_rows *r, const char *mountpoint);

struct pool_driver {
	const char *name; /* "dir" */
	/* Reading: the rows of one VM (empty when it has none). Cheap, never runs a tool, for
	 * driver dir. */
	int (*vm_rows)(
	    const char *pool, const char *uuid, struct dataset_rows *ret, struct err *err);
	/* Writing; sizes in bytes. Existing things: -EEXIST. */
	int (*create_filesystem)(
	    const char *pool, const char *uuid, int64_t quota, struct err *err);
	int (*set_quota)(const char *pool, const char *uuid, int64_t quota, struct err *err);
	/* *ret_path: logical path of the volume, allocated. N = lowest free number. `owner` = uid
	 * that may write it. */
	int (*create_volume)(const char *pool, const char *uuid, enum volume_format format,
	    int64_t size, uid_t owner, char **ret_path, struct err *err);
	/* Logical paths of the volumes of the VM, also of those whose creation was killed; an
	 * allocated list, NULL when there are none. */
	int (*volumes)(const char *pool, const char *uuid, char ***ret, struct err *err);
	/* Only a path that is a volume of this VM is removed (-EINVAL otherwise); absent is
	 * success. */
	int (*remove_volume)(const char *pool, const char *uuid, const char *path, struct err *err);
	/* File system, its properties and every volume of the VM. Absent is success. A symlink in
	 * the place of the directory is -ELOOP. */
	int (*remove_all)(const char *pool, const char *uuid, struct err *err);
	/* Directories (logical) a watcher must watch for dataset events, NULL-terminated. */
	const char *const *watch_dirs;
	/* The VM a name in a watched directory belongs to: uuid into ret (37 bytes), or -ENOENT. */
	int (*uuid_of_name)(const char *dir, const char *name, char *ret);
};

extern const struct pool_driver pool_dir;

/* -ENOENT for an unknown pool. This slice: "zones" with driver dir. */
int pool_find(const char *pool, const struct pool_driver **ret, struct err *err);
#define POOL_DEFAULT "zones"

#endif
