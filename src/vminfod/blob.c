#include "vminfod/blob.h"

#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"

struct blob *
blob_new(const void *data, size_t len)
{
	struct blob *b = xmalloc(sizeof(*b) + len);

	b->refs = 1;
	b->len = len;
	memcpy(b->data, data, len);
	return b;
}

struct blob *
blob_ref(struct blob *b)
{
	b->refs++;
	return b;
}

void
blob_unref(void *blob)
{
	struct blob *b = blob;

	if (b && --b->refs == 0)
		free(b);
}
