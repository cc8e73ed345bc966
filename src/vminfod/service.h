/* The little a daemon tells its service manager and its host. */
#ifndef VMINFOD_SERVICE_H
#define VMINFOD_SERVICE_H

#include "base/err.h"

/* sd_notify(3): one datagram to $NOTIFY_SOCKET; nothing without it. */
void service_notify(const char *state);
/* As many descriptors as the host lets us have: listeners, connections, one or two per running VM.
 * Returns the limit. */
unsigned service_raise_nofile(void);
/* Write or (port < 0) remove /run/vmnode/vminfod.port, one decimal line. */
int service_write_port(int port, struct err *err);

#endif
