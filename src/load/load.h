/*
 * From all sources of one VM to its object: used by vminfod for every load, and by vmadm when
 * vminfod does not answer. The sources of a VM are re-read whole (design.md section 2); only the
 * zone index and sysinfo are cached, by stamp.
 */
#ifndef LOAD_LOAD_H
#define LOAD_LOAD_H

#include <jansson.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/proc.h"

/* The files a VM's object came from. All zero: absent. */
enum load_file {
	LOAD_XML,
	LOAD_STATE,
	LOAD_METADATA,
	LOAD_TAGS,
	LOAD_ROUTES,
	LOAD_LASTEXITED,
	LOAD_DATASETS,
	LOAD_FILE_COUNT
};
struct load_stamps {
	struct fs_stamp file[LOAD_FILE_COUNT];
};

struct loader;
/* Reads nothing yet. */
struct loader *loader_new(void);
void loader_free(struct loader *l);
DEFINE_AUTO(loader, struct loader *, loader_free)

/*
 * Re-read the index if its stamp changed (or is younger than 20 ms), and call `changed` (may be
 * NULL) for each uuid whose row appeared, vanished or changed. An unreadable index keeps the old
 * rows and is an error: what it said stays true until it can be read again.
 */
int loader_refresh_index(
    struct loader *l, void (*changed)(void *arg, const char *uuid), void *arg, struct err *err);
/* true when sysinfo changed: every VM must be loaded again. */
bool loader_refresh_sysinfo(struct loader *l);

/* Every VM there may be: rows of the index and XML files (readdir). Calls fn once per uuid. Errors:
 * the directory cannot be read. */
int
loader_each(struct loader *l, void (*fn)(void *arg, const char *uuid), void *arg, struct err *err);

struct loaded {
	json_t *object; /* owned; NULL: the VM does not exist (neither row nor XML) */
	struct load_stamps stamps;
	bool half;                          /* exactly one of row and XML is there */
	bool failed;                        /* the object has load_error */
	struct proc_id hypervisor, monitor; /* living processes, pid 0: none */
};
void loaded_done(struct loaded *l);

/* Load one VM. `old` (borrowed, may be NULL) is the last good object, used when a source cannot be
 * read. Cannot fail: errors are in the object. The index is used as last refreshed. */
void loader_load(struct loader *l, const char *uuid, const json_t *old, struct loaded *ret);

/* Have the files changed since these stamps were taken (stat only)? */
bool loader_changed(struct loader *l, const char *uuid, const struct load_stamps *stamps);

/* Convenience for commands: one VM straight from its sources. -ENOENT with the sentence "VM <uuid>
 * not found". An object with load_error is an error too when `strict`. */
int load_one(const char *uuid, bool strict, json_t **ret, struct err *err);
/* Array of all objects. */
int load_all(json_t **ret, struct err *err);

#endif
