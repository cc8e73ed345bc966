/*
 * Copies a manual page and puts the property table where it says `.\" PROPERTIES`, so that a new
 * property is described by its row alone. Used by the build: properties man/vmadm.1 > vmadm.1
 */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "vm/properties.h"

#define MARKER ".\\\" PROPERTIES\n"

static const char *const type_names[PROP_TYPE_COUNT] = {
	[PROP_STRING] = "text",
	[PROP_INT] = "integer",
	[PROP_BOOL] = "boolean",
	[PROP_UUID] = "UUID",
	[PROP_LIST] = "list of texts",
	[PROP_MAP] = "flat object",
	[PROP_OBJECTS] = "array of objects",
	[PROP_TIME] = "time",
	[PROP_JSON] = "JSON",
};

static const char *const update_names[] = {
	[UPDATE_NO] = NULL,
	[UPDATE_META] = "update at once",
	[UPDATE_LIVE] = "update at once",
	[UPDATE_BOOT] = "update at the next boot",
	[UPDATE_VERB] = "update by verbs",
};

static void
print_values(const char *const *values)
{
	(void)fputs("One of", stdout);
	for (; *values; values++)
		(void)printf(" %s%s", *values, values[1] ? "," : ".\n");
}

static void
print_property(const char *array, const struct prop *p)
{
	(void)printf(
	    ".It Va %s%s%s Pq %s", array, *array ? ".*." : "", p->name, type_names[p->type]);
	if (p->unit)
		(void)printf(", %s", p->unit);
	if (p->flags & PROP_REQUIRED)
		(void)fputs("; required", stdout);
	else if (p->flags & PROP_CREATE)
		(void)fputs("; create", stdout);
	if (update_names[p->update])
		(void)printf("; %s", update_names[p->update]);
	if (p->flags & PROP_LISTABLE)
		(void)fputs("; field", stdout);
	(void)printf("\n%s\n", p->help);
	if (p->values)
		print_values(p->values);
	if (p->def && p->type != PROP_TIME)
		(void)printf("Default: %s.\n", p->def);
	if (p->flags & PROP_SECRET)
		(void)fputs("Shown to root and the vmnode group only.\n", stdout);
	for (const struct prop *m = p->members; m && m->name; m++)
		print_property(p->name, m);
}

static void
print_table(void)
{
	(void)fputs(".Bl -tag -width Ds\n", stdout);
	for (const struct prop *p = properties; p->name; p++)
		print_property("", p);
	(void)fputs(".El\n", stdout);
}

int
main(int argc, char **argv)
{
	auto_fclose FILE *page = argc == 2 ? fopen(argv[1], "re") : NULL;
	char line[4096];
	bool found = false;

	if (!page)
		return 2;
	while (fgets(line, sizeof(line), page)) {
		if (strcmp(line, MARKER) == 0) {
			print_table();
			found = true;
		} else {
			(void)fputs(line, stdout);
		}
	}
	return found && fflush(stdout) == 0 ? 0 : 1;
}
