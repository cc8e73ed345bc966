/*
 * From what the sources say to a VM object. Pure: reads nothing, knows no file. Rules:
 * vmobject-load.md 12-19 without its defects.
 */
#ifndef VM_COMPOSE_H
#define VM_COMPOSE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "vm/properties.h"

/* State of the container of a VM (vm-lifecycle.md 1.1). The string table is zone_state_names. */
enum zone_state {
	ZONE_CONFIGURED,
	ZONE_INCOMPLETE,
	ZONE_INSTALLED,
	ZONE_READY,
	ZONE_RUNNING,
	ZONE_SHUTTING_DOWN,
	ZONE_STATE_COUNT
};
extern const char *const zone_state_names[ZONE_STATE_COUNT];
int zone_state_parse(const char *s, enum zone_state *ret); /* 0 or -EINVAL */

/* One row of the dataset table: a file system or a volume of a pool (vmobject-load.md 11). Bytes
 * unless said. */
enum dataset_type { DATASET_FILESYSTEM, DATASET_VOLUME };
struct dataset {
	char *name;       /* "zones/<uuid>", "zones/<uuid>-disk0"; owned */
	char *mountpoint; /* logical path: directory, or file or device of a volume; owned */
	enum dataset_type type;
	int64_t creation_s;
	int64_t quota;          /* 0: none */
	int64_t volsize;        /* volumes */
	int64_t block_size;     /* volumes */
	int64_t refreservation; /* volumes */
	int64_t recsize;        /* file systems */
	char *compression;      /* "off"; owned */
};

/* Why an object is not what its sources say. Part of the object as member load_error {file, line,
 * reason}. */
struct load_error {
	bool set;
	char file[256]; /* logical path */
	int line;       /* 0: not known */
	char reason[512];
};

struct vm_sources {
	const char *uuid;
	bool has_row; /* the index has a row */
	bool has_xml; /* the XML file exists (it may still be unreadable) */
	enum zone_state row_state;
	/* One flat object per source, keyed by property name, values as in the VM object; NULL: the
	 * source has nothing. Owned. SRC_RUN may hold zone_state (overrides the row's), zoneid,
	 * pid, boot_timestamp, init_restarts, quarantined. */
	json_t *part[SRC_COUNT];
	const struct dataset *root; /* root dataset or NULL; borrowed */
	/* Row of the volume behind a disk path, or NULL. */
	const struct dataset *(*volume)(const void *arg, const char *path);
	const void *volume_arg;
	struct load_error error;
};
void vm_sources_done(struct vm_sources *s);

/*
 * Compose. When s->error is set: a copy of `last_good` (borrowed, may be NULL) with load_error, or,
 * without one, a minimal object (uuid, zonename, brand if known, zone_state, zonepath, state
 * "configured", empty collections) with load_error. A VM with neither row nor XML has no object:
 * the caller does not get here. New reference, never NULL.
 */
json_t *vm_compose(const struct vm_sources *s, const json_t *last_good);

/* `state` from the other members (vm-lifecycle.md 1.2, vmobject-load.md 13). Borrowed for ever or
 * from obj. */
const char *vm_state_of(const json_t *obj);

/* As the files hold it: a deep copy in which `transition` stands again in place of state,
 * transition_to and transition_expire, and computed members are left out. What update starts from.
 * New reference. */
json_t *vm_stored(const json_t *obj);

/* The view of other users: secret members removed (maps become {}). New reference. */
json_t *vm_redact(const json_t *obj);

/* Virtual members of list and lookup: `type`. New reference (shares members); the other adds them
 * to the object itself. */
json_t *vm_with_virtual(const json_t *obj);
void vm_add_virtual(json_t *obj);

#endif
