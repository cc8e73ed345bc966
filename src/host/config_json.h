/* /zones/<uuid>/config/{metadata,tags,routes}.json (vmobject-load.md 7). Which property is in which
 * file comes from the property table. */
#ifndef HOST_CONFIG_JSON_H
#define HOST_CONFIG_JSON_H

#include <jansson.h>

#include "base/err.h"
#include "base/fs.h"

#define CONFIG_JSON_MAX (16u << 20) /* bytes per file */
enum { CONFIG_METADATA, CONFIG_TAGS, CONFIG_ROUTES, CONFIG_FILE_COUNT };
extern const char *const config_json_names[CONFIG_FILE_COUNT]; /* "metadata.json", ... */

/* {customer_metadata, internal_metadata, routes, tags}; a missing file gives {}. Invalid JSON or a
 * non-object is an error whose err->what is the logical path, *ret_line the line. */
int config_json_load(const char *zonepath, json_t **ret, struct fs_stamp stamps[CONFIG_FILE_COUNT],
    int *ret_line, struct err *err);
/* Write those of the four members that `obj` has, into files whose content changes (unchanged files
 * are not touched; metadata.json has two members). */
int config_json_save(const char *zonepath, const json_t *obj, struct err *err);

#endif
