/* GET /status (vminfod.md 4): what the daemon knows about itself. */
#ifndef VMINFOD_STATUS_H
#define VMINFOD_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct status;
struct vminfod;

struct status *status_new(void);
void status_free(struct status *s);

/* Something could not be read. The last five are kept. */
void status_refresh_error(struct status *s, const char *text);

/* A full scan that found differences. The last five are kept. */
#define REFRESH_LOG_CHANGES 100 /* VMs named per scan */
struct refresh {
	int64_t started_ns, ended_ns;
	json_t *vm_changes; /* array of {zonename, action[, changes]}; borrowed */
};
void status_refresh(struct status *s, const struct refresh *r);

/* The document. New reference. */
json_t *status_document(struct vminfod *d, bool full);

#endif
