/*
 * Who owns what, with which mode: ONE table (design.md section 3). Unprivileged processes under a
 * private root change no owner, only modes.
 */
#ifndef BASE_OWN_H
#define BASE_OWN_H

#include "base/fs.h"

enum own_kind {
	OWN_CONFIG_FILE, /* zone XML, index, config JSON, saved state: root:vmnode 0640 */
	OWN_INDEX_FILE,  /* zone index: root:vmnode 0644 (names only) */
	OWN_ETC_DIR,     /* /etc/zones, /var/lib/vmnode: root:vmnode 0755 */
	OWN_ZONE_DIR,    /* /zones/<uuid>, .../root: root 0711 */
	OWN_CONFIG_DIR,  /* /zones/<uuid>/config: root:vmnode 0750 */
	OWN_VM_TMP_DIR,  /* root/tmp: VM uid 0770, group vmnode */
	OWN_VM_VOLUME,   /* disk volumes: VM uid 0600 */
	OWN_RUN_DIR,     /* /run/vmnode...: root:vmnode 0755 */
	OWN_RUN_FILE,    /* run state, sysinfo: root:vmnode 0644 */
	OWN_SOCKET,      /* sockets: root:vmnode 0660 */
	OWN_LEDGER,      /* exits.jsonl, console log: root:vmnode 0640 */
	OWN_KIND_COUNT
};

/* `vm_uid` is used by the two VM rows; (uid_t)-1 when the VM has no uid of its own. */
struct fs_owner own_of(enum own_kind kind, uid_t vm_uid);

#endif
