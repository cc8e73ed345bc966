#include "ops_root.h"

#include "ops/journal.h"

static void
begun_and_done_steps_are_told_apart(void **state)
{
	AUTO(journal) struct journal *j = journal_new("create", UUID_A, "me", NULL);
	json_auto_t *doc = NULL;

	assert_int_equal(journal_step(j, "row", NULL), 0);
	assert_int_equal(journal_step(j, "config", NULL), 0);

	assert_int_equal(journal_load("create", UUID_A, &doc, NULL), 0);
	assert_true(journal_reached(doc, "row", false));
	assert_false(journal_reached(doc, "config", false));
	assert_true(journal_reached(doc, "config", true));
	assert_false(journal_reached(doc, "uid", true));
	assert_string_equal(json_member_str(doc, "by"), "me");
}

static void
nothing_is_written_before_the_first_step_and_nothing_left_at_the_end(void **state)
{
	AUTO(journal) struct journal *j = journal_new("update", UUID_A, NULL, NULL);
	json_auto_t *doc = NULL;

	assert_int_equal(journal_load("update", UUID_A, &doc, NULL), -ENOENT);
	assert_int_equal(journal_step(j, "config", NULL), 0);
	assert_int_equal(journal_end(j, NULL), 0);
	assert_int_equal(journal_load("update", UUID_A, &doc, NULL), -ENOENT);
}

static void
data_is_written_with_the_next_step(void **state)
{
	AUTO(journal) struct journal *j = journal_new("update", UUID_A, NULL, NULL);
	json_auto_t *doc = NULL;

	json_put_int(journal_data(j), "n", 5);
	assert_int_equal(journal_step(j, "config", NULL), 0);

	assert_int_equal(journal_load("update", UUID_A, &doc, NULL), 0);
	assert_int_equal(json_member_int(json_object_get(doc, "data"), "n", 0), 5);
}

static void
journal_of_a_living_process_is_live(void **state)
{
	AUTO(journal) struct journal *j = journal_new("stop", UUID_A, NULL, NULL);
	json_auto_t *doc = NULL;
	struct proc_id id = { 0 };

	assert_int_equal(journal_step(j, "halt", NULL), 0);
	assert_int_equal(journal_load("stop", UUID_A, &doc, NULL), 0);

	assert_true(journal_is_live(doc, &id));
	assert_int_equal(id.pid, getpid());
}

static int
leave_journal(struct err *err)
{
	AUTO(journal) struct journal *j = journal_new("stop", UUID_A, NULL, NULL);

	return journal_step(j, "halt", err);
}

static void
journal_of_a_dead_process_is_not_live(void **state)
{
	json_auto_t *doc = NULL;

	assert_int_equal(run_with_fault(NULL, leave_journal), 0);
	assert_int_equal(journal_load("stop", UUID_A, &doc, NULL), 0);

	assert_false(journal_is_live(doc, NULL));
}

static void
journal_of_another_boot_is_not_live(void **state)
{
	AUTO(journal) struct journal *j = journal_new("stop", UUID_A, NULL, NULL);
	json_auto_t *doc = NULL;

	assert_int_equal(journal_step(j, "halt", NULL), 0);
	assert_int_equal(journal_load("stop", UUID_A, &doc, NULL), 0);
	json_put_str(doc, "boot_id", "00000000-0000-4000-8000-000000000000");

	assert_false(journal_is_live(doc, NULL));
}

static void
text_that_is_no_journal_is_an_error(void **state)
{
	static const char *const texts[] = { "", "{", "[]", "{}", "{\"op\":\"delete\"}" };
	auto_free char *path = path_host(PATH_LIB_OPS "/" UUID_A ".create.json");

	for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
		json_auto_t *doc = NULL;
		struct err err = { 0 };

		write_file(path, texts[i]);
		assert_int_equal(journal_load("create", UUID_A, &doc, &err), -EBADMSG);
		assert_int_equal(err.code, -EBADMSG);
		assert_int_not_equal(strlen(err.msg), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ops_root_setup, ops_root_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(begun_and_done_steps_are_told_apart),
		TEST(nothing_is_written_before_the_first_step_and_nothing_left_at_the_end),
		TEST(data_is_written_with_the_next_step),
		TEST(journal_of_a_living_process_is_live),
		TEST(journal_of_a_dead_process_is_not_live),
		TEST(journal_of_another_boot_is_not_live),
		TEST(text_that_is_no_journal_is_an_error),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
