/* Any text as a zone file: what is read can be written and read again as the same, and what says
 * nothing new changes no byte. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "host/xml_tree.h"
#include "host/zone_xml.h"
#include "json/json.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	json_setup();
	return 0;
}

static void
require(bool ok)
{
	if (!ok)
		abort();
}

/* Writing a tree that was read gives a text that reads and writes as itself. */
static void
check_tree(const char *text, size_t len)
{
	AUTO(xml_doc) struct xml_doc *first = NULL, *second = NULL;
	auto_buf struct buf once = BUF_INIT, twice = BUF_INIT;

	if (xml_parse(text, len, &first, NULL, NULL) < 0)
		return;
	xml_write(first, &once);
	/* Escaping may have made it too large. */
	if (once.len > XML_MAX_BYTES)
		return;
	require(xml_parse(once.data, once.len, &second, NULL, NULL) == 0);
	xml_write(second, &twice);
	require(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
}

static void
check_same(const char *text, size_t len, const json_t *want)
{
	json_t *have = NULL;

	require(zone_xml_parse(text, len, "fuzz", &have, NULL, NULL) == 0);
	require(json_equal(want, have));
	json_decref(have);
}

/* A change and its opposite. */
static void
check_edit(const char *text, size_t len, json_t *obj)
{
	auto_buf struct buf changed = BUF_INIT, back = BUF_INIT;
	json_auto_t *edited = json_deep_copy(obj);

	json_put_str(edited, "hostname", "fuzz");
	json_put(edited, "nics", json_array());
	if (zone_xml_render(text, len, edited, &changed, NULL) < 0)
		return;
	check_same(changed.data, changed.len, edited);
	require(zone_xml_render(changed.data, changed.len, edited, &back, NULL) == 0);
	require(changed.len == back.len && memcmp(changed.data, back.data, back.len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	auto_buf struct buf same = BUF_INIT, fresh = BUF_INIT;
	json_t *parsed = NULL;

	check_tree(text, size);
	if (zone_xml_parse(text, size, "fuzz", &parsed, NULL, NULL) < 0)
		return 0;
	json_auto_t *obj = parsed;
	require(zone_xml_render(text, size, obj, &same, NULL) == 0);
	require(same.len == size && memcmp(same.data, text, size) == 0);
	/* Values that nobody could have stored (no text, or one that XML cannot hold) may be
	 * refused here. */
	if (zone_xml_render(NULL, 0, obj, &fresh, NULL) == 0) {
		json_t *again = NULL;
		require(zone_xml_parse(fresh.data, fresh.len, "fuzz", &again, NULL, NULL) == 0);
		json_decref(again);
	}
	check_edit(text, size, obj);
	return 0;
}
