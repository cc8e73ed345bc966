/*
 * What vmnode adds to jansson. json_setup() makes jansson use xmalloc, so jansson calls cannot fail
 * for memory. Texts are strict JSON in UTF-8, no duplicate members.
 */
#ifndef JSON_JSON_H
#define JSON_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

void json_setup(void);

/* `json_auto_t *x` is jansson's own cleanup. */

/* Strict parse of exactly one value. NULL and a sentence with line and column. `what` names the
 * source in the sentence. At most 2048 levels (jansson's bound); the length is the
 * caller's affair. The sentence quotes nothing of the text but a duplicate name. */
json_t *json_parse(const char *text, size_t len, const char *what, struct err *err);

/* Append as text: indent 0 = compact (no white space), else that many spaces per level. Integers
 * exact; other numbers in the shortest form that reads back equal, as JavaScript prints them.
 * Member order is kept. */
void json_write(struct buf *b, const json_t *v, int indent);
char *json_text(const json_t *v); /* compact; allocated */

/* Members of objects; NULL / default when absent or of another type. Strings are borrowed. */
const char *json_member_str(const json_t *obj, const char *key);
int64_t json_member_int(const json_t *obj, const char *key, int64_t def);
bool json_member_bool(const json_t *obj, const char *key, bool def);

/* Setters that take plain C values. NULL string: does nothing. */
void json_put(json_t *obj, const char *key, json_t *owned);
void json_put_str(json_t *obj, const char *key, const char *s);
void json_put_int(json_t *obj, const char *key, int64_t i);
void json_put_bool(json_t *obj, const char *key, bool b);
/* A double that is a whole number below 2^53 becomes an integer. */
json_t *json_number(double d);

/* --- Slices: find top-level members in compact text without parsing it (the read path never
 * parses). --- */

struct json_slice {
	uint32_t key_off, key_len; /* without quotes, as written (escapes not resolved) */
	uint32_t val_off, val_len;
};
/* Index the members of one compact object that json_write made. Returns the number of members; *ret
 * is allocated. */
unsigned json_slices(const char *text, size_t len, struct json_slice **ret);

#endif
