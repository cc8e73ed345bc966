/*
 * /etc/vmnode/vmnode.conf (INI). ONE table of keys (conf.c): section, key, type, default, limits, a
 * sentence of help. Absent file: defaults. An unknown key or a bad value is an error naming file
 * and line. Values are read after conf_load().
 */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Load from the logical path PATH_CONF below the root. 0 or negative errno. May be called again
 * (SIGHUP): all or nothing. */
int conf_load(struct err *err);

/* The name must be in the table and of that type (asserted). */
const char *conf_str(const char *section_dot_key); /* borrowed until the next conf_load */
int64_t conf_int(const char *section_dot_key);
bool conf_bool(const char *section_dot_key);

/* One row, for documentation and checks. */
enum conf_type { CONF_STRING, CONF_INT, CONF_BOOL };
struct conf_key {
	const char *name; /* "vminfod.port" */
	enum conf_type type;
	const char *def;     /* default as text */
	int64_t min, max;    /* CONF_INT */
	const char *choices; /* CONF_STRING: "auto|kvm|tcg"; NULL: any text */
	const char *help;
};
extern const struct conf_key conf_keys[]; /* the list of all keys is in conf.c */
extern const unsigned conf_keys_len;

#endif
