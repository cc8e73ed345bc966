/* Payloads of create and update (vmadm.md 1.5). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "vmadm/vmadm.h"
#include "json/json.h"

#define PAYLOAD_MAX (16u << 20)
#define STDIN_NAME  "/dev/stdin"

static int
cannot_read(const char *path, int code, struct err *err)
{
	json_auto_t *e = json_object();
	auto_free char *text = NULL;

	if (code == -ENOENT)
		return err_set(err, code, NULL, "File: %s does not exist.", path);
	json_put_int(e, "errno", -code);
	json_put_str(e, "code", strerrorname_np(-code));
	json_put_str(e, "message", strerror(-code));
	text = json_text(e);
	return err_set(err, code, NULL, "Error reading: %s %s", path, text);
}

static int
read_all(const char *path, struct buf *text, struct err *err)
{
	auto_close int fd = -1;
	int from = STDIN_FILENO;

	/* A pipe (-f <(...)) is as good as a file. */
	if (!str_eq(path, STDIN_NAME)) {
		from = fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return cannot_read(path, -errno, err);
	}
	for (;;) {
		ssize_t n = buf_read(text, from, 64u << 10);

		if (n == 0)
			return 0;
		if (n < 0 && n != -EINTR)
			return cannot_read(path, (int)n, err);
		if (text->len > PAYLOAD_MAX)
			return cannot_read(path, -EFBIG, err);
	}
}

static int
parse(const struct buf *text, json_t **ret, struct err *err)
{
	struct err why = { 0 };
	json_auto_t *payload = json_parse(str_or_empty(text->data), text->len, "payload", &why);

	if (!payload)
		return err_set(err, -EINVAL, NULL, "Invalid JSON payload: %s", why.msg);
	if (!json_is_object(payload))
		return err_set(err, -EINVAL, NULL, "Invalid JSON payload: must be an object");
	*ret = TAKE(payload);
	return 0;
}

int
vmadm_payload(const struct vmadm *v, json_t **ret)
{
	const char *path = vmadm_option(v, 'f');
	auto_buf struct buf text = BUF_INIT;
	struct err err = { 0 };

	if (!path || str_eq(path, "-") || str_eq(path, STDIN_NAME)) {
		if (isatty(STDIN_FILENO)) {
			auto_free char *msg = xasprintf(
			    "Will not %s from stdin when stdin is a tty.", v->command->name);

			return vmadm_usage(v, msg);
		}
		path = STDIN_NAME;
	}
	if (read_all(path, &text, &err) < 0 || parse(&text, ret, &err) < 0)
		return vmadm_fail(v, &err);
	return 0;
}
