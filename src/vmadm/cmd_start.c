/* vmadm start (vmadm.md 2.20). */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "vmadm/operation.h"

#define ORDER   "order="
#define LETTERS "cdn" /* disk, cdrom, network */

/* order=LETTERS[,once=LETTERS] */
static bool
order_is_valid(const char *word)
{
	const char *s = word + strlen(ORDER);
	size_t n = strspn(s, LETTERS);

	if (n > 0 && str_starts(s + n, ",once=")) {
		s += n + strlen(",once=");
		n = strspn(s, LETTERS);
	}
	return n > 0 && s[n] == '\0';
}

/* The words behind the uuid: at most one, the boot order. */
static int
parse_words(struct vmadm *v, const char **ret_order)
{
	for (unsigned i = 1; i < vmadm_operands(v); i++) {
		const char *word = vmadm_operand(v, i);
		auto_free char *msg = NULL;

		if (str_starts(word, ORDER) && !*ret_order && order_is_valid(word)) {
			*ret_order = word;
			continue;
		}
		msg = xasprintf(str_starts(word, ORDER) && *ret_order ? "order= is given twice: %s"
		                                                      : "Invalid argument: %s",
		    word);
		return vmadm_usage(v, msg);
	}
	return VMADM_OK;
}

static int
run(struct vmadm *v)
{
	const char *uuid = vmadm_uuid_operand(v), *order = NULL;
	auto_free char *prefix = NULL;
	struct op op = operation_of(v);
	struct err err = { 0 };
	int r;

	if (!uuid)
		return VMADM_USAGE;
	r = parse_words(v, &order);
	if (r != VMADM_OK)
		return r;
	r = op_start(&op, uuid, order, &err);
	if (r == 0)
		return vmadm_success(v, operation_result(uuid), "Successfully started VM %s", uuid);
	prefix = xasprintf("Unable to start VM %s", uuid);
	if (r == -EALREADY)
		return vmadm_success(v, operation_result(uuid), "%s: %s", prefix, err.msg);
	return operation_fail(v, prefix, &err);
}

static const struct option_row options[] = { { 0 } };

const struct command cmd_start = {
	.name = "start",
	.alias = "boot",
	.usage = "<uuid> [order=LETTERS[,once=LETTERS]]",
	.help = "Start a stopped VM; from now on it starts with the host.",
	.options = options,
	.writes = true,
	.run = run,
};
