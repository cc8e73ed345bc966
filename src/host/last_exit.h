/* /zones/<uuid>/lastexited: "<seconds since the epoch>.<ms> <wait status>" (vmobject-load.md 8). */
#ifndef HOST_LAST_EXIT_H
#define HOST_LAST_EXIT_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "base/fs.h"

struct last_exit {
	int64_t time_ms;
	int status; /* wait status word */
};

/* 1 and *ret; 0 when absent or not two fields; negative errno when it cannot be read. */
int last_exit_load(
    const char *zonepath, struct last_exit *ret, struct fs_stamp *ret_stamp, struct err *err);
int last_exit_parse(const char *text, struct last_exit *ret); /* 1 or 0 */
int last_exit_save(const char *zonepath, const struct last_exit *e, struct err *err);
/* {exit_status, exit_timestamp} (SRC_EXIT); new reference. */
json_t *last_exit_part(const struct last_exit *e);

#endif
