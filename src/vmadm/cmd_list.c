/* vmadm list (vmadm.md 2.3). */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "client/output.h"
#include "vmadm/select.h"
#include "vmadm/vmadm.h"

#define DEFAULT_ORDER "uuid,type,ram,state,alias"
#define DEFAULT_SORT  "ram,uuid"
#define NESTED_WIDTH  20

struct column {
	struct prop_path path;
	char *heading; /* owned */
	int width;
};

struct table {
	struct column *columns; /* owned */
	unsigned n;
	bool parsable;
	bool header;
};

static void
table_done(struct table *t)
{
	for (unsigned i = 0; i < t->n; i++) {
		prop_path_done(&t->columns[i].path);
		free(t->columns[i].heading);
	}
	free(t->columns);
}

static int
check_column(const char *name, const struct prop_path *path, struct err *err)
{
	if (path->index == -1)
		return err_set(err, -EINVAL, "order", "Invalid order key: \"%s\"", name);
	if (!prop_path_is_column(path))
		return err_set(err, -EINVAL, "order", "invalid order field: %s", name);
	return 0;
}

static int
add_column(struct table *t, const char *name, struct err *err)
{
	struct prop_path path;
	struct column *c;
	int r;

	if (prop_path_parse(name, &path) < 0)
		return err_set(err, -EINVAL, "order", "invalid order field: %s", name);
	r = check_column(name, &path, err);
	if (r < 0) {
		prop_path_done(&path);
		return r;
	}
	c = &t->columns[t->n++];
	c->path = path;
	c->heading = xstrdup(!path.key && path.prop->heading ? path.prop->heading : name);
	c->width = !path.key && path.prop->width ? path.prop->width : NESTED_WIDTH;
	for (char *p = c->heading; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	return 0;
}

static int
make_columns(struct table *t, const char *order, struct err *err)
{
	auto_strv char **names = strv_split(order, ',');
	int r = 0;

	if (!*names)
		return err_set(err, -EINVAL, "order", "invalid order field: %s", order);
	t->columns = xcalloc(strv_len(names), sizeof(*t->columns));
	for (char **name = names; *name && r == 0; name++)
		r = add_column(t, *name, err);
	return r;
}

/* Characters, not bytes. */
static int
text_width(const char *s, size_t len)
{
	int n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)s[i] & 0xc0) != 0x80;
	return n;
}

/* One cell of column `i` that begins at `from`; the text is there already. */
static void
end_cell(const struct table *t, unsigned i, struct buf *out, size_t from)
{
	int pad = t->columns[i].width - text_width(out->data + from, out->len - from);

	if (i + 1 == t->n)
		return;
	if (t->parsable) {
		buf_addc(out, ':');
		return;
	}
	for (pad = pad > 0 ? pad + 2 : 2; pad > 0; pad--)
		buf_addc(out, ' ');
}

static void
end_line(struct buf *out, size_t from)
{
	while (out->len > from && isspace((unsigned char)out->data[out->len - 1]))
		out->data[--out->len] = '\0';
	buf_addc(out, '\n');
}

static void
print_header(const struct table *t, struct buf *out)
{
	for (unsigned i = 0; i < t->n; i++) {
		size_t from = out->len;

		buf_adds(out, t->columns[i].heading);
		end_cell(t, i, out, from);
	}
	end_line(out, 0);
}

static void
print_row(const struct table *t, const json_t *vm, struct buf *out)
{
	size_t line = out->len;

	buf_adds(out, ""); /* so that there is text, whatever the cells are */
	for (unsigned i = 0; i < t->n; i++) {
		size_t from = out->len;

		if (!vm_field_text(&t->columns[i].path, vm, out) && !t->parsable)
			buf_addc(out, '-');
		str_hide_controls(out->data + from, out->len - from);
		end_cell(t, i, out, from);
	}
	end_line(out, line);
}

/* Borrowed objects of an array, sorted. Allocated. */
static json_t **
sorted(const struct vm_sort *sort, const json_t *vms)
{
	size_t n = json_array_size(vms);
	json_t **objs = xcalloc(n + 1, sizeof(*objs));

	for (size_t i = 0; i < n; i++)
		objs[i] = json_array_get(vms, i);
	vm_sort_apply(sort, objs, (unsigned)n);
	return objs;
}

static int
list(struct vmadm *v, struct table *t, struct buf *out, struct err *err)
{
	struct fields fields __attribute__((cleanup(fields_done))) = { 0 };
	AUTO(vm_filter) struct vm_filter *filter = NULL;
	AUTO(vm_sort) struct vm_sort *sort = NULL;
	auto_free json_t **objs = NULL;
	json_auto_t *vms = NULL;
	const char *order = vmadm_option(v, 'o'), *keys = vmadm_option(v, 's');
	int r = select_filter(v, "filter", &filter, err);

	if (r == 0)
		r = make_columns(t, order ? order : DEFAULT_ORDER, err);
	if (r == 0)
		r = vm_sort_parse(keys ? keys : DEFAULT_SORT, &sort, err);
	if (r < 0)
		return r;
	fields_add(&fields, "uuid");
	for (unsigned i = 0; i < t->n; i++)
		fields_add(&fields, t->columns[i].path.prop->name);
	vm_filter_fields(filter, fields_add, &fields);
	vm_sort_fields(sort, fields_add, &fields);
	r = select_vms(v, filter, &fields, &vms, err);
	if (r < 0)
		return r;
	if (t->header)
		print_header(t, out);
	objs = sorted(sort, vms);
	for (size_t i = 0; objs[i]; i++)
		print_row(t, objs[i], out);
	return 0;
}

static int
run(struct vmadm *v)
{
	struct table t __attribute__((cleanup(table_done))) = { .parsable = vmadm_option(v, 'p') };
	auto_buf struct buf out = BUF_INIT;
	struct err err = { 0 };

	t.header = vmadm_option(v, 'h') || !(t.parsable || vmadm_option(v, 'H'));
	if (list(v, &t, &out, &err) < 0)
		return vmadm_fail(v, &err);
	return output_end(&out);
}

static const struct option_row options[] = {
	{ 'o', "order", "FIELDS", "Columns, separated by commas (default: " DEFAULT_ORDER ")." },
	{ 's', "sortby", "KEYS",
	    "Sort by these fields, each with + or - before it (default: " DEFAULT_SORT ")." },
	{ 'p', "parsable", NULL, "Separate fields with ':'; no padding, no header." },
	{ 'H', NULL, NULL, "No header." },
	{ 'h', NULL, NULL, "Print the header, also with -p." },
	{ 0 },
};

const struct command cmd_list = {
	.name = "list",
	.usage = "[-p] [-H] [-h] [-o FIELD,...] [-s FIELD,...] [FIELD=VALUE ...]",
	.help = "List VMs in a table; FIELD=~REGEX filters by a regular expression.",
	.options = options,
	.run = run,
};
