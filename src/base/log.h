/*
 * One JSON object per line, one write(2) per line, on stderr (or VMNODE_LOG_FILE). Fields as bunyan
 * has them: name, hostname, pid, level (10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal),
 * named fields, msg, time, v. `msg` is constant text; values are fields: log_info("vm started",
 * LS("uuid", uuid), LI("pid", pid)). Secrets are never logged.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum log_level {
	LOG_TRACE = 10,
	LOG_DEBUG = 20,
	LOG_INFO = 30,
	LOG_WARN = 40,
	LOG_ERROR = 50,
	LOG_FATAL = 60
};

enum log_field_type {
	LOG_FIELD_STRING,
	LOG_FIELD_INT,
	LOG_FIELD_BOOL,
	LOG_FIELD_JSON,
	LOG_FIELD_ERR
};

struct log_field {
	const char *name;
	enum log_field_type type;
	const char *s; /* STRING: text, NULL is written as null; JSON: text that is already JSON */
	int64_t i;
	const struct err *err;
};

#define LS(n, v) ((struct log_field){ .name = (n), .type = LOG_FIELD_STRING, .s = (v) })
#define LI(n, v) ((struct log_field){ .name = (n), .type = LOG_FIELD_INT, .i = (int64_t)(v) })
#define LB(n, v) ((struct log_field){ .name = (n), .type = LOG_FIELD_BOOL, .i = (v) })
#define LJ(n, v) ((struct log_field){ .name = (n), .type = LOG_FIELD_JSON, .s = (v) })
/* {"message": ..., "code": "ENOENT", "what": ...} */
#define LE(v) ((struct log_field){ .name = "err", .type = LOG_FIELD_ERR, .err = (v) })

/*
 * `name` is borrowed for ever. Level from VMNODE_LOG_LEVEL (name or number) if set, else `level`;
 * lines go to VMNODE_LOG_FILE if set, else to stderr.
 */
void log_init(const char *name, enum log_level level);
bool log_enabled(enum log_level level);
/* Where lines go; -1 is stderr again. The descriptor is borrowed. */
void log_set_fd(int fd);
void log_write(enum log_level level, const char *msg, const struct log_field *fields, unsigned n);
/* -EINVAL for an unknown name. */
int log_level_parse(const char *s, enum log_level *ret);

#define log_at(level, msg, ...)                                                                    \
	do {                                                                                       \
		if (log_enabled(level)) {                                                          \
			const struct log_field log_f_[] = { { 0 }, ##__VA_ARGS__ };                \
			log_write(level, msg, log_f_ + 1, sizeof(log_f_) / sizeof(log_f_[0]) - 1); \
		}                                                                                  \
	} while (0)

#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_at(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_fatal(...) log_at(LOG_FATAL, __VA_ARGS__)

#endif
