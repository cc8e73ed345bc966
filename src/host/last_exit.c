#include "host/last_exit.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/own.h"
#include "base/paths.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "host/source_err.h"
#include "json/json.h"

#define LAST_EXIT_FILE "lastexited"
#define LAST_EXIT_MAX  4096         /* bytes */
#define SECONDS_MAX    253402300799 /* the end of year 9999 */

/* "<seconds>[.<fraction>]" to ms, truncated. */
static int
parse_seconds(char *s, int64_t *ret_ms)
{
	char *dot = strchr(s, '.');
	int64_t seconds, ms = 0, unit = 100;

	if (dot) {
		*dot = '\0';
		for (const char *p = dot + 1; *p; p++, unit /= 10) {
			if (*p < '0' || *p > '9')
				return -EINVAL;
			ms += (*p - '0') * unit;
		}
	}
	int r = str_to_int(s, false, 0, SECONDS_MAX, &seconds);
	if (r < 0)
		return r;
	*ret_ms = seconds * 1000 + ms;
	return 0;
}

/* The words of the text, split at white space; the caller frees the vector. */
static char **
split_words(const char *text)
{
	char **words = NULL;

	for (text += strspn(text, " \t\r\n"); *text; text += strspn(text, " \t\r\n")) {
		size_t n = strcspn(text, " \t\r\n");
		words = strv_push(words, xstrndup(text, n));
		text += n;
	}
	return words;
}

int
last_exit_parse(const char *text, struct last_exit *ret)
{
	auto_strv char **words = split_words(text);
	struct last_exit e;
	int64_t status;

	if (!words || strv_len(words) != 2)
		return 0;
	if (parse_seconds(words[0], &e.time_ms) < 0)
		return 0;
	if (str_to_int(words[1], false, -1, INT32_MAX, &status) < 0)
		return 0;
	e.status = (int)status;
	*ret = e;
	return 1;
}

int
last_exit_load(
    const char *zonepath, struct last_exit *ret, struct fs_stamp *ret_stamp, struct err *err)
{
	auto_free char *path = xasprintf("%s/" LAST_EXIT_FILE, zonepath);
	auto_free char *host = path_host(path);
	auto_buf struct buf text = BUF_INIT;
	struct fs_stamp stamp = { 0 };
	int r = fs_read(host, LAST_EXIT_MAX, &text, &stamp, err);

	if (ret_stamp)
		*ret_stamp = stamp;
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r < 0)
		return source_err(err, r, path);
	return last_exit_parse(str_or_empty(text.data), ret);
}

int
last_exit_save(const char *zonepath, const struct last_exit *e, struct err *err)
{
	auto_free char *path = path_hostf("%s/" LAST_EXIT_FILE, zonepath);
	struct fs_owner owner = own_of(OWN_RUN_FILE, (uid_t)-1);
	auto_buf struct buf text = BUF_INIT;

	if (e->time_ms < 0)
		return err_set(err, -EINVAL, LAST_EXIT_FILE, "the time is before 1970");
	buf_addf(&text, "%lld.%03d %d\n", (long long)(e->time_ms / 1000), (int)(e->time_ms % 1000),
	    e->status);
	return fs_replace(path, text.data, text.len, &owner, err);
}

/* The status word as users see it (vmobject-load.md 8). */
static int
exit_status(int word)
{
	if (word == -1)
		return 0;
	return (word & 0xff) == 0 ? word >> 8 : -(word & 0xff);
}

json_t *
last_exit_part(const struct last_exit *e)
{
	char date[ISO8601_SIZE];
	json_t *part = json_object();

	json_put_int(part, "exit_status", exit_status(e->status));
	json_put_str(part, "exit_timestamp", iso8601_format(e->time_ms, date));
	return part;
}
