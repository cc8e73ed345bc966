/* What the daemon knows about a VM besides its object: its place in the queue, its watches, its
 * processes, its files' stamps. */
#ifndef VMINFOD_TRACK_H
#define VMINFOD_TRACK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/proc.h"
#include "base/str.h"
#include "load/load.h"

struct track;

/* A watched directory. */
struct watch_slot {
	int wd;                      /* -1: not watched */
	const struct watch_dir *dir; /* what its events mean */
	struct track *track;         /* NULL: a directory of the host */
	char
	    *path; /* host path; owned; NULL for directories of a VM, which are built when needed */
};

struct tracked_process {
	struct proc_id id;
	int fd; /* -1: none */
};

enum track_place { TRACK_NOWHERE, TRACK_READY, TRACK_WAITING };

struct track {
	char uuid[UUID_LEN + 1];
	enum track_place place;
	TAILQ_ENTRY(track) entry;
	int64_t queued_ns; /* since when it is in the queue */
	int64_t due_ns;    /* TRACK_WAITING: load it then */
	/* Since when it is put off: because its bracket is held; because its sources look
	 * half-written. 0: it is not. */
	int64_t busy_since_ns, unsettled_since_ns;
	bool loaded; /* the rest is of the last load */
	bool young;  /* a file was so new that a second change could hide in its stamp */
	bool half, failed;
	struct load_stamps stamps;
	struct tracked_process hypervisor, monitor;
	struct watch_slot dir, config;
};

#endif
