/* The line parser of QMP: the first byte says into how large pieces the rest is cut; objects must
 * come out the same as in one piece. */
#include <assert.h>
#include <stdint.h>

#include "vmm/qmp.h"
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
count(void *arg, json_t *v)
{
	assert(json_is_object(v));
	++*(unsigned *)arg;
	return 0;
}

static int
feed(const char *text, size_t len, size_t piece, unsigned *ret)
{
	struct qmp_parser *p = qmp_parser_new();
	struct err err = { 0 };
	int r = 0;

	for (size_t at = 0; at < len && r == 0; at += piece)
		r = qmp_parser_feed(
		    p, text + at, len - at < piece ? len - at : piece, count, ret, &err);
	qmp_parser_free(p);
	return r;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned whole = 0, pieces = 0;
	int a, b;

	if (size < 2)
		return 0;
	json_setup();
	a = feed((const char *)data + 1, size - 1, size, &whole);
	b = feed((const char *)data + 1, size - 1, (size_t)data[0] + 1, &pieces);
	assert(a == b && whole == pieces);
	return 0;
}
