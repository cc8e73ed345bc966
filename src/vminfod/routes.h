/* The HTTP interface (vminfod.md 3): one table of endpoints. Read-only, answered from memory; only
 * sync=1 waits for a load. */
#ifndef VMINFOD_ROUTES_H
#define VMINFOD_ROUTES_H

struct http_request;
struct vminfod;

/* Handler of the HTTP server; `arg` is the struct vminfod. */
void routes_handle(void *arg, struct http_request *r);

#endif
