/*
 * The full scan: compares the stamps of every VM's files and loads what differs, what is too young
 * to be told apart, and a rotating sixteenth of the rest. It is what makes a lost event cost time
 * only. Runs in steps, in the slices of the load queue.
 */
#ifndef VMINFOD_SCAN_H
#define VMINFOD_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct scan;
struct vminfod;

struct scan *scan_new(struct vminfod *d);
void scan_close(struct scan *s);
void scan_free(struct scan *s);

/* Time from the end of a scan to the start of the next. */
void scan_set_interval(struct scan *s, int64_t seconds);
/* Begin a scan as soon as possible; one that is running is not joined. */
void scan_request(struct scan *s);
/* The first one: everything is new. */
void scan_boot(struct scan *s);

/* A sync request for everything: `done` is called after a scan that began after the request. Such a
 * scan compares stamps only. */
struct scan_waiter {
	TAILQ_ENTRY(scan_waiter) entry;
	void (*done)(struct scan_waiter *w);
	bool running; /* internal: waits for the scan that is under way */
};
void scan_wait(struct scan *s, struct scan_waiter *w);
void scan_cancel(struct scan *s, struct scan_waiter *w);

/* Look at one VM. false: there is nothing to do. */
bool scan_step(struct scan *s);

/* When the last one ended (monotonic ns); 0: none has. */
int64_t scan_ended_ns(const struct scan *s);

#endif
