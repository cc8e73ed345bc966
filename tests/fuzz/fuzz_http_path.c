/* What a client of an HTTP server of ours can choose freely: one line each for path, query value
 * and Host. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "io/http_path.h"

static void
check_path(const char *text)
{
	auto_free char *path = http_path_normalise(text);
	auto_free char *again = path ? http_path_normalise(path) : NULL;

	assert((path != NULL) == (text[0] == '/'));
	if (!path)
		return;
	assert(strcmp(path, again) == 0);
	assert(path[0] == '/' && !strstr(path, "//") && !strstr(path, "/../"));
	assert(!str_ends(path, "/..") && !str_ends(path, "/."));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = xstrndup((const char *)data, size);
	auto_strv char **lines = strv_split(text, '\n');
	size_t n = strv_len(lines);

	if (n > 0)
		check_path(lines[0]);
	if (n > 1) {
		size_t len = strlen(lines[1]);

		assert(strlen(http_query_decode(lines[1])) <= len);
	}
	if (n > 2)
		(void)http_host_is_ours(lines[2], n > 3 ? lines[3] : NULL);
	return 0;
}
