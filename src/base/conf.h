/*
 * /etc/vmnode/vmnode.conf (INI). ONE table of keys (conf.c): section, key, type, default, limits, a sentence of help. Absent
 * file: defaults. An unknown key or a bad value is an error naming file and line. Values are read after conf_load().
 */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Load from the logical path PATH_CONF below the root. 0 or negative errno. May be called again (SIGHUP): all or nothing. */
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
	const char *def;  /* default as text */
	int64_t min, max; /* CONF_INT */
	const char *choices; /* CONF_STRING: "auto|kvm|tcg"; NULL: any text */
	const char *help;
};
extern const struct conf_key conf_keys[];
extern const unsigned conf_keys_len;

/*
 * Keys of this slice:
 *   vminfod.port 9090 | vminfod.bind 127.0.0.1 | vminfod.scan_interval 300 (s) | vminfod.ring_bytes 67108864
 *   vminfod.write_deadline 30 (s) | vminfod.max_listeners 1000
 *   vm.accel auto (auto, kvm, tcg) | vm.uid_base 100000 | vm.uid_size 65536 | vm.uid_registry /var/lib/vmnode/uids (host path)
 *   vm.qemu "" (program; empty: qemu-system-<arch> in PATH) | vm.console_log_bytes 1048576 | vm.console_log_files 4
 *   vm.restart_delay 1 (s, first back-off) | vm.restart_budget 4 | vm.restart_window 60 (s)
 *   vm.group vmnode (group that may read everything)
 */

#endif
