/*
 * Client of a vm-monitor's control socket /run/vmnode/zones/<uuid>.sock, for commands (blocking)
 * that change a VM. One JSON object per line each way. Requests:
 * {"verb":"stop","mode":"acpi|force","timeout_ms":180000,"reason":"user","program":"vmadm"},
 * {"verb":"status"},
 * {"verb":"policy","restart":"never"}, {"verb":"release"},
 * {"verb":"qmp","command":"...","arguments":{}}, {"verb":"reexec"}. Answers: {"ok":true,...} or
 * {"ok":false,"error":"<sentence>","code":"EINVAL"}; stop answers at once with
 * {"ok":true,"accepted":true} and again,
 * {"ok":true,"stopped":true,"cause":"..."}, when the process is gone and its exit is recorded.
 */
#ifndef VMM_MONITOR_H
#define VMM_MONITOR_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"

struct monitor_conn;
int monitor_connect(const char *uuid, struct monitor_conn **ret,
    struct err *err); /* -ENOENT, -ECONNREFUSED: no monitor */
void monitor_close(struct monitor_conn *c);
/* Send and wait for one answer. *ret: new reference. An {"ok":false} answer becomes an error with
 * its sentence. timeout_ms -1: none. */
int monitor_ask(struct monitor_conn *c, json_t *owned_request, int64_t timeout_ms, json_t **ret,
    struct err *err);
/* Wait for one more answer on the connection. */
int monitor_next(struct monitor_conn *c, int64_t timeout_ms, json_t **ret, struct err *err);

/* Start vm-monitor for the VM and wait until the hypervisor runs (or why not). `order` may be NULL.
 * `adopt`: take over a hypervisor whose monitor is gone. Source: design.md section 3. */
struct monitor_start {
	const char *uuid;
	const char *order;
	const char *reason, *by;
	int adopt;
	int64_t timeout_ms;
};
int monitor_spawn(const struct monitor_start *s, struct err *err);

#endif
