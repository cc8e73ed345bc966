/* /zones/.pool/<uuid>.json: what driver `dir` cannot read from the file system itself
 * (pool/pool.h). */
#ifndef POOL_DIR_PROPS_H
#define POOL_DIR_PROPS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/fs.h"

#define DIR_PROPS PATH_POOL_ROOT "/.pool"

/* Serialises those who change a property file. A descriptor to be closed, or negative errno. */
int dir_props_lock(struct err *err);
/* 1 and *ret; 0 when there is none (stamp all zero); negative errno when it cannot be read. */
int dir_props_load(const char *uuid, json_t **ret, struct fs_stamp *stamp, struct err *err);
int dir_props_save(const char *uuid, const json_t *props, struct err *err);
int dir_props_remove(const char *uuid, struct err *err);

/* "<uuid>-disk<N>.qcow2" or ".raw": 0 and the number, or -EINVAL. */
int dir_volume_parse(const char *uuid, const char *name, unsigned *ret_number);
/* Name a volume, or take its name out (absent is success); under the lock, the file is replaced. */
int dir_props_add_volume(const char *uuid, const char *suffix, char **ret_name, struct err *err);
int dir_props_remove_volume(const char *uuid, const char *name, struct err *err);

#endif
