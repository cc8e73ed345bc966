/* What commands tell people, and the program that started them. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "vmadm/usage.h"
#include "vmadm/vmadm.h"
#include "json/json.h"

const char *
vmadm_option(const struct vmadm *v, char letter)
{
	const char *value = NULL;

	for (unsigned i = 0; i < v->n_opt; i++)
		if (v->opt[i].row >= 0 && v->command->options[v->opt[i].row].letter == letter)
			value = str_or_empty(v->opt[i].value);
	return value;
}

const char *
vmadm_operand(const struct vmadm *v, unsigned i)
{
	for (unsigned k = 0; k < v->n_opt; k++)
		if (v->opt[k].row < 0 && i-- == 0)
			return v->opt[k].value;
	return NULL;
}

unsigned
vmadm_operands(const struct vmadm *v)
{
	unsigned n = 0;

	for (unsigned k = 0; k < v->n_opt; k++)
		n += v->opt[k].row < 0;
	return n;
}

/* One line of JSON on the result descriptor. Whoever asked for it may be gone: then nobody misses
 * it. */
static void
report(const struct vmadm *v, const json_t *result)
{
	auto_buf struct buf b = BUF_INIT;

	if (v->result_fd < 0)
		return;
	json_write(&b, result, 0);
	buf_addc(&b, '\n');
	for (size_t done = 0; done < b.len;) {
		ssize_t n = write(v->result_fd, b.data + done, b.len - done);

		if (n < 0 && errno != EINTR)
			return;
		done += n > 0 ? (size_t)n : 0;
	}
}

static void
report_failure(const struct vmadm *v, const char *msg, int code)
{
	json_auto_t *result = json_object();

	json_put_bool(result, "ok", false);
	json_put_str(result, "error", msg);
	json_put_str(result, "code", strerrorname_np(-code));
	report(v, result);
}

int
vmadm_fail(const struct vmadm *v, const struct err *err)
{
	(void)fprintf(stderr, "%s\n", err->msg);
	report_failure(v, err->msg, err->code);
	return VMADM_FAILED;
}

int
vmadm_usage(const struct vmadm *v, const char *msg)
{
	if (msg)
		(void)fprintf(stderr, "%s\n", msg);
	usage_command(stderr, v->command);
	report_failure(v, msg ? msg : "wrong usage", -EINVAL);
	return VMADM_USAGE;
}

const char *
vmadm_uuid_operand(const struct vmadm *v)
{
	const char *uuid = vmadm_operand(v, 0);
	char *msg;

	if (uuid && uuid_shaped(uuid))
		return uuid;
	msg = xasprintf("Invalid or missing UUID for %s", v->command->name);
	(void)vmadm_usage(v, msg);
	free(msg);
	return NULL;
}

static void
report_success(const struct vmadm *v, json_t *result)
{
	json_auto_t *all = json_object();

	json_put_bool(all, "ok", true);
	if (result)
		(void)json_object_update(all, result);
	report(v, all);
}

int
vmadm_success(const struct vmadm *v, json_t *result, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	report_success(v, result);
	json_decref(result);
	return VMADM_OK;
}
