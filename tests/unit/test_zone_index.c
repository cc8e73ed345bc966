#include "private_root.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "host/zone_dir.h"
#include "host/zone_index.h"

#define A      "aaaaaaaa-0000-4000-8000-000000000001"
#define B      "bbbbbbbb-0000-4000-8000-000000000002"
#define C      "cccccccc-0000-4000-8000-000000000003"
#define GLOBAL "global:installed:/\n"
#define ROW(u) u ":installed:/zones/" u ":" u "\n"

static void
rows_are_sorted_and_found(void **state)
{
	static const char text[] =
	    "# comment\n\n" ROW(C) GLOBAL A ":configured:/zones/" A ":" A "\n# more: than : it\n" B
	                                    ":incomplete:/zones/" B ":" B "\n";
	AUTO(zone_index) struct zone_index *ix = NULL;

	(void)state;
	assert_int_equal(zone_index_parse(text, strlen(text), &ix, NULL), 0);
	assert_int_equal(ix->n, 3);
	assert_string_equal(ix->rows[0].uuid, A);
	assert_int_equal(zone_index_find(ix, A)->state, ZONE_CONFIGURED);
	assert_int_equal(zone_index_find(ix, B)->state, ZONE_INCOMPLETE);
	assert_string_equal(zone_index_find(ix, C)->zonepath, "/zones/" C);
	assert_int_equal(zone_index_find(ix, C)->line, 3);
	assert_null(zone_index_find(ix, "dddddddd-0000-4000-8000-000000000004"));
}

static void
every_bad_line_is_an_error_with_its_number(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{ "", "no row of the global zone" },
		{ "# nothing\n", "no row of the global zone" },
		{ ROW(A), "no row of the global zone" },
		{ GLOBAL "x\n", "line 2: not the four fields" },
		{ GLOBAL ROW(A) "a:b:c:d:e\n", "line 3: not the four fields" },
		{ GLOBAL " \n", "line 2" },
		{ GLOBAL A ":installed:/zones/x:\n", "line 2: the uuid" },
		{ GLOBAL A ":installed:/zones/x:AAAAAAAA-0000-4000-8000-000000000001\n",
		    "line 2: the uuid" },
		{ GLOBAL B ":installed:/zones/x:" A "\n", "line 2: the zonename" },
		{ GLOBAL A ":running:/zones/x:" A "\n", "line 2: the state" },
		{ GLOBAL A ":installed :/zones/x:" A "\n", "line 2: the state" },
		{ GLOBAL A ":installed:zones/x:" A "\n", "line 2: the zonepath" },
		{ GLOBAL A ":installed:/zones/../x:" A "\n", "line 2: the zonepath" },
		{ GLOBAL A ":installed:/zones/x/..:" A "\n", "line 2: the zonepath" },
		{ GLOBAL A ":installed:/zones//x:" A "\n", "line 2: the zonepath" },
		{ GLOBAL A ":installed:/zones/x/:" A "\n", "line 2: the zonepath" },
		{ GLOBAL A ":installed:/:" A "\n", "line 2: the zonepath" },
		{ GLOBAL A ":installed:/zones/\xff:" A "\n", "line 2: the zonepath" },
		{ GLOBAL A ":installed:/zones/x:" A "\r\n", "line 2: the uuid" },
		{ GLOBAL "# c\n" ROW(A) ROW(B) ROW(A), "line 5: the uuid of line 3 again" },
		{ GLOBAL ROW(A) B ":installed:/zones/" A ":" B "\n",
		    "line 3: the zonepath of line 2 again" },
		{ GLOBAL GLOBAL, "line 2: a second row of the global" },
		{ "global:configured:/\n", "line 1: the row of the global" },
		{ "global:installed\n", "line 1: the row of the global" },
		{ GLOBAL A ":installed:/zones/" A ":" A, "line 2: no newline" },
		{ "global:installed:/", "line 1: no newline" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct zone_index *ix = NULL;
		struct err err = { 0 };
		int r = zone_index_parse(rows[i].text, strlen(rows[i].text), &ix, &err);
		if (r != -EINVAL || ix || !strstr(err.msg, rows[i].message))
			fail_msg("row %zu: %d: %s", i, r, err.msg);
	}
	struct zone_index *ix = NULL;
	assert_int_equal(zone_index_parse(GLOBAL "a\0b\n", strlen(GLOBAL) + 4, &ix, NULL), -EINVAL);
}

static void
an_absent_index_is_not_an_empty_one(void **state)
{
	struct zone_index *ix = NULL;

	(void)state;
	assert_int_equal(zone_index_load(&ix, NULL), -ENOENT);
	root_puts(PATH_ZONE_INDEX, "");
	assert_int_equal(zone_index_load(&ix, NULL), -EINVAL);
	assert_null(ix);
}

static void
writers_keep_comments_and_order(void **state)
{
	static const char text[] = "# first\n" GLOBAL ROW(B) "\n# between\n" ROW(A);
	AUTO(zone_index) struct zone_index *ix = NULL;

	(void)state;
	assert_int_equal(host_init(NULL), 0);
	root_puts(PATH_ZONE_INDEX, text);
	assert_int_equal(zone_index_add(C, ZONE_CONFIGURED, "/zones/" C, NULL), 0);
	assert_int_equal(zone_index_set_state(B, ZONE_INCOMPLETE, NULL), 0);
	auto_free char *after = root_gets(PATH_ZONE_INDEX);
	assert_string_equal(after, "# first\n" GLOBAL B ":incomplete:/zones/" B ":" B
	                           "\n\n# between\n" ROW(A) C ":configured:/zones/" C ":" C "\n");
	assert_int_equal(zone_index_set_state(B, ZONE_INSTALLED, NULL), 0);
	assert_int_equal(zone_index_remove(C, NULL), 0);
	assert_int_equal(zone_index_remove(C, NULL), 0);
	auto_free char *again = root_gets(PATH_ZONE_INDEX);
	assert_string_equal(again, text);
	assert_int_equal(zone_index_load(&ix, NULL), 0);
	struct fs_stamp stamp = root_stamp(PATH_ZONE_INDEX);
	assert_true(fs_stamp_equal(&ix->stamp, &stamp));
}

static void
writers_refuse_what_does_not_fit(void **state)
{
	(void)state;
	assert_int_equal(host_init(NULL), 0);
	assert_int_equal(zone_index_add(A, ZONE_CONFIGURED, "/zones/" A, NULL), 0);
	assert_int_equal(zone_index_add(A, ZONE_CONFIGURED, "/zones/x", NULL), -EEXIST);
	assert_int_equal(zone_index_add(B, ZONE_CONFIGURED, "/zones/" A, NULL), -EEXIST);
	assert_int_equal(zone_index_add(B, ZONE_RUNNING, "/zones/" B, NULL), -EINVAL);
	assert_int_equal(zone_index_add("x", ZONE_CONFIGURED, "/zones/x", NULL), -EINVAL);
	assert_int_equal(zone_index_add(B, ZONE_CONFIGURED, "/zones/../etc", NULL), -EINVAL);
	assert_int_equal(zone_index_add(B, ZONE_CONFIGURED, "/zones/a:b", NULL), -EINVAL);
	assert_int_equal(zone_index_add(B, ZONE_CONFIGURED, "/zones/a\nb", NULL), -EINVAL);
	assert_int_equal(zone_index_set_state(B, ZONE_INSTALLED, NULL), -ENOENT);
	assert_int_equal(zone_index_set_state(A, ZONE_RUNNING, NULL), -EINVAL);
}

static void
a_broken_index_is_not_written(void **state)
{
	static const char text[] = GLOBAL "half a li";

	(void)state;
	assert_int_equal(host_init(NULL), 0);
	root_puts(PATH_ZONE_INDEX, text);
	assert_int_equal(zone_index_add(A, ZONE_CONFIGURED, "/zones/" A, NULL), -EINVAL);
	assert_int_equal(zone_index_remove(A, NULL), -EINVAL);
	auto_free char *after = root_gets(PATH_ZONE_INDEX);
	assert_string_equal(after, text);
}

static void
setting_the_same_state_leaves_the_file(void **state)
{
	(void)state;
	assert_int_equal(host_init(NULL), 0);
	assert_int_equal(zone_index_add(A, ZONE_INSTALLED, "/zones/" A, NULL), 0);
	struct fs_stamp before = root_stamp(PATH_ZONE_INDEX);
	assert_int_equal(zone_index_set_state(A, ZONE_INSTALLED, NULL), 0);
	assert_int_equal(host_init(NULL), 0);
	struct fs_stamp after = root_stamp(PATH_ZONE_INDEX);
	assert_true(fs_stamp_equal(&before, &after));
}

static void
the_lock_is_seen_by_others(void **state)
{
	(void)state;
	assert_int_equal(host_init(NULL), 0);
	assert_false(zone_index_is_locked());
	auto_close int lock = zone_index_lock(NULL);
	assert_true(lock >= 0);
	assert_true(zone_index_is_locked());
}

#define WRITERS 50

/* Each adds its row, then every second one removes it again; half of the rows must be there in the
 * end. */
static void
fifty_writers_at_once_lose_nothing(void **state)
{
	AUTO(zone_index) struct zone_index *ix = NULL;
	pid_t pids[WRITERS];

	(void)state;
	assert_int_equal(host_init(NULL), 0);
	for (unsigned i = 0; i < WRITERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] > 0)
			continue;
		char uuid[UUID_LEN + 1], path[64];
		(void)snprintf(uuid, sizeof(uuid), "00000000-0000-4000-8000-%012u", i);
		(void)snprintf(path, sizeof(path), "/zones/%s", uuid);
		int r = zone_index_add(uuid, ZONE_CONFIGURED, path, NULL);
		if (r == 0)
			r = i % 2 ? zone_index_set_state(uuid, ZONE_INSTALLED, NULL)
			          : zone_index_remove(uuid, NULL);
		_exit(r == 0 ? 0 : 1);
	}
	for (unsigned i = 0; i < WRITERS; i++) {
		int status;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(zone_index_load(&ix, NULL), 0);
	assert_int_equal(ix->n, WRITERS / 2);
	for (unsigned i = 0; i < ix->n; i++)
		assert_int_equal(ix->rows[i].state, ZONE_INSTALLED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_sorted_and_found),
		cmocka_unit_test(every_bad_line_is_an_error_with_its_number),
		ROOT_TEST(an_absent_index_is_not_an_empty_one),
		ROOT_TEST(writers_keep_comments_and_order),
		ROOT_TEST(writers_refuse_what_does_not_fit),
		ROOT_TEST(a_broken_index_is_not_written),
		ROOT_TEST(setting_the_same_state_leaves_the_file),
		ROOT_TEST(the_lock_is_seen_by_others),
		ROOT_TEST(fifty_writers_at_once_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
