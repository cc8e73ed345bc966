#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/xmalloc.h"
#include "vmm/qmp.h"
#include "json/json.h"

struct qmp_parser {
	struct buf line; /* the beginning of a line whose end has not come */
};

struct qmp_parser *
qmp_parser_new(void)
{
	return xcalloc(1, sizeof(struct qmp_parser));
}

void
qmp_parser_free(struct qmp_parser *p)
{
	if (!p)
		return;
	buf_done(&p->line);
	free(p);
}

/* Numbers past 2^63 are legal in QMP (uint64); they become reals, which is better than losing the
 * connection. */
static json_t *
parse_line(const char *text, size_t len, struct err *err)
{
	json_t *v = json_parse(text, len, "QMP", err);

	if (!v)
		v = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
	if (!v)
		return NULL;
	if (!json_is_object(v)) {
		(void)err_set(err, -EINVAL, "QMP", "a line is not a JSON object");
		json_decref(v);
		return NULL;
	}
	return v;
}

static int
line_done(const char *text, size_t len, int (*on_object)(void *arg, json_t *borrowed), void *arg,
    struct err *err)
{
	json_t *v;
	int r;

	while (len > 0 && (text[len - 1] == '\r' || text[len - 1] == ' '))
		len--;
	if (len == 0)
		return 0;
	v = parse_line(text, len, err);
	if (!v)
		return -EINVAL;
	r = on_object(arg, v);
	json_decref(v);
	return r;
}

int
qmp_parser_feed(struct qmp_parser *p, const char *data, size_t len,
    int (*on_object)(void *arg, json_t *borrowed), void *arg, struct err *err)
{
	while (len > 0) {
		const char *end = memchr(data, '\n', len);
		size_t n = end ? (size_t)(end - data) : len;
		int r;

		if (p->line.len + n > QMP_LINE_MAX)
			return err_set(
			    err, -EFBIG, "QMP", "a line is longer than %u bytes", QMP_LINE_MAX);
		if (!end) {
			buf_add(&p->line, data, n);
			return 0;
		}
		if (p->line.len > 0) {
			buf_add(&p->line, data, n);
			r = line_done(p->line.data, p->line.len, on_object, arg, err);
			buf_done(&p->line);
		} else {
			r = line_done(data, n, on_object, arg, err);
		}
		if (r < 0)
			return r;
		data += n + 1;
		len -= n + 1;
	}
	return 0;
}
