/* /run/vmnode/sysinfo.json: facts about the host, written by vminfod at start: "UUID" (from the
 * machine id, stable), "Hostname", "Live Image" (kernel release), "Boot ID", "Memory MiB", "CPU
 * Count". Names as in vmobject-load.md 10. */
#ifndef HOST_SYSINFO_H
#define HOST_SYSINFO_H

#include <jansson.h>

#include "base/err.h"
#include "base/fs.h"

/* Collect and write the file when its content would change. "Datacenter Name" and "Headnode ID" of
 * an existing file are kept. */
int sysinfo_write(struct err *err);
/* The file as it is; collected freshly (not written) when it is absent. Not an object: error. */
int sysinfo_load(json_t **ret, struct fs_stamp *ret_stamp, struct err *err);
/* {server_uuid, datacenter_name, platform_buildstamp, headnode_id} (SRC_SYSINFO) by the keys of the
 * property table; new reference. */
json_t *sysinfo_part(const json_t *sysinfo);

#endif
