#include "vmadm/usage.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

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
	usage_command(f, c);
	(void)fprintf(f, "\n%s\n", c->help);
	if (c->alias)
		(void)fprintf(f, "Alias: %s\n", c->alias);
	(void)fputs("\nOptions:\n", f);
	options_print(f, c->options);
	options_print(f, global_options);
}
