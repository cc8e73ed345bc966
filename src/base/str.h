/* Strings: strict conversions and small helpers. Nothing here allocates unless its comment says so.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static inline const char *
str_or_empty(const char *s)
{
	return s ? s : "";
}

bool str_eq(const char *a, const char *b); /* NULL equals NULL only */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* `s` is one of the NULL-terminated list. */
bool str_in(const char *s, const char *const *list);

/* Whole string, decimal (or 0x hex when `hex`), within min..max. 0; -EINVAL not a number; -ERANGE
 * outside. */
int str_to_int(const char *s, bool hex, int64_t min, int64_t max, int64_t *ret);

/* A NULL-terminated vector of owned strings. */
char **strv_split(const char *s, char sep); /* "" gives an empty vector; allocated */
size_t strv_len(char *const *v);
void strv_free(char **v);
/* Append an owned string; returns the (possibly moved) vector. `v` may be NULL. */
char **strv_push(char **v, char *owned);
char *strv_join(char *const *v, const char *sep); /* allocated */

static inline void
auto_strv_(char ***v)
{
	strv_free(*v);
}
#define auto_strv __attribute__((cleanup(auto_strv_)))

bool utf8_valid(const char *s, size_t len);
/* Bytes (1 to 4) of the well-formed sequence `s` begins with; 0 when it begins with none. */
size_t utf8_sequence(const char *s, size_t len);

/* Standard alphabet with padding (RFC 4648). Allocated, NUL-terminated. */
char *base64_encode(const void *data, size_t len);
/* Lenient: ignores characters outside the alphabet, accepts the url-safe ones. Allocated,
 * NUL-terminated; *ret_len may be NULL. */
char *base64_decode(const char *s, size_t *ret_len);

/* Shell-like words without expansion: quotes and backslash only. Allocated; NULL on an open quote,
 * newline. */
char **words_split(const char *s);

#define UUID_LEN 36
/* Lower-case 8-4-4-4-12 hex, exactly. */
bool uuid_valid(const char *s);
/* 36 characters with '-' at offsets 8, 13, 18, 23, nothing else checked (vmadm.md 1.3). */
bool uuid_shaped(const char *s);
/* Random version 4. `ret` has room for 37 bytes. */
void uuid_random(char ret[UUID_LEN + 1]);
/* Make text fit for a terminal, in place: each byte of a control character (C0, DEL, C1) becomes
 * '?'. */
void str_hide_controls(char *text, size_t len);

#endif
