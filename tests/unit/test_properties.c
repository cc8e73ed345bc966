/* vm/properties.c, vm/prop_path.c: the table and the names made from it. */
#include <errno.h>

#include "vm/properties.h"
#include "vm_test.h"

static void
check_row(const struct prop *p, bool is_member)
{
	json_auto_t *def = NULL;

	if (!p->help || p->help[strlen(p->help) - 1] != '.')
		fail_msg("%s: help is not a sentence", p->name);
	if (p->brands == 0)
		fail_msg("%s: no brand", p->name);
	if ((p->flags & PROP_ALWAYS) && !p->empty)
		fail_msg("%s: nothing to show always", p->name);
	if (p->xml != XML_NONE && !p->key)
		fail_msg("%s: no XML name", p->name);
	if (is_member && (p->xml != XML_NONE && p->xml != XML_SELF && p->xml != XML_NET_ATTR))
		fail_msg("%s: not a place of members", p->name);
	if (!is_member && (p->xml == XML_SELF || p->xml == XML_NET_ATTR))
		fail_msg("%s: a place of members", p->name);
	if ((p->type == PROP_OBJECTS) != (p->members != NULL))
		fail_msg("%s: members", p->name);
	if ((p->flags & PROP_VIRTUAL) && (!p->needs || !p->compute))
		fail_msg("%s: virtual without a source", p->name);
	if (p->def && p->type != PROP_TIME) {
		def = json_parse(p->def, strlen(p->def), p->name, NULL);
		assert_non_null(def);
	}
}

static void
check_rows(const struct prop *rows, const struct prop *parent)
{
	for (const struct prop *p = rows; p->name; p++) {
		check_row(p, parent != NULL);
		/* Found means unique: the first of two would be found for both. */
		assert_ptr_equal(parent ? prop_member(parent, p->name) : prop_find(p->name), p);
		if (p->members) {
			check_rows(p->members, p);
			assert_non_null(prop_member(p, p->identity));
			assert_non_null(p->noun);
			assert_non_null(p->order);
		}
	}
}

static void
every_row_is_whole_and_unique(void **state)
{
	check_rows(properties, NULL);
	assert_null(properties[properties_len].name);
	assert_null(prop_find("no_such_property"));
	assert_null(prop_find(""));
	assert_null(prop_member(prop_find("nics"), "path"));
}

static void
defaults_are_canonical_values_of_their_rows(void **state)
{
	for (const struct prop *p = properties; p->name; p++) {
		json_auto_t *def = NULL, *normal = NULL;
		struct err err = { 0 };

		if (!p->def || p->type == PROP_TIME)
			continue;
		def = json_parse(p->def, strlen(p->def), p->name, NULL);
		if (prop_normalise(p, def, &normal, &err) < 0)
			fail_msg("%s: %s", p->name, err.msg);
		assert_true(json_equal(def, normal));
	}
}

static void
default_list_columns_have_the_headings_of_the_reference(void **state)
{
	static const struct {
		const char *name, *heading;
		int width;
	} columns[] = {
		{ "uuid", NULL, 36 },
		{ "type", NULL, 4 },
		{ "ram", NULL, 7 },
		{ "state", NULL, 16 },
		{ "alias", NULL, 10 },
		{ "do_not_inventory", "DNI", 5 },
		{ "exit_status", "EXIT", 4 },
		{ "zonepath", NULL, 40 },
		{ "pid", NULL, 6 },
		{ "quota", NULL, 5 },
	};

	for (unsigned i = 0; i < ARRAY_LEN(columns); i++) {
		const struct prop *p = prop_find(columns[i].name);

		assert_non_null(p);
		assert_true(p->flags & PROP_LISTABLE);
		assert_true(str_eq(p->heading, columns[i].heading));
		assert_int_equal(p->width, columns[i].width);
	}
}

static void
secrets_are_known_by_name(void **state)
{
	assert_true(prop_is_secret("customer_metadata"));
	assert_true(prop_is_secret("internal_metadata"));
	assert_true(prop_is_secret("vnc_password"));
	assert_true(prop_is_secret("no_such_property"));
	assert_false(prop_is_secret("tags"));
	assert_false(prop_is_secret("load_error"));
}

static void
fields_resolve_against_the_table(void **state)
{
	static const struct {
		const char *text;
		int r;
		bool column, filter;
	} cases[] = {
		{ "ram", 0, true, true },
		{ "type", 0, true, true },
		{ "last_modified", 0, false, false },
		{ "vnc_password", 0, false, false },
		{ "nics", 0, false, false },
		{ "tags", 0, false, false },
		{ "nics.0.ip", 0, true, true },
		{ "nics.0.anything", 0, true, false },
		{ "nics.0.ips", 0, true, false },
		{ "nics.*.ip", 0, false, true },
		{ "nics.*.primary", 0, false, false },
		{ "disks.1.size", 0, true, true },
		{ "disks.*.path", 0, false, false },
		{ "tags.x", 0, true, true },
		{ "tags.x.y", 0, false, true },
		{ "customer_metadata.a", 0, true, true },
		{ "routes.a", 0, true, false },
		{ "nics.x.ip", -ENOENT, false, false },
		{ "nics.-1.ip", -ENOENT, false, false },
		{ "nics.99999999999.ip", -ENOENT, false, false },
		{ "nics.0", -ENOENT, false, false },
		{ "nics.0.", -ENOENT, false, false },
		{ "nics.", -ENOENT, false, false },
		{ "tags.", -ENOENT, false, false },
		{ "ram.x", -ENOENT, false, false },
		{ "resolvers.0", -ENOENT, false, false },
		{ "nope", -ENOENT, false, false },
		{ "", -ENOENT, false, false },
		{ ".", -ENOENT, false, false },
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct prop_path path;
		int r = prop_path_parse(cases[i].text, &path);

		if (r != cases[i].r)
			fail_msg("%s: %d", cases[i].text, r);
		if (r < 0)
			continue;
		if (prop_path_is_column(&path) != cases[i].column)
			fail_msg("%s as column", cases[i].text);
		if (prop_path_is_filter(&path) != cases[i].filter)
			fail_msg("%s as filter", cases[i].text);
		prop_path_done(&path);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_whole_and_unique),
		cmocka_unit_test(defaults_are_canonical_values_of_their_rows),
		cmocka_unit_test(default_list_columns_have_the_headings_of_the_reference),
		cmocka_unit_test(secrets_are_known_by_name),
		cmocka_unit_test(fields_resolve_against_the_table),
	};

	return cmocka_run_group_tests(tests, setup_json, NULL);
}
