/* Ending a VM's processes. Both calls need no lock: the monitor is the one that ends a hypervisor
 * and records why. */
#ifndef OPS_HALT_H
#define OPS_HALT_H

#include "ops/context.h"
#include "ops/stored.h"

/*
 * ACPI power button, and force at the deadline (the monitor keeps it). Returns when the processes
 * are gone. -EINTR when we were interrupted: the stop goes on without us. Nothing running is
 * success.
 */
int halt_graceful(struct job *j, int64_t timeout_ms, struct err *err);
/* Now. A monitor that does not answer is killed together with the hypervisor. -EBUSY when a process
 * cannot be killed. */
int halt_force(struct job *j, struct err *err);

/* Start a monitor for a hypervisor that lost its own, or to record the end of both. */
int halt_adopt(struct job *j, struct err *err);

/* When neither process of the run state is there: halt_adopt(), so that vm_processes() tells the
 * truth even after a monitor was killed while it started the hypervisor. */
void halt_settle_lost(struct job *j);

/* The monitor of a VM that was halted ends by itself; one that lingers is killed (it would write
 * into what is about to be removed). */
void halt_end_monitor(const struct vm_processes *p);

/* Wait until the monitor has written its verdict about a hypervisor that is gone, at most
 * timeout_ms. */
void halt_wait_verdict(const struct vm_processes *p, int64_t timeout_ms);

#endif
