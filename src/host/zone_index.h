/*
 * /etc/zones/index: "zonename:state:zonepath:uuid" per line, '#' comments, first row
 * "global:installed:/" (design.md section 3). index.lock serialises writers; readers need no lock
 * because the file is replaced atomically.
 */
#ifndef HOST_ZONE_INDEX_H
#define HOST_ZONE_INDEX_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "vm/compose.h"

struct zone_row {
	char *zonename;        /* owned */
	enum zone_state state; /* configured, incomplete, installed */
	char *zonepath;        /* logical; owned */
	char *uuid;            /* owned; equals zonename here */
	unsigned line;         /* in the file, from 1 */
};

/* The rows of VMs (global left out), sorted by uuid for zone_index_find. */
struct zone_index {
	struct zone_row *rows; /* owned */
	unsigned n;
	struct fs_stamp stamp;
};
void zone_index_free(struct zone_index *ix);
DEFINE_AUTO(zone_index, struct zone_index *, zone_index_free)

#define ZONE_INDEX_MAX (64u << 20) /* bytes */

/* Parse text. Every bad line is an error naming its number: a half-understood index must not make
 * VMs disappear. Bad are also a second row of a uuid or zonepath, a last line without its newline,
 * and a text without the `global` row. -EINVAL. */
int zone_index_parse(const char *text, size_t len, struct zone_index **ret, struct err *err);
/* Read the file. -ENOENT when it is absent; an empty file, or one without its `global` row, is
 * -EINVAL (never "no VMs"). */
int zone_index_load(struct zone_index **ret, struct err *err);
const struct zone_row *zone_index_find(const struct zone_index *ix, const char *uuid);

/* Make the file with the global row when it is absent. */
int zone_index_init(struct err *err);
/* Add a row (-EEXIST when uuid or name is there), change the state (-ENOENT), remove (absent is
 * success). Each takes index.lock, reads, replaces the file and keeps comments and foreign rows as
 * they are. */
int zone_index_add(const char *uuid, enum zone_state state, const char *zonepath, struct err *err);
int zone_index_set_state(const char *uuid, enum zone_state state, struct err *err);
int zone_index_remove(const char *uuid, struct err *err);

/* Take index.lock, which also serialises writers of zone files: a descriptor to be closed, or
 * negative errno. */
int zone_index_lock(struct err *err);
/* Somebody is writing the index or a zone file right now. */
bool zone_index_is_locked(void);

#endif
