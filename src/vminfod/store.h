/*
 * Every VM as text. The store keeps per VM the serialised object, where its top-level members stand
 * in it, and the number of the commit that last changed it. Reading never parses: projections and
 * the redacted view are copies of parts of the text. The old object of a diff is parsed back from
 * the text.
 */
#ifndef VMINFOD_STORE_H
#define VMINFOD_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "vminfod/blob.h"
#include "vminfod/view.h"

struct http_body;

/* Where a member stands: "key": from key_off (behind the quote), its value from val_off up to the
 * next member's comma. */
struct store_member {
	uint32_t key_off;
	uint32_t val_off : 30;
	uint32_t secret : 1; /* not in the redacted view */
	uint32_t map : 1;    /* but shown empty there */
};

struct store_vm {
	char uuid[UUID_LEN + 1];
	unsigned index;               /* position in the list of all */
	uint64_t seq;                 /* of its last commit */
	struct blob *text;            /* owned reference */
	struct store_member *members; /* owned */
	unsigned n_members;
	struct http_body
	    *body; /* whole text as an answer, made when first asked for; owned reference */
};

struct store;

struct store *store_new(void);
void store_free(struct store *s);

/* Names the life of the store: 12 hex digits, different after each start. */
const char *store_epoch(const struct store *s);
uint64_t store_seq(const struct store *s);
/* In the order in which they came. */
unsigned store_count(const struct store *s);
struct store_vm *store_at(const struct store *s, unsigned index);
struct store_vm *store_find(const struct store *s, const char *uuid);
/* The object, parsed back. New reference. */
json_t *store_object(const struct store_vm *vm);

/* What a commit did. */
enum change_kind { CHANGE_NONE, CHANGE_CREATE, CHANGE_MODIFY, CHANGE_DELETE, CHANGE_KIND_COUNT };
extern const char *const change_kind_names[CHANGE_KIND_COUNT];
struct change {
	enum change_kind kind;
	uint64_t seq;
	char uuid[UUID_LEN + 1];
	const struct store_vm *vm; /* borrowed until the next commit; NULL: deleted */
	json_t *changes;           /* CHANGE_MODIFY: owned */
	/* Positions in the list whose text is another one now: from first on, `moved`: and all
	 * behind it. */
	unsigned first;
	bool moved, text_replaced;
};
void change_done(struct change *c);

/* Put the object of a VM (NULL: it is gone) and say what changed. Every change takes one seq; an
 * empty difference takes none, but the text is replaced if it is another one. */
void store_commit(struct store *s, const char *uuid, const json_t *object, struct change *ret);

/* --- Parts of texts --- */

#define FIELDS_MAX 128
/* Top-level names to pick. */
struct fields {
	char **names; /* owned vector */
	unsigned n;
	unsigned *hint; /* owned; where each name was found last: objects are alike */
};
/* From "a,b,c": empty names are left out, more than FIELDS_MAX are an error (-E2BIG). */
int fields_parse(const char *list, struct fields *ret);
void fields_done(struct fields *f);

/* Append the object as this view sees it, with only these members (NULL: all) in the object's own
 * order. */
void store_render(const struct store_vm *vm, enum view view, struct fields *f, struct buf *out);

#endif
