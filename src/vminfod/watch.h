/*
 * inotify on every directory that sources are in. An event only says which VM may have changed. A
 * directory that is missing or goes away is tried again each second; when it is there again,
 * everything is scanned, because nothing was seen meanwhile.
 */
#ifndef VMINFOD_WATCH_H
#define VMINFOD_WATCH_H

#include <jansson.h>

#include "base/err.h"

struct watch;
struct track;
struct vminfod;

int watch_new(struct vminfod *d, struct watch **ret, struct err *err);
void watch_close(struct watch *w);
void watch_free(struct watch *w);

/* Watch the directories of the host that are not watched yet. */
void watch_retry(struct watch *w);
/* Watch the directories of a VM as far as they exist. To be called before its sources are read. */
void watch_vm(struct watch *w, struct track *t);
void watch_forget(struct watch *w, struct track *t);
/* Handle the events that have happened already. */
void watch_drain(struct watch *w);

/* `fswatcher` of /status (vminfod.md 4). New reference. */
json_t *watch_status(struct watch *w);

#endif
