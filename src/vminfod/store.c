#include "vminfod/store.h"

#include <assert.h>
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"
#include "io/http_server.h"
#include "vm/diff.h"
#include "vm/properties.h"
#include "json/json.h"

#define EPOCH_LEN 12

struct store {
	char epoch[EPOCH_LEN + 1];
	uint64_t seq;
	struct store_vm **vms; /* owned, in the order in which they came */
	unsigned n, cap;
	void *by_uuid; /* tsearch tree of the same */
};

const char *const change_kind_names[CHANGE_KIND_COUNT] = {
	[CHANGE_NONE] = "none",
	[CHANGE_CREATE] = "create",
	[CHANGE_MODIFY] = "modify",
	[CHANGE_DELETE] = "delete",
};

static int
compare_uuid(const void *a, const void *b)
{
	return strcmp(((const struct store_vm *)a)->uuid, ((const struct store_vm *)b)->uuid);
}

struct store *
store_new(void)
{
	struct store *s = xcalloc(1, sizeof(*s));
	char uuid[UUID_LEN + 1];

	uuid_random(uuid);
	memcpy(s->epoch, uuid + UUID_LEN - EPOCH_LEN, EPOCH_LEN);
	return s;
}

static void
vm_free(struct store_vm *vm)
{
	blob_unref(vm->text);
	http_body_unref(vm->body);
	free(vm->members);
	free(vm);
}

static void
keep_node(void *node)
{
	(void)node;
}

void
store_free(struct store *s)
{
	unsigned i;

	if (!s)
		return;
	tdestroy(s->by_uuid, keep_node);
	for (i = 0; i < s->n; i++)
		vm_free(s->vms[i]);
	free(s->vms);
	free(s);
}

const char *
store_epoch(const struct store *s)
{
	return s->epoch;
}

uint64_t
store_seq(const struct store *s)
{
	return s->seq;
}

unsigned
store_count(const struct store *s)
{
	return s->n;
}

struct store_vm *
store_at(const struct store *s, unsigned index)
{
	assert(index < s->n);
	return s->vms[index];
}

struct store_vm *
store_find(const struct store *s, const char *uuid)
{
	struct store_vm key;
	struct store_vm **node;

	if (strlen(uuid) != UUID_LEN)
		return NULL;
	memcpy(key.uuid, uuid, sizeof(key.uuid));
	node = tfind(&key, &s->by_uuid, compare_uuid);
	return node ? *node : NULL;
}

json_t *
store_object(const struct store_vm *vm)
{
	json_t *object = json_parse(vm->text->data, vm->text->len, vm->uuid, NULL);

	assert(object); /* we wrote it */
	return object;
}

/* --- Commit --- */

static void
index_members(struct store_vm *vm)
{
	struct json_slice *slices = NULL;
	const struct prop *p;
	char name[64];
	unsigned i;

	free(vm->members);
	vm->n_members = json_slices(vm->text->data, vm->text->len, &slices);
	vm->members = xcalloc(vm->n_members ? vm->n_members : 1, sizeof(*vm->members));
	for (i = 0; i < vm->n_members; i++) {
		size_t len =
		    slices[i].key_len < sizeof(name) ? slices[i].key_len : sizeof(name) - 1;

		memcpy(name, vm->text->data + slices[i].key_off, len);
		name[len] = '\0';
		p = prop_find(name);
		vm->members[i] = (struct store_member){
			.key_off = slices[i].key_off,
			.val_off = slices[i].val_off & 0x3fffffffu,
			.secret = prop_is_secret(name),
			.map = p && p->type == PROP_MAP,
		};
	}
	free(slices);
}

/* Takes the text. */
static void
set_text(struct store_vm *vm, struct blob *text)
{
	blob_unref(vm->text);
	http_body_unref(vm->body);
	vm->body = NULL;
	vm->text = text;
	index_members(vm);
}

static struct store_vm *
insert(struct store *s, const char *uuid)
{
	struct store_vm *vm = xcalloc(1, sizeof(*vm));

	assert(strlen(uuid) == UUID_LEN);
	memcpy(vm->uuid, uuid, sizeof(vm->uuid));
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		s->vms = xreallocarray(s->vms, s->cap, sizeof(*s->vms));
	}
	vm->index = s->n;
	s->vms[s->n++] = vm;
	if (!tsearch(vm, &s->by_uuid, compare_uuid))
		abort();
	return vm;
}

static void
removed(struct store *s, struct store_vm *vm)
{
	unsigned i;

	(void)tdelete(vm, &s->by_uuid, compare_uuid);
	s->n--;
	for (i = vm->index; i < s->n; i++) {
		s->vms[i] = s->vms[i + 1];
		s->vms[i]->index = i;
	}
	vm_free(vm);
}

static void
commit_new(struct store *s, const char *uuid, struct blob *text, struct change *ret)
{
	struct store_vm *vm = insert(s, uuid);

	set_text(vm, text);
	vm->seq = ++s->seq;
	ret->kind = CHANGE_CREATE;
	ret->vm = vm;
	ret->first = vm->index;
	ret->text_replaced = true;
}

static void
commit_changed(struct store *s, struct store_vm *vm, struct blob *text, const json_t *object,
    struct change *ret)
{
	json_auto_t *old = NULL;

	ret->vm = vm;
	ret->first = vm->index;
	if (text->len == vm->text->len && memcmp(text->data, vm->text->data, text->len) == 0) {
		blob_unref(text);
		return;
	}
	old = store_object(vm);
	ret->changes = vm_diff(old, object);
	ret->text_replaced = true;
	set_text(vm, text);
	if (json_array_size(ret->changes) == 0) /* another order only */
		return;
	vm->seq = ++s->seq;
	ret->kind = CHANGE_MODIFY;
}

static void
commit_gone(struct store *s, struct store_vm *vm, struct change *ret)
{
	s->seq++;
	ret->kind = CHANGE_DELETE;
	ret->first = vm->index;
	ret->moved = true;
	ret->text_replaced = true;
	removed(s, vm);
}

void
store_commit(struct store *s, const char *uuid, const json_t *object, struct change *ret)
{
	struct store_vm *vm = store_find(s, uuid);
	auto_buf struct buf text = BUF_INIT;

	*ret = (struct change){ 0 };
	memcpy(ret->uuid, uuid, sizeof(ret->uuid));
	if (object) {
		json_write(&text, object, 0);
		if (vm)
			commit_changed(s, vm, blob_new(text.data, text.len), object, ret);
		else
			commit_new(s, uuid, blob_new(text.data, text.len), ret);
	} else if (vm) {
		commit_gone(s, vm, ret);
	}
	ret->seq = s->seq;
}

void
change_done(struct change *c)
{
	json_decref(c->changes);
	*c = (struct change){ 0 };
}

/* --- Parts of texts --- */

int
fields_parse(const char *list, struct fields *ret)
{
	struct fields f = { 0 };
	auto_strv char **words = strv_split(list, ',');
	unsigned i;

	for (i = 0; words[i]; i++) {
		if (*words[i] == '\0')
			continue;
		if (f.n == FIELDS_MAX) {
			fields_done(&f);
			return -E2BIG;
		}
		f.names = strv_push(f.names, xstrdup(words[i]));
		f.n++;
	}
	f.hint = xcalloc(f.n ? f.n : 1, sizeof(*f.hint));
	*ret = f;
	return 0;
}

void
fields_done(struct fields *f)
{
	strv_free(f->names);
	free(f->hint);
	*f = (struct fields){ 0 };
}

static bool
member_is(const struct store_vm *vm, unsigned i, const char *name, size_t len)
{
	const struct store_member *m = &vm->members[i];

	/* The key ends two bytes ("\":") before the value. */
	return m->val_off - 2 - m->key_off == len &&
	       memcmp(vm->text->data + m->key_off, name, len) == 0;
}

/* Mark in `wanted` which members are picked. */
static void
pick(const struct store_vm *vm, struct fields *f, bool *wanted)
{
	unsigned i, k;

	for (k = 0; k < f->n; k++) {
		size_t len = strlen(f->names[k]);

		if (f->hint[k] < vm->n_members && member_is(vm, f->hint[k], f->names[k], len)) {
			wanted[f->hint[k]] = true;
			continue;
		}
		for (i = 0; i < vm->n_members && !member_is(vm, i, f->names[k], len); i++)
			;
		if (i < vm->n_members) {
			f->hint[k] = i;
			wanted[i] = true;
		}
	}
}

static void
add_member(const struct store_vm *vm, unsigned i, enum view view, struct buf *out)
{
	const struct store_member *m = &vm->members[i];
	const char *text = vm->text->data;
	size_t key = m->key_off - 1;
	size_t end = i + 1 < vm->n_members ? vm->members[i + 1].key_off - 2 : vm->text->len - 1;
	bool hide = view == VIEW_REDACTED && m->secret;

	if (hide && !m->map)
		return;
	if (out->data[out->len - 1] != '{')
		buf_addc(out, ',');
	if (hide) {
		buf_add(out, text + key, m->val_off - key);
		buf_adds(out, "{}");
	} else {
		buf_add(out, text + key, end - key);
	}
}

void
store_render(const struct store_vm *vm, enum view view, struct fields *f, struct buf *out)
{
	auto_free bool *wanted = NULL;
	unsigned i;

	if (!f && view == VIEW_FULL) {
		buf_add(out, vm->text->data, vm->text->len);
		return;
	}
	if (f) {
		wanted = xcalloc(vm->n_members ? vm->n_members : 1, sizeof(*wanted));
		pick(vm, f, wanted);
	}
	buf_addc(out, '{');
	for (i = 0; i < vm->n_members; i++) {
		if (!f || wanted[i])
			add_member(vm, i, view, out);
	}
	buf_addc(out, '}');
}
