/*
 * /etc/zones/<uuid>.xml: the configuration of a VM. What is stored where comes from the property
 * table (rows with SRC_XML); elements and attributes no row knows are kept as they are. Format:
 * vmobject-load.md 4. Array elements are in document order; composition sorts them.
 */
#ifndef HOST_ZONE_XML_H
#define HOST_ZONE_XML_H

#include <jansson.h>

#include "base/err.h"
#include "base/fs.h"

/* Read into a flat object of properties (vmobject-load.md 4, 5). On failure *ret_line (may be NULL)
 * is the line or 0. -ENOENT: no file. */
int zone_xml_load(
    const char *uuid, json_t **ret, struct fs_stamp *ret_stamp, int *ret_line, struct err *err);
/* The same from text; `what` names it in errors. */
int zone_xml_parse(
    const char *text, size_t len, const char *what, json_t **ret, int *ret_line, struct err *err);

/* Write the XML-stored members of `obj` (a VM object; others are ignored) into the file: a new file
 * when there is none, else only what differs is changed. No change: the file is not touched. Holds
 * index.lock meanwhile. */
int zone_xml_save(const char *uuid, const json_t *obj, struct err *err);
/* The text zone_xml_save would write: `old` text may be NULL. */
int zone_xml_render(
    const char *old, size_t old_len, const json_t *obj, struct buf *ret, struct err *err);
int zone_xml_remove(const char *uuid, struct err *err); /* absent is success */
/* Only the time stamps: something else of the VM was changed (vm-lifecycle.md 5.5, step 13). */
int zone_xml_touch(const char *uuid, struct err *err);
char *zone_xml_path(const char *uuid); /* logical; allocated */

#endif
