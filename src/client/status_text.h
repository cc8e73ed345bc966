/* The text form of vminfod's /status document (vminfod.md 14). */
#ifndef CLIENT_STATUS_TEXT_H
#define CLIENT_STATUS_TEXT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"

/* full: also the members that only /status?full has. A member that is missing prints as "-". */
void status_text(const json_t *status, bool full, struct buf *out);

#endif
