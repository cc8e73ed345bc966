#include "vminfod/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"

struct entry {
	struct blob *blob[VIEW_COUNT];
};

/* Entries of positions first .. first + n - 1 stand at (position % cap); cap is a power of two. */
struct ring {
	struct entry *entries;
	unsigned cap, n;
	uint64_t first;
	size_t bytes, budget;
};

struct ring *
ring_new(size_t budget)
{
	struct ring *r = xcalloc(1, sizeof(*r));

	r->cap = 64;
	r->entries = xcalloc(r->cap, sizeof(*r->entries));
	r->budget = budget;
	return r;
}

static struct entry *
entry_at(const struct ring *r, uint64_t pos)
{
	return &r->entries[pos & (r->cap - 1)];
}

static size_t
entry_bytes(const struct entry *e)
{
	size_t bytes = sizeof(*e);
	unsigned i;

	for (i = 0; i < VIEW_COUNT; i++)
		bytes += e->blob[i] ? sizeof(*e->blob[i]) + e->blob[i]->len : 0;
	return bytes;
}

static void
drop_first(struct ring *r)
{
	struct entry *e = entry_at(r, r->first);
	unsigned i;

	r->bytes -= entry_bytes(e);
	for (i = 0; i < VIEW_COUNT; i++)
		blob_unref(e->blob[i]);
	memset(e, 0, sizeof(*e));
	r->first++;
	r->n--;
}

void
ring_free(struct ring *r)
{
	if (!r)
		return;
	while (r->n > 0)
		drop_first(r);
	free(r->entries);
	free(r);
}

static void
grow(struct ring *r)
{
	struct ring old = *r;
	unsigned i;

	r->cap = old.cap * 2;
	r->entries = xcalloc(r->cap, sizeof(*r->entries));
	for (i = 0; i < old.n; i++)
		*entry_at(r, old.first + i) = *entry_at(&old, old.first + i);
	free(old.entries);
}

static void
keep_budget(struct ring *r)
{
	while (r->bytes > r->budget && r->n > 1)
		drop_first(r);
}

void
ring_append(struct ring *r, struct blob *blobs[VIEW_COUNT])
{
	struct entry *e;

	if (r->n == r->cap)
		grow(r);
	e = entry_at(r, r->first + r->n);
	memcpy(e->blob, blobs, sizeof(e->blob));
	r->n++;
	r->bytes += entry_bytes(e);
	keep_budget(r);
}

void
ring_set_budget(struct ring *r, size_t budget)
{
	r->budget = budget;
	keep_budget(r);
}

uint64_t
ring_begin(const struct ring *r)
{
	return r->first;
}

uint64_t
ring_end(const struct ring *r)
{
	return r->first + r->n;
}

int
ring_next(const struct ring *r, enum view view, uint64_t *pos, struct blob **ret)
{
	if (*pos < r->first)
		return -EOVERFLOW;
	while (*pos < ring_end(r)) {
		const struct entry *e = entry_at(r, (*pos)++);

		if (e->blob[view]) {
			*ret = blob_ref(e->blob[view]);
			return 1;
		}
	}
	return 0;
}

size_t
ring_bytes(const struct ring *r)
{
	return r->bytes;
}

size_t
ring_budget(const struct ring *r)
{
	return r->budget;
}

unsigned
ring_events(const struct ring *r)
{
	return r->n;
}
