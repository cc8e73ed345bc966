#include "vminfod/listing.h"

#include <assert.h>
#include <stdlib.h>

#include "base/xmalloc.h"
#include "io/http_server.h"

#define MIN_PER_PIECE 16

struct cached {
	struct piece *pieces[LISTING_PIECES]; /* NULL: to be made */
	struct snapshot *snapshot;            /* NULL: to be made */
	struct http_body *body;               /* NULL: to be made */
	unsigned unused;                      /* calls of listing_trim() since it was asked for */
};

struct listing {
	struct store *store;
	unsigned per_piece; /* VMs */
	struct cached views[VIEW_COUNT];
};

static void
piece_unref(struct piece *p)
{
	if (!p || --p->refs > 0)
		return;
	blob_unref(p->plain);
	blob_unref(p->escaped);
	free(p);
}

void
snapshot_unref(void *snapshot)
{
	struct snapshot *s = snapshot;
	unsigned i;

	if (!s || --s->refs > 0)
		return;
	for (i = 0; i < s->n; i++)
		piece_unref(s->pieces[i]);
	free(s);
}

struct snapshot *
snapshot_ref(struct snapshot *s)
{
	s->refs++;
	return s;
}

struct listing *
listing_new(struct store *s)
{
	struct listing *l = xcalloc(1, sizeof(*l));

	l->store = s;
	l->per_piece = MIN_PER_PIECE;
	return l;
}

static void
forget_whole(struct cached *c)
{
	snapshot_unref(c->snapshot);
	c->snapshot = NULL;
	http_body_unref(c->body);
	c->body = NULL;
}

static void
forget_pieces(struct cached *c, unsigned from, unsigned to)
{
	unsigned i;

	for (i = from; i < to; i++) {
		piece_unref(c->pieces[i]);
		c->pieces[i] = NULL;
	}
}

static void
forget_all(struct cached *c)
{
	forget_whole(c);
	forget_pieces(c, 0, LISTING_PIECES);
}

void
listing_free(struct listing *l)
{
	unsigned v;

	if (!l)
		return;
	for (v = 0; v < VIEW_COUNT; v++)
		forget_all(&l->views[v]);
	free(l);
}

/* The pieces grow with the number of VMs; that throws all of them away, but only at each doubling.
 */
static bool
regroup(struct listing *l)
{
	unsigned per = l->per_piece;

	while (store_count(l->store) > per * LISTING_PIECES)
		per *= 2;
	while (per > MIN_PER_PIECE && store_count(l->store) < per * LISTING_PIECES / 4)
		per /= 2;
	if (per == l->per_piece)
		return false;
	l->per_piece = per;
	return true;
}

void
listing_changed(struct listing *l, const struct change *c)
{
	bool all = regroup(l);
	unsigned v, first;

	if (!c->text_replaced)
		return;
	first = c->first / l->per_piece;
	for (v = 0; v < VIEW_COUNT; v++) {
		forget_whole(&l->views[v]);
		if (all)
			forget_all(&l->views[v]);
		else
			forget_pieces(&l->views[v], first, c->moved ? LISTING_PIECES : first + 1);
	}
}

static struct piece *
piece_new(const char *data, size_t len)
{
	struct piece *p = xcalloc(1, sizeof(*p));

	p->refs = 1;
	p->plain = blob_new(data, len);
	return p;
}

/* "[a,b" for the first, ",c,d" for the others. */
static struct piece *
make_piece(const struct listing *l, enum view view, unsigned i)
{
	unsigned k, end = (i + 1) * l->per_piece;
	auto_buf struct buf b = BUF_INIT;

	if (end > store_count(l->store))
		end = store_count(l->store);
	for (k = i * l->per_piece; k < end; k++) {
		buf_addc(&b, k == 0 ? '[' : ',');
		store_render(store_at(l->store, k), view, NULL, &b);
	}
	return piece_new(b.data, b.len);
}

static struct snapshot *
make_snapshot(struct listing *l, enum view view)
{
	struct snapshot *s = xcalloc(1, sizeof(*s));
	unsigned i, n = (store_count(l->store) + l->per_piece - 1) / l->per_piece;
	struct cached *c = &l->views[view];

	assert(n <= LISTING_PIECES);
	s->refs = 1;
	for (i = 0; i < n; i++) {
		if (!c->pieces[i])
			c->pieces[i] = make_piece(l, view, i);
		c->pieces[i]->refs++;
		s->pieces[s->n++] = c->pieces[i];
	}
	s->pieces[s->n++] = n > 0 ? piece_new("]", 1) : piece_new("[]", 2);
	for (i = 0; i < s->n; i++)
		s->len += s->pieces[i]->plain->len;
	return s;
}

struct snapshot *
listing_snapshot(struct listing *l, enum view view)
{
	struct cached *c = &l->views[view];

	c->unused = 0;
	if (!c->snapshot)
		c->snapshot = make_snapshot(l, view);
	return snapshot_ref(c->snapshot);
}

struct blob *
snapshot_escaped(struct snapshot *s, unsigned i)
{
	struct piece *p = s->pieces[i];

	if (!p->escaped) {
		auto_buf struct buf b = BUF_INIT;

		buf_add_json_string(&b, p->plain->data, p->plain->len);
		p->escaped = blob_new(b.data + 1, b.len - 2); /* without the quotes */
	}
	return blob_ref(p->escaped);
}

static struct http_body *
make_body(struct snapshot *s)
{
	struct http_piece pieces[LISTING_PIECES + 1];
	unsigned i;

	for (i = 0; i < s->n; i++)
		pieces[i] =
		    (struct http_piece){ s->pieces[i]->plain->data, s->pieces[i]->plain->len };
	return http_body_pieces(pieces, s->n, snapshot_unref, snapshot_ref(s));
}

struct http_body *
listing_body(struct listing *l, enum view view)
{
	struct cached *c = &l->views[view];

	if (!c->body) {
		struct snapshot *s = listing_snapshot(l, view);

		c->body = make_body(s);
		snapshot_unref(s);
	}
	c->unused = 0;
	return c->body;
}

static void
forget_escaped(struct cached *c)
{
	unsigned i;

	for (i = 0; i < LISTING_PIECES; i++) {
		if (!c->pieces[i])
			continue;
		blob_unref(c->pieces[i]->escaped);
		c->pieces[i]->escaped = NULL;
	}
}

void
listing_trim(struct listing *l)
{
	unsigned v;

	for (v = 0; v < VIEW_COUNT; v++) {
		struct cached *c = &l->views[v];

		if (c->unused++ == 0)
			continue;
		forget_escaped(c);
		forget_all(c);
	}
}
