#include <errno.h>
#include <string.h>

#include "unit.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/options.h"

static const struct option_row rows[] = {
	{ 'h', "help", NULL, "Print this and exit." },
	{ 'p', NULL, NULL, "A letter only." },
	{ 'o', "output", "FIELDS", "With an argument." },
	{ 0, "root", "DIR", "Long only." },
	{ 0, "room", NULL, "Begins alike." },
	{ 0, "a-name-that-leaves-no-room", "ARGUMENT", "On its own line." },
	{ 0 },
};

/* "h o=x -=operand", or the sentence of the error. */
static char *
parse(const char *line, bool posix)
{
	char **argv auto_strv = words_split(line);
	struct option_found *found = NULL;
	struct buf b auto_buf = BUF_INIT;
	struct err err = { 0 };
	unsigned n = 0;

	if (options_parse((int)strv_len(argv), argv, rows, posix, &found, &n, &err) < 0)
		return xstrdup(err.msg);
	for (unsigned i = 0; i < n; i++) {
		const struct option_row *row = found[i].row < 0 ? NULL : &rows[found[i].row];

		buf_adds(&b, i > 0 ? " " : "");
		if (row && row->letter)
			buf_addc(&b, row->letter);
		else
			buf_adds(&b, row ? row->name : "-");
		if (found[i].value)
			buf_addf(&b, "=%s", found[i].value);
	}
	free(found);
	return buf_take(&b);
}

static void
command_lines_give_what_they_say(void **state)
{
	static const struct {
		const char *line;
		bool posix;
		const char *found;
	} cases[] = {
		{ "prog", false, "" },
		{ "prog -h", false, "h" },
		{ "prog --help", false, "h" },
		{ "prog --he", false, "h" },
		{ "prog -hpo x", false, "h p o=x" },
		{ "prog -ox", false, "o=x" },
		{ "prog --output=x --output y", false, "o=x o=y" },
		{ "prog --output=", false, "o=" },
		{ "prog a -h b --root r c", false, "h root=r -=a -=b -=c" },
		{ "prog a -h b", true, "-=a -=-h -=b" },
		{ "prog -h a -p", true, "h -=a -=-p" },
		{ "prog -h -- -p a", false, "h -=-p -=a" },
		{ "prog a -- -p", false, "-=a -=-p" },
		{ "prog a -- -p", true, "-=a -=-- -=-p" },
		{ "prog -", false, "-=-" },
		{ "prog -o -- -h", false, "o=-- h" },
		{ "prog -x", false, "illegal option -- x" },
		{ "prog -hx", false, "illegal option -- x" },
		{ "prog --foo", false, "unknown option \"--foo\"" },
		{ "prog --foo=secret", false, "unknown option \"--foo\"" },
		{ "prog --ro r", false, "option \"--ro\" is ambiguous" },
		{ "prog -o", false, "option -o needs an argument" },
		{ "prog --root", false, "option --root needs an argument" },
		{ "prog --output", false, "option --output needs an argument" },
		{ "prog --help=x", false, "option --help takes no argument" },
		{ "prog -\xff", false, "illegal option -- \\xff" },
	};

	/* Twice: a call must not see what the one before left. */
	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		size_t k = i % ARRAY_LEN(cases);
		char *found auto_free = parse(cases[k].line, cases[k].posix);

		if (!str_eq(found, cases[k].found))
			fail_row(cases[k].line, "gave: %s", found);
	}
}

static void
environment_does_not_change_the_rules(void **state)
{
	char *found auto_free = NULL;

	assert_int_equal(setenv("POSIXLY_CORRECT", "1", 1), 0);
	found = parse("prog a -h", false);
	assert_string_equal(found, "h -=a");
	assert_int_equal(unsetenv("POSIXLY_CORRECT"), 0);
}

static void
arguments_are_left_in_their_order(void **state)
{
	char **argv auto_strv = words_split("prog a -h b");
	struct option_found *found auto_free = NULL;
	char *joined auto_free = NULL;
	unsigned n;

	assert_int_equal(options_parse(4, argv, rows, false, &found, &n, NULL), 0);
	joined = strv_join(argv, " ");
	assert_string_equal(joined, "prog a -h b");
	assert_ptr_equal(found[1].value, argv[1]);
}

static void
help_is_a_column(void **state)
{
	static const char expected[] = "  -h, --help              Print this and exit.\n"
	                               "  -p                      A letter only.\n"
	                               "  -o, --output FIELDS     With an argument.\n"
	                               "      --root DIR          Long only.\n"
	                               "      --room              Begins alike.\n"
	                               "      --a-name-that-leaves-no-room ARGUMENT\n"
	                               "                          On its own line.\n";
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	options_print(f, rows);
	assert_int_equal(fclose(f), 0);
	assert_string_equal(text, expected);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_lines_give_what_they_say),
		cmocka_unit_test(environment_does_not_change_the_rules),
		cmocka_unit_test(arguments_are_left_in_their_order),
		cmocka_unit_test(help_is_a_column),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
