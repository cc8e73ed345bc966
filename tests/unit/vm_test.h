/* JSON literals with single quotes, and comparisons that show both texts. */
#ifndef VM_TEST_H
#define VM_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "json/json.h"

/* J("{'a':1}"); new reference. */
static inline json_t *
J(const char *text)
{
	auto_free char *json = xstrdup(text);
	struct err err = { 0 };
	json_t *v;

	for (char *c = json; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	v = json_parse(json, strlen(json), "literal", &err);
	if (!v)
		fail_msg("%s in %s", err.msg, text);
	return v;
}

/* Same members and values; order of object members does not count. `name` says which case. */
static inline void
assert_json(const char *name, const json_t *got, const char *want)
{
	json_auto_t *wanted = J(want);
	auto_free char *text = json_text(got);

	if (!json_equal(got, wanted))
		fail_msg("%s: got %s, want %s", name, text, want);
}

/* Exactly this text. */
static inline void
assert_json_text(const char *name, const json_t *got, const char *want)
{
	auto_free char *text = json_text(got);
	auto_free char *wanted = xstrdup(want);

	for (char *c = wanted; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	if (!str_eq(text, wanted))
		fail_msg("%s: got %s, want %s", name, text, wanted);
}

static inline int
setup_json(void **state)
{
	json_setup();
	return 0;
}

#endif
