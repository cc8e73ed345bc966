/*
 * What commands do, step by step. One operation is one short-lived process: vmadm. It holds the
 * locks and writes the journal; a killed one leaves a VM that `get` describes and `delete` removes,
 * and the next operation on that VM finishes or undoes what it left (design.md, "Operations are
 * processes"). Order and messages: vm-lifecycle.md 3, 5, 7; vmadm.md 2.
 */
#ifndef OPS_OPS_H
#define OPS_OPS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vminfo.h"

struct op {
	struct vminfo *info;     /* borrowed; read-after-write goes through it */
	const char *by, *reason; /* who asked and why; NULL: this uid, "user" */
	/* Other VMs as an array of objects (uuid, state, zone_state, nics, vnc_port ...) for
	 * conflict checks; new reference. */
	int (*others)(void *arg, json_t **ret, struct err *err);
	/* Read-after-write: the VM as every reader sees it from now on. -ENOENT when it is gone. */
	int (*settle)(void *arg, const char *uuid, json_t **ret, struct err *err);
	void *arg;
};

/* autoboot is changed only by a user's own start or stop. */
bool op_is_users(const struct op *op);

/* payload borrowed. ret_uuid: 37 bytes, set as soon as it is known. Boots unless autoboot is false.
 */
int op_create(struct op *op, const json_t *payload, char ret_uuid[37], struct err *err);
/* *ret_boot (may be NULL): array of names of changed properties that wait for the next boot; new
 * reference. */
int op_update(
    struct op *op, const char *uuid, const json_t *payload, json_t **ret_boot, struct err *err);
/* order: NULL or "order=..." text. -EALREADY: already running (sentence set). */
int op_start(struct op *op, const char *uuid, const char *order, struct err *err);
/* -EALREADY: `VM <uuid> is already not 'running' (currently: <state>)`. timeout_s 0: 180. */
int op_stop(struct op *op, const char *uuid, bool force, int64_t timeout_s, struct err *err);
int op_delete(struct op *op, const char *uuid, struct err *err);

#endif
