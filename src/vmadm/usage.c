#include "vmadm/usage.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/xmalloc.h"

static unsigned
count_rows(const struct option_row *rows)
{
	unsigned n = 0;

	while (rows[n].letter || rows[n].name)
		n++;
	return n;
}

struct option_row *
usage_rows(const struct command *c, unsigned *ret_own)
{
	unsigned own = count_rows(c->options), global = count_rows(global_options);
	struct option_row *rows = xcalloc(own + global + 1, sizeof(*rows));

	memcpy(rows, c->options, own * sizeof(*rows));
	memcpy(rows + own, global_options, global * sizeof(*rows));
	for (unsigned i = 0; i < own; i++) {
		for (unsigned k = own; k < own + global; k++) {
			assert(!rows[i].name || !str_eq(rows[i].name, rows[k].name));
			if (rows[i].letter == rows[k].letter)
				rows[k].letter = 0;
		}
	}
	*ret_own = own;
	return rows;
}

/* Each form of the command on a line of its own. */
static void
print_forms(FILE *f, const char *before, const struct command *c)
{
	const char *form = c->usage;

	do {
		size_t len = strcspn(form, "\n");

		(void)fprintf(
		    f, "%s%s%s%.*s\n", before, c->name, len > 0 ? " " : "", (int)len, form);
		form += len;
	} while (*form++ == '\n');
}

void
usage_all(FILE *f)
{
	(void)fprintf(f, "Usage: %s <command> [options]\n\n", program_invocation_name);
	for (unsigned i = 0; commands[i]; i++)
		if (commands[i] != &cmd_help)
			print_forms(f, "", commands[i]);
	(void)fputs("\nOptions of every command, before or after the command word:\n", f);
	options_print(f, global_options);
	(void)fputs("\n'vmadm <command> --help' shows the options of a command; the manual page is "
	            "vmadm(1).\n",
	    f);
}

void
usage_command(FILE *f, const struct command *c)
{
	(void)fputs("Usage:\n", f);
	print_forms(f, "  vmadm ", c);
}

void
usage_help(FILE *f, const struct command *c)
{
	unsigned own;
	auto_free struct option_row *rows = usage_rows(c, &own);

	usage_command(f, c);
	(void)fprintf(f, "\n%s\n", c->help);
	if (c->alias)
		(void)fprintf(f, "Alias: %s\n", c->alias);
	(void)fputs("\nOptions:\n", f);
	options_print(f, rows);
}
