/* Filters, fields and sort keys over VM objects (vmadm.md 2.3, 2.4). */
#ifndef VM_FILTER_H
#define VM_FILTER_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "vm/properties.h"

/* All conditions must match (AND); a repeated key keeps the last. */
struct vm_filter;
void vm_filter_free(struct vm_filter *f);

/* Start with *f == NULL. Adds one "key=value" or "key=~regex" word (PCRE2, case-insensitive,
 * unanchored, match and depth limits). -EINVAL: `Invalid <kind> key: "<k>"` with kind "filter" or
 * "lookup", a bad pattern, or a word without '='. */
int vm_filter_add(struct vm_filter **f, const char *word, const char *kind, struct err *err);
/* NULL filter matches everything. A pattern that exceeds its limits on a value does not match. */
bool vm_filter_match(const struct vm_filter *f, const json_t *obj);
/* Call fn with the top-level members the filter needs. */
void vm_filter_fields(
    const struct vm_filter *f, void (*fn)(void *arg, const char *top_level), void *arg);

/* The value of a field as list shows it: text into `b` (nothing when absent, null, "" or false).
 * true for a value. */
bool vm_field_text(const struct prop_path *path, const json_t *obj, struct buf *b);
/* Borrowed value, NULL when absent ('*' gives the first element that has it). */
const json_t *vm_field_value(const struct prop_path *path, const json_t *obj);

/* Sort keys "+ram,-alias": numbers numerically, text by code unit, missing after present
 * (vmadm.md 2.3). */
struct vm_sort;
int vm_sort_parse(const char *keys, struct vm_sort **ret, struct err *err);
void vm_sort_free(struct vm_sort *s);
/* Sorts the array of borrowed objects in place; stable. */
void vm_sort_apply(const struct vm_sort *s, json_t **objs, unsigned n);
void
vm_sort_fields(const struct vm_sort *s, void (*fn)(void *arg, const char *top_level), void *arg);

#include "base/cleanup.h"
DEFINE_AUTO(vm_filter, struct vm_filter *, vm_filter_free)
DEFINE_AUTO(vm_sort, struct vm_sort *, vm_sort_free)

#endif
