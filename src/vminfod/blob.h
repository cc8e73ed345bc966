/* Reference-counted immutable bytes: texts of VMs, pieces of lists, events. One thread. */
#ifndef VMINFOD_BLOB_H
#define VMINFOD_BLOB_H

#include <stddef.h>

#include "base/cleanup.h"

struct blob {
	unsigned refs;
	size_t len;
	char data[];
};

struct blob *blob_new(const void *data, size_t len);
struct blob *blob_ref(struct blob *b);
/* NULL is fine. void *, so that it can be given to those who release bytes later. */
void blob_unref(void *blob);

static inline void
blob_release(struct blob *b)
{
	blob_unref(b);
}
DEFINE_AUTO(blob, struct blob *, blob_release)

#endif
