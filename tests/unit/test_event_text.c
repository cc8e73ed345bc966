#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "client/event_text.h"
#include "client/status_text.h"
#include "json/json.h"

#define ZONE "41a9f6d8-4e2e-4c8a-9d2c-0f2a53b1c7e0"
#define HEAD "\"date\":\"2026-01-31T18:02:11.123Z\",\"zonename\":\"" ZONE "\",\"uuid\":\"" ZONE "\""

struct row {
	const char *name, *event, *text_short, *text_full;
};

static const struct row rows[] = {
	{ "ready",
	    "{\"type\":\"ready\",\"date\":\"2026-01-31T18:02:11.123Z\",\"uuid\":\"u-1\",\"vms\":\"["
	    "]\"}",
	    "[18:02:11.123Z] ready\n", "[2026-01-31T18:02:11.123Z] ready (uuid u-1)\n" },
	{ "create", "{\"type\":\"create\"," HEAD ",\"vm\":{\"alias\":\"web\"}}",
	    "[18:02:11.123Z] 41a9f6d8 web create\n",
	    "[2026-01-31T18:02:11.123Z] " ZONE " web create\n" },
	{ "no alias", "{\"type\":\"create\"," HEAD ",\"vm\":{}}",
	    "[18:02:11.123Z] 41a9f6d8 - create\n",
	    "[2026-01-31T18:02:11.123Z] " ZONE " - create\n" },
	{ "delete", "{\"type\":\"delete\"," HEAD "}", "[18:02:11.123Z] 41a9f6d8 - delete\n",
	    "[2026-01-31T18:02:11.123Z] " ZONE " - delete\n" },
	{ "a line per change",
	    "{\"type\":\"modify\"," HEAD ",\"vm\":{\"alias\":\"web\"},\"changes\":["
	    "{\"prettyPath\":\"quota\",\"path\":[\"quota\"],\"action\":\"changed\",\"oldValue\":10,"
	    "\"newValue\":20},"
	    "{\"prettyPath\":\"tags.x\",\"path\":[\"tags\",\"x\"],\"action\":\"added\","
	    "\"newValue\":\"y\"},"
	    "{\"prettyPath\":\"nics.*\",\"path\":[\"nics\",null],\"action\":\"removed\","
	    "\"oldValue\":{\"mac\":\"a\",\"n\":null}}]}",
	    "[18:02:11.123Z] 41a9f6d8 web modify: quota changed :: 10 -> 20\n"
	    "[18:02:11.123Z] 41a9f6d8 web modify: tags.x added :: undefined -> \"y\"\n"
	    "[18:02:11.123Z] 41a9f6d8 web modify: nics.* removed :: {\"mac\":\"a\",\"n\":null} -> "
	    "undefined\n",
	    "[2026-01-31T18:02:11.123Z] " ZONE " web modify: quota changed :: 10 -> 20\n"
	    "[2026-01-31T18:02:11.123Z] " ZONE " web modify: tags.x added :: undefined -> \"y\"\n"
	    "[2026-01-31T18:02:11.123Z] " ZONE
	    " web modify: nics.* removed :: {\"mac\":\"a\",\"n\":null} -> undefined\n" },
	{ "alias of 30 characters",
	    "{\"type\":\"create\"," HEAD ",\"vm\":{\"alias\":\"123456789012345678901234567890\"}}",
	    "[18:02:11.123Z] 41a9f6d8 123456789012345678901234567890 create\n",
	    "[2026-01-31T18:02:11.123Z] " ZONE " 123456789012345678901234567890 create\n" },
	{ "alias of 31 characters",
	    "{\"type\":\"create\"," HEAD ",\"vm\":{\"alias\":\"1234567890123456789012345678901\"}}",
	    "[18:02:11.123Z] 41a9f6d8 123456789012345678901234567... create\n",
	    "[2026-01-31T18:02:11.123Z] " ZONE " 123456789012345678901234567... create\n" },
	{ "characters, not bytes",
	    "{\"type\":\"create\"," HEAD ",\"vm\":{\"alias\":\"äöüäöüäöüäöüäöüäöüäöüäöüäöüäöü\"}}",
	    "[18:02:11.123Z] 41a9f6d8 äöüäöüäöüäöüäöüäöüäöüäöüäöüäöü create\n",
	    "[2026-01-31T18:02:11.123Z] " ZONE " äöüäöüäöüäöüäöüäöüäöüäöüäöüäöü create\n" },
	{ "no line break out of an alias",
	    "{\"type\":\"create\"," HEAD ",\"vm\":{\"alias\":\"a\\nb\\u001bc\"}}",
	    "[18:02:11.123Z] 41a9f6d8 a?b?c create\n",
	    "[2026-01-31T18:02:11.123Z] " ZONE " a?b?c create\n" },
	{ "unknown type", "{\"type\":\"gap\"," HEAD "}", "", "" },
	{ "no event", "[1]", "", "" },
	{ "nothing inside", "{}", "", "" },
};

static void
events_print_exactly(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf a = BUF_INIT, b = BUF_INIT;
		json_t *event = json_parse(rows[i].event, strlen(rows[i].event), "test", NULL);

		assert_non_null(event);
		event_text(event, EVENT_SHORT, &a);
		event_text(event, EVENT_FULL, &b);
		if (!str_eq(str_or_empty(a.data), rows[i].text_short) ||
		    !str_eq(str_or_empty(b.data), rows[i].text_full))
			fail_msg(
			    "%s:\n%s%s", rows[i].name, str_or_empty(a.data), str_or_empty(b.data));
		json_decref(event);
		buf_done(&a);
		buf_done(&b);
	}
}

static const char status_json[] =
    "{\"pid\":7,\"uptime\":\"1.000000000s "
    "(1s)\",\"memory\":{\"rss\":3670016},\"state\":\"running\",\"status\":\"working\",\"numVms\":2,"
    "\"queue\":{\"paused\":false,\"idle\":true,\"vasync_queue\":{\"npending\":1,\"nqueued\":2}},"
    "\"lastRefresh\":null,"
    "\"refreshErrors\":[{\"err\":\"bad\",\"time\":\"1.0\",\"ago\":\"2s\"}],"
    "\"eventsListeners\":{\"u-1\":{\"userAgent\":\"a "
    "\\\"b\\\"\\n\\u0007\",\"createdAgo\":\"3s\"},\"u-2\":{\"createdAgo\":\"4s\"}},"
    "\"refreshLog\":[{\"cacheChanges\":[1,2],\"vmChanges\":[1],\"endedAgo\":\"5s\"}],"
    "\"fswatcher\":{\"running\":true,\"watcher_pid\":7,\"watching\":[\"/a\",\"/"
    "b\"],\"not_yet_watching\":[],\"pending_actions\":{}}}";

#define STATUS_HEAD                                                                                \
	"state: running (working)\npid: 7\nuptime: 1.000000000s (1s)\nrss: 3.50mb\nnumVms: 2\n"    \
	"queue\n  paused: false\n  idle: true\n  npending: 1\n  nqueued: 2\n"                      \
	"fullRefresh\n  lastRefresh: null\n  refreshErrors: (1 items)\n    - bad (2s)\n"
#define STATUS_TAIL                                                                                \
	"eventsListeners: (2 listeners)\n  - a \"b\"\\n\\u0007\n    u-1 created 3s ago\n\n"        \
	"  - -\n    u-2 created 4s ago\n\n"

static void
status_prints_exactly(void **state)
{
	json_t *status = json_parse(status_json, strlen(status_json), "test", NULL);
	struct buf b = BUF_INIT;

	assert_non_null(status);
	status_text(status, false, &b);
	assert_string_equal(b.data, STATUS_HEAD STATUS_TAIL);
	buf_reset(&b);
	status_text(status, true, &b);
	assert_string_equal(b.data,
	    STATUS_HEAD "  refreshLog: (1 items)\n    - 2 cacheChanges / 1 vmChanges - 5s ago\n"
	                "fswatcher\n  running: true\n  pid: 7\n  watching: 2\n  tryingToWatch: 0\n "
	                " pendingActions: 0\n" STATUS_TAIL);
	json_decref(status);
	buf_done(&b);
}

static void
status_survives_an_empty_document(void **state)
{
	json_t *status = json_object();
	struct buf b = BUF_INIT;

	status_text(status, true, &b);
	assert_non_null(strstr(b.data, "state: - (-)\n"));
	assert_non_null(strstr(b.data, "eventsListeners: (0 listeners)\n"));
	json_decref(status);
	buf_done(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_print_exactly),
		cmocka_unit_test(status_prints_exactly),
		cmocka_unit_test(status_survives_an_empty_document),
	};

	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
