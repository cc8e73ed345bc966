#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"

static struct {
	const char *name;
	enum log_level level;
	int fd;      /* -1: stderr */
	int file_fd; /* VMNODE_LOG_FILE, owned; -1 */
	char hostname[HOST_NAME_MAX + 1];
} state = { .name = "vmnode", .level = LOG_INFO, .fd = -1, .file_fd = -1 };

static const struct {
	const char *name;
	enum log_level level;
} levels[] = {
	{ "trace", LOG_TRACE },
	{ "debug", LOG_DEBUG },
	{ "info", LOG_INFO },
	{ "warn", LOG_WARN },
	{ "error", LOG_ERROR },
	{ "fatal", LOG_FATAL },
};

int
log_level_parse(const char *s, enum log_level *ret)
{
	int64_t number = -1;

	(void)str_to_int(s, false, LOG_TRACE, LOG_FATAL, &number);
	for (unsigned i = 0; i < ARRAY_LEN(levels); i++) {
		if (strcasecmp(s, levels[i].name) != 0 && number != levels[i].level)
			continue;
		*ret = levels[i].level;
		return 0;
	}
	return -EINVAL;
}

static void
open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	int code = errno;

	if (state.file_fd >= 0)
		(void)close(state.file_fd);
	state.file_fd = state.fd = fd;
	if (fd < 0)
		log_warn("cannot open VMNODE_LOG_FILE, logging to stderr", LS("file", path),
		    LS("reason", strerrordesc_np(code)));
}

void
log_init(const char *name, enum log_level level)
{
	const char *wanted = getenv("VMNODE_LOG_LEVEL"), *file = getenv("VMNODE_LOG_FILE");

	state.name = name;
	state.level = level;
	if (gethostname(state.hostname, sizeof(state.hostname) - 1) < 0)
		state.hostname[0] = '\0';
	if (file && *file)
		open_file(file);
	if (wanted && *wanted && log_level_parse(wanted, &state.level) < 0)
		log_warn("ignoring an unknown VMNODE_LOG_LEVEL", LS("value", wanted));
}

bool
log_enabled(enum log_level level)
{
	return level >= state.level;
}

void
log_set_fd(int fd)
{
	state.fd = fd;
}

static void
add_string(struct buf *b, const char *s)
{
	if (s)
		buf_add_json_string(b, s, strlen(s));
	else
		buf_adds(b, "null");
}

static void
add_member(struct buf *b, const char *name, const char *s)
{
	if (b->data[b->len - 1] != '{')
		buf_addc(b, ',');
	add_string(b, name);
	buf_addc(b, ':');
	add_string(b, s);
}

static void
add_err(struct buf *b, const struct err *err)
{
	const char *code;

	if (!err) {
		buf_adds(b, "null");
		return;
	}
	code = err->code < 0 ? strerrorname_np(-err->code) : NULL;
	buf_addc(b, '{');
	add_member(b, "message", err->msg);
	add_member(b, "code", code);
	if (*err->what)
		add_member(b, "what", err->what);
	buf_addc(b, '}');
}

static void
add_field(struct buf *b, const struct log_field *f)
{
	buf_addc(b, ',');
	add_string(b, f->name);
	buf_addc(b, ':');
	switch (f->type) {
	case LOG_FIELD_STRING:
		add_string(b, f->s);
		break;
	case LOG_FIELD_INT:
		buf_addf(b, "%lld", (long long)f->i);
		break;
	case LOG_FIELD_BOOL:
		buf_adds(b, f->i ? "true" : "false");
		break;
	case LOG_FIELD_JSON:
		buf_adds(b, f->s ? f->s : "null");
		break;
	case LOG_FIELD_ERR:
		add_err(b, f->err);
		break;
	}
}

void
log_write(enum log_level level, const char *msg, const struct log_field *fields, unsigned n)
{
	int fd = state.fd >= 0 ? state.fd : STDERR_FILENO, saved_errno = errno;
	struct buf b auto_buf = BUF_INIT;
	char time[ISO8601_SIZE];
	ssize_t r;

	buf_adds(&b, "{");
	add_member(&b, "name", state.name);
	add_member(&b, "hostname", state.hostname);
	buf_addf(&b, ",\"pid\":%ld,\"level\":%d", (long)getpid(), (int)level);
	for (unsigned i = 0; i < n; i++)
		add_field(&b, &fields[i]);
	add_member(&b, "msg", msg);
	add_member(&b, "time", iso8601_format(clock_wall_ms(), time));
	buf_adds(&b, ",\"v\":0}\n");
	do
		r = write(fd, b.data,
		    b.len); /* one line, one write; a log that takes nothing stops nobody */
	while (r < 0 && errno == EINTR);
	errno = saved_errno;
}
