/* Any text as the zone index: it is an error or a sorted table whose rows can all be found. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "host/zone_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(zone_index) struct zone_index *ix = NULL;
	struct err err = { 0 };

	if (zone_index_parse((const char *)data, size, &ix, &err) < 0) {
		if (ix || err.msg[0] == '\0')
			abort();
		return 0;
	}
	for (unsigned i = 0; i < ix->n; i++) {
		const struct zone_row *row = &ix->rows[i];
		if (zone_index_find(ix, row->uuid) != row || !uuid_valid(row->uuid) ||
		    row->zonepath[0] != '/' || strstr(row->zonepath, "/../"))
			abort();
	}
	return 0;
}
