/* The parts of the daemon and who knows whom: sources -> watch -> load_queue -> store -> listing,
 * listeners -> routes. */
#ifndef VMINFOD_VMINFOD_H
#define VMINFOD_VMINFOD_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct vminfod {
	uv_loop_t *loop;
	struct loader *loader;
	struct store *store;
	struct ring *ring;
	struct listing *listing;
	struct listeners *listeners;
	struct status *status;
	struct watch *watch;
	struct load_queue *queue;
	struct scan *scan;
	struct http_server *http; /* NULL until everything was loaded */
	bool booting;             /* the first load is under way: commits make no events */
	/* Called once, when the first load is complete. */
	void (*on_loaded)(struct vminfod *d);
};

#endif
