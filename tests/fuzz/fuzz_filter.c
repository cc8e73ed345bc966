/* Words of list and lookup: the first line are sort keys, every further one a filter or a column.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"
#include "base/xmalloc.h"
#include "vm/filter.h"
#include "json/json.h"

static const char vm_text[] =
    "{\"uuid\":\"0123abcd-0123-4567-89ab-0123456789ab\",\"brand\":\"kvm\",\"ram\":256,\"quota\":10."
    "5,"
    "\"alias\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa4\",\"zoneid\":"
    "null,"
    "\"resolvers\":[\"1.1.1.1\"],\"autoboot\":false,\"tags\":{\"a\":1,\"b\":\"x\",\"c\":true},"
    "\"nics\":[{\"mac\":\"02:00:00:00:00:01\",\"ip\":\"10.0.0.1\"},{\"mac\":\"02:00:00:00:00:02\"}]"
    "}";

static void
try_sort(const char *keys, const json_t *vm)
{
	AUTO(vm_sort) struct vm_sort *s = NULL;
	json_auto_t *a = json_deep_copy(vm), *b = json_object();
	json_t *objs[] = { a, b, a };
	struct err err;

	if (vm_sort_parse(keys, &s, &err) == 0)
		vm_sort_apply(s, objs, ARRAY_LEN(objs));
}

static void
try_column(const char *field, const json_t *vm)
{
	auto_buf struct buf b = BUF_INIT;
	struct prop_path path;

	if (prop_path_parse(field, &path) < 0)
		return;
	(void)prop_path_is_column(&path);
	(void)vm_field_text(&path, vm, &b);
	prop_path_done(&path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static json_t *vm;
	AUTO(vm_filter) struct vm_filter *f = NULL;
	auto_free char *text = xstrndup((const char *)data, size);
	auto_strv char **lines = strv_split(text, '\n');
	struct err err;

	if (!vm) {
		json_setup();
		vm = json_parse(vm_text, strlen(vm_text), "vm", NULL);
	}
	for (size_t i = 0; lines && lines[i]; i++) {
		if (i == 0)
			try_sort(lines[i], vm);
		else if (vm_filter_add(&f, lines[i], "filter", &err) < 0)
			try_column(lines[i], vm);
	}
	(void)vm_filter_match(f, vm);
	return 0;
}
