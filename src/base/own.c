#include "base/own.h"

#include <assert.h>

#include "base/str.h"
#include "base/vmgroup.h"

static const struct own_row {
	mode_t mode;
	bool vm_uid; /* else root */
	bool group;  /* vmnode, else root's */
} rows[OWN_KIND_COUNT] = {
	[OWN_CONFIG_FILE] = { .mode = 0640, .group = true },
	[OWN_INDEX_FILE] = { .mode = 0644, .group = true },
	[OWN_ETC_DIR] = { .mode = 0755, .group = true },
	[OWN_ZONE_DIR] = { .mode = 0711 },
	[OWN_CONFIG_DIR] = { .mode = 0750, .group = true },
	[OWN_VM_TMP_DIR] = { .mode = 0770, .vm_uid = true, .group = true },
	[OWN_VM_VOLUME] = { .mode = 0600, .vm_uid = true },
	[OWN_RUN_DIR] = { .mode = 0755, .group = true },
	[OWN_RUN_FILE] = { .mode = 0644, .group = true },
	[OWN_SOCKET] = { .mode = 0660, .group = true },
	[OWN_LEDGER] = { .mode = 0640, .group = true },
};

struct fs_owner
own_of(enum own_kind kind, uid_t vm_uid)
{
	struct fs_owner owner = { .uid = (uid_t)-1, .gid = (gid_t)-1 };

	assert((unsigned)kind < ARRAY_LEN(rows));
	owner.mode = rows[kind].mode;
	if (!is_privileged())
		return owner;
	owner.uid = rows[kind].vm_uid && vm_uid != (uid_t)-1 ? vm_uid : 0;
	owner.gid = rows[kind].group ? vmgroup_gid() : 0;
	if (owner.gid == (gid_t)-1)
		owner.gid = 0; /* no such group: root only */
	return owner;
}
