#include "host/exit_ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/own.h"
#include "base/paths.h"
#include "json/json.h"

#define LEDGER_FILE "exits.jsonl"
#define LEDGER_MAX  (1u << 20) /* bytes after which the older half goes */
#define READ_MAX    (4u << 20) /* bytes of a file that somebody else made larger */
#define TEXT_MAX    4096       /* bytes of one text within a record */

const struct exit_cause_row exit_causes[EXIT_CAUSE_COUNT] = {
	[EXIT_GUEST_POWEROFF] = { "guest_poweroff", "The guest switched itself off." },
	[EXIT_GUEST_RESET] = { "guest_reset", "The guest reset itself and the process ended." },
	[EXIT_PANIC] = { "panic", "The guest reported a panic of its kernel." },
	[EXIT_REQUESTED_STOP] = { "requested_stop", "A stop was asked for and the guest obeyed." },
	[EXIT_FORCED_STOP] = { "forced_stop", "A forced stop was asked for." },
	[EXIT_DEADLINE_FORCE] = { "deadline_force",
	    "The guest did not stop in time and was forced." },
	[EXIT_HOST_SHUTDOWN] = { "host_shutdown", "The host was shut down." },
	[EXIT_SIGNAL] = { "signal", "The hypervisor was killed by a signal from outside." },
	[EXIT_OUT_OF_MEMORY] = { "out_of_memory", "The kernel killed the hypervisor for memory." },
	[EXIT_HYPERVISOR_FAILURE] = { "hypervisor_failure",
	    "The hypervisor failed or did not start." },
	[EXIT_MONITOR_LOST] = { "monitor_lost", "The monitor was gone and the exit was missed." },
};

static void
add_text(struct buf *b, const char *key, const char *s)
{
	if (!s)
		return;
	buf_addf(b, ",\"%s\":", key);
	buf_add_json_string(b, s, strnlen(s, TEXT_MAX));
}

static void
add_date(struct buf *b, const char *key, int64_t ms)
{
	char date[ISO8601_SIZE];

	buf_addf(b, "\"%s\":\"%s\"", key, iso8601_format(ms, date));
}

/* Texts come from hypervisors and users and may be any bytes, so the line is written here and not
 * by the JSON library. */
static void
add_record(struct buf *b, const struct exit_record *r)
{
	buf_addc(b, '{');
	add_date(b, "date", r->time_ms);
	buf_addf(b, ",\"cause\":\"%s\",\"status\":%d,\"pid\":%lld", exit_causes[r->cause].name,
	    r->status, (long long)r->pid);
	if (r->boot_time_ms > 0) {
		buf_addc(b, ',');
		add_date(b, "boot_date", r->boot_time_ms);
	}
	if (r->by_uid >= 0 || r->by_pid >= 0 || r->by_program) {
		buf_addf(b, ",\"by\":{\"uid\":%lld,\"pid\":%lld", (long long)r->by_uid,
		    (long long)r->by_pid);
		add_text(b, "program", r->by_program);
		buf_addc(b, '}');
	}
	add_text(b, "reason", r->reason);
	add_text(b, "detail", r->detail);
	buf_adds(b, "}\n");
}

/* Length without a half-written last line. */
static size_t
whole_lines(const struct buf *text)
{
	const char *end = text->len > 0 ? memrchr(text->data, '\n', text->len) : NULL;

	return end ? (size_t)(end - text->data) + 1 : 0;
}

/* Offset of the first line that begins in the newer half. */
static size_t
newer_half(const char *text, size_t len)
{
	const char *end = len > 1 ? memchr(text + len / 2, '\n', len - len / 2) : NULL;

	return end ? (size_t)(end - text) + 1 : len;
}

static int
read_ledger(const char *host, struct buf *text, struct err *err)
{
	int r = fs_read(host, READ_MAX, text, NULL, err);

	return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}

/* Plain appending does: the file ends with a whole line and stays within the limit. */
static int
is_appendable(const char *host, size_t extra, bool *ret, struct err *err)
{
	struct fs_stamp stamp;
	int r = fs_stat(host, &stamp);
	char last;

	if (r < 0)
		return err_errno(err, r, LEDGER_FILE, "cannot look at the file");
	*ret = true;
	if (stamp.ino == 0 || stamp.size == 0)
		return 0;
	auto_close int fd = open(host, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || pread(fd, &last, 1, stamp.size - 1) < 0)
		return err_errno(err, -errno, LEDGER_FILE, "cannot read the file");
	*ret = last == '\n' && (uint64_t)stamp.size + extra <= LEDGER_MAX;
	return 0;
}

int
exit_ledger_append(const char *zonepath, const struct exit_record *r, struct err *err)
{
	auto_free char *host = path_hostf("%s/" LEDGER_FILE, zonepath);
	struct fs_owner owner = own_of(OWN_LEDGER, (uid_t)-1);
	auto_buf struct buf line = BUF_INIT;
	auto_buf struct buf text = BUF_INIT;
	bool appendable;

	add_record(&line, r);
	int rc = is_appendable(host, line.len, &appendable, err);
	if (rc < 0)
		return rc;
	if (appendable)
		return fs_append(host, line.data, line.len, &owner, err);

	rc = read_ledger(host, &text, err);
	/* Somebody made it huge: history is worth less than recording this exit. */
	if (rc < 0 && rc != -EFBIG)
		return rc;
	if (rc == -EFBIG)
		buf_reset(&text);
	size_t len = whole_lines(&text), from = 0;
	while (len - from > 0 && len - from + line.len > LEDGER_MAX)
		from += newer_half(text.data + from, len - from);
	auto_buf struct buf out = BUF_INIT;
	if (len > from)
		buf_add(&out, text.data + from, len - from);
	buf_add(&out, line.data, line.len);
	return fs_replace(host, out.data, out.len, &owner, err);
}

int
exit_ledger_load(const char *zonepath, json_t **ret, struct err *err)
{
	auto_free char *host = path_hostf("%s/" LEDGER_FILE, zonepath);
	auto_buf struct buf text = BUF_INIT;
	json_auto_t *array = json_array();
	int r = read_ledger(host, &text, err);

	if (r < 0)
		return r;
	size_t len = whole_lines(&text);
	for (size_t at = 0; at < len;) {
		const char *line = text.data + at;
		const char *end = memchr(line, '\n', len - at);
		size_t n = (size_t)(end - line);
		json_t *v = json_parse(line, n, LEDGER_FILE, NULL);
		/* What a power loss left of a line is history that is gone. */
		if (json_is_object(v))
			(void)json_array_append_new(array, v);
		else
			json_decref(v);
		at += n + 1;
	}
	*ret = TAKE(array);
	return 0;
}
