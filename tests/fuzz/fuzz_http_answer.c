/* The first byte says how many bytes go into each feed; the rest is an answer. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/xmalloc.h"
#include "io/http_parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_parser *p = http_parser_new();
	struct buf body = BUF_INIT;
	struct err err = { 0 };
	int status = 0, r = 0;
	size_t piece = size > 0 && data[0] ? data[0] : size;

	for (size_t done = 1; done < size && r == 0;) {
		size_t n = size - done < piece ? size - done : piece;
		char *copy = xmemdup(data + done, n);

		r = http_parser_feed(p, copy, n, &status, &body, &err);
		free(copy);
		done += n;
	}
	if (r == 0)
		(void)http_parser_eof(p, &err);
	/* An answer has no more body than it has bytes, and a complete one has a status. */
	if (body.len > size || (r == 1 && status < 200))
		abort();
	http_parser_free(p);
	buf_done(&body);
	return 0;
}
