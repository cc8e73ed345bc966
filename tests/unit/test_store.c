#include <errno.h>
#include <string.h>

#include "unit.h"

#include "base/buf.h"
#include "vm/compose.h"
#include "vminfod/event.h"
#include "vminfod/listing.h"
#include "vminfod/store.h"
#include "json/json.h"

#define A "aaaaaaaa-0000-4000-8000-000000000001"
#define B "bbbbbbbb-0000-4000-8000-000000000002"

static json_t *
parse(const char *text)
{
	json_t *v = json_parse(text, strlen(text), "test", NULL);

	assert_non_null(v);
	return v;
}

static enum change_kind
put(struct store *s, const char *uuid, const char *text)
{
	json_auto_t *object = text ? parse(text) : NULL;
	struct change c;
	enum change_kind kind;

	store_commit(s, uuid, object, &c);
	kind = c.kind;
	change_done(&c);
	return kind;
}

static void
expect_text(struct store *s, const char *uuid, enum view view, const char *list, const char *want)
{
	auto_buf struct buf b = BUF_INIT;
	struct fields f;

	if (list)
		assert_int_equal(fields_parse(list, &f), 0);
	store_render(store_find(s, uuid), view, list ? &f : NULL, &b);
	if (list)
		fields_done(&f);
	assert_string_equal(b.data, want);
}

static void
every_change_takes_one_seq(void **state)
{
	struct store *s = store_new();

	(void)state;
	assert_int_equal(put(s, A, "{\"uuid\":\"x\",\"ram\":1}"), CHANGE_CREATE);
	assert_int_equal(put(s, B, "{\"uuid\":\"y\"}"), CHANGE_CREATE);
	assert_int_equal(put(s, A, "{\"uuid\":\"x\",\"ram\":1}"), CHANGE_NONE);
	assert_int_equal(store_seq(s), 2);
	assert_int_equal(put(s, A, "{\"uuid\":\"x\",\"ram\":2}"), CHANGE_MODIFY);
	assert_int_equal(store_find(s, A)->seq, 3);
	assert_int_equal(store_find(s, B)->seq, 2);
	assert_int_equal(put(s, A, NULL), CHANGE_DELETE);
	assert_int_equal(put(s, A, NULL), CHANGE_NONE);
	assert_int_equal(store_seq(s), 4);
	assert_null(store_find(s, A));
	assert_int_equal(store_count(s), 1);
	assert_ptr_equal(store_at(s, 0), store_find(s, B));
	store_free(s);
}

static void
another_order_replaces_the_text_without_an_event(void **state)
{
	struct store *s = store_new();

	(void)state;
	(void)put(s, A, "{\"resolvers\":[\"1\",\"2\"]}");
	assert_int_equal(put(s, A, "{\"resolvers\":[\"2\",\"1\"]}"), CHANGE_NONE);
	assert_int_equal(store_seq(s), 1);
	expect_text(s, A, VIEW_FULL, NULL, "{\"resolvers\":[\"2\",\"1\"]}");
	store_free(s);
}

static void
changes_say_what_is_different(void **state)
{
	struct store *s = store_new();
	json_auto_t *object = parse("{\"uuid\":\"x\",\"tags\":{\"a\":1}}");
	struct change c;

	(void)state;
	(void)put(s, A, "{\"uuid\":\"x\",\"tags\":{}}");
	store_commit(s, A, object, &c);
	assert_int_equal(json_array_size(c.changes), 1);
	assert_string_equal(json_member_str(json_array_get(c.changes, 0), "prettyPath"), "tags.a");
	change_done(&c);
	store_free(s);
}

static const struct {
	const char *name, *object, *fields, *want;
} projections[] = {
	{ "order of the object", "{\"uuid\":\"x\",\"alias\":\"a\",\"ram\":1}", "ram,uuid",
	    "{\"uuid\":\"x\",\"ram\":1}" },
	{ "last member", "{\"uuid\":\"x\",\"ram\":1}", "ram", "{\"ram\":1}" },
	{ "nested values are whole", "{\"nics\":[{\"mac\":\"}\"}],\"ram\":1}", "nics",
	    "{\"nics\":[{\"mac\":\"}\"}]}" },
	{ "unknown names are ignored", "{\"uuid\":\"x\"}", "nope,,uui,uuidx", "{}" },
	{ "the same name twice", "{\"uuid\":\"x\",\"ram\":1}", "uuid,uuid", "{\"uuid\":\"x\"}" },
	{ "no names", "{\"uuid\":\"x\"}", "", "{}" },
	{ "no members", "{}", "uuid", "{}" },
	{ "members only", "{\"tags\":{\"ram\":3},\"ram\":1}", "ram", "{\"ram\":1}" },
};

static void
projection_copies_members(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(projections); i++) {
		struct store *s = store_new();

		(void)put(s, A, projections[i].object);
		print_message("# %s\n", projections[i].name);
		expect_text(s, A, VIEW_FULL, projections[i].fields, projections[i].want);
		store_free(s);
	}
}

static void
hints_of_another_object_do_not_mislead(void **state)
{
	struct store *s = store_new();
	auto_buf struct buf b = BUF_INIT;
	struct fields f;

	(void)state;
	(void)put(s, A, "{\"uuid\":\"x\",\"ram\":1}");
	(void)put(s, B, "{\"ram\":2,\"uuid\":\"y\"}");
	assert_int_equal(fields_parse("ram", &f), 0);
	store_render(store_find(s, A), VIEW_FULL, &f, &b);
	store_render(store_find(s, B), VIEW_FULL, &f, &b);
	assert_string_equal(b.data, "{\"ram\":1}{\"ram\":2}");
	fields_done(&f);
	store_free(s);
}

static void
too_many_fields_are_refused(void **state)
{
	auto_buf struct buf b = BUF_INIT;
	struct fields f;
	unsigned i;

	(void)state;
	for (i = 0; i <= FIELDS_MAX; i++)
		buf_adds(&b, "a,");
	assert_int_equal(fields_parse(b.data, &f), -E2BIG);
}

static const char *const redacted_objects[] = {
	"{\"uuid\":\"x\",\"customer_metadata\":{\"a\":\"s\"},\"tags\":{},\"internal_metadata\":{}}",
	"{\"customer_metadata\":{\"a\":\"{\"},\"ram\":1}",
	"{\"uuid\":\"x\",\"not_in_the_table\":{\"a\":1},\"nor_this\":1}",
	"{\"not_in_the_table\":1}",
	"{}",
};

/* The copy of parts must be what vm_redact() makes of the object. */
static void
redacted_view_is_that_of_the_rule(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(redacted_objects); i++) {
		struct store *s = store_new();
		json_auto_t *object = parse(redacted_objects[i]);
		json_auto_t *redacted = vm_redact(object);
		auto_free char *want = json_text(redacted);

		(void)put(s, A, redacted_objects[i]);
		expect_text(s, A, VIEW_REDACTED, NULL, want);
		store_free(s);
	}
}

static void
event_shows_a_view_what_it_may_see(void **state)
{
	struct store *s = store_new();
	json_auto_t *secret =
	    parse("{\"uuid\":\"x\",\"ram\":1,\"customer_metadata\":{\"pw\":\"s3cret\"}}");
	json_auto_t *both =
	    parse("{\"uuid\":\"x\",\"ram\":2,\"customer_metadata\":{\"pw\":\"hidden\"}}");
	AUTO(blob) struct blob *none = NULL, *line = NULL;
	struct change c;

	(void)state;
	(void)put(s, A, "{\"uuid\":\"x\",\"ram\":1,\"customer_metadata\":{}}");
	store_commit(s, A, secret, &c);
	none = event_line(&c, VIEW_REDACTED, "e", 0);
	assert_null(none);
	change_done(&c);
	store_commit(s, A, both, &c);
	line = event_line(&c, VIEW_REDACTED, "e", 0);
	assert_null(memmem(line->data, line->len, "hidden", 6));
	assert_null(memmem(line->data, line->len, "s3cret", 6));
	assert_non_null(memmem(line->data, line->len, "\"ram\"", 5));
	assert_int_equal(line->data[line->len - 1], '\n');
	change_done(&c);
	store_free(s);
}

/* --- The list of all --- */

static char *
list_text(struct listing *l, enum view view)
{
	struct snapshot *s = listing_snapshot(l, view);
	auto_buf struct buf b = BUF_INIT;
	unsigned i;

	for (i = 0; i < s->n; i++)
		buf_add(&b, s->pieces[i]->plain->data, s->pieces[i]->plain->len);
	assert_int_equal(b.len, s->len);
	snapshot_unref(s);
	return buf_take(&b);
}

static char *
expected_list(struct store *s)
{
	auto_buf struct buf b = BUF_INIT;
	unsigned i;

	buf_addc(&b, '[');
	for (i = 0; i < store_count(s); i++) {
		if (i > 0)
			buf_addc(&b, ',');
		store_render(store_at(s, i), VIEW_FULL, NULL, &b);
	}
	buf_addc(&b, ']');
	return buf_take(&b);
}

static void
change(struct store *s, struct listing *l, unsigned number, int ram)
{
	json_auto_t *object = ram < 0 ? NULL : json_pack("{s:i,s:i}", "ram", ram, "vcpus", number);
	char uuid[UUID_LEN + 1];
	struct change c;

	(void)snprintf(uuid, sizeof(uuid), "%08x-0000-4000-8000-000000000000", number);
	store_commit(s, uuid, object, &c);
	listing_changed(l, &c);
	change_done(&c);
}

static void
list_follows_every_change(void **state)
{
	struct store *s = store_new();
	struct listing *l = listing_new(s);
	unsigned i, seed = 1;

	(void)state;
	for (i = 0; i < 6000; i++) {
		auto_free char *got = NULL, *want = NULL;

		seed = seed * 1103515245 + 12345;
		change(s, l, (seed >> 16) % 2500, (seed >> 8) % 5 == 0 ? -1 : (int)(seed >> 20));
		if (i % 97 != 0)
			continue;
		got = list_text(l, VIEW_FULL);
		want = expected_list(s);
		assert_string_equal(got, want);
	}
	listing_free(l);
	store_free(s);
}

static void
snapshot_stays_as_it_was(void **state)
{
	struct store *s = store_new();
	struct listing *l = listing_new(s);
	struct snapshot *old;
	AUTO(blob) struct blob *escaped = NULL;

	(void)state;
	change(s, l, 1, 10);
	old = listing_snapshot(l, VIEW_FULL);
	change(s, l, 1, 20);
	listing_trim(l);
	listing_trim(l);
	escaped = snapshot_escaped(old, 0);
	assert_memory_equal(escaped->data, "[{\\\"ram\\\":10", 11);
	snapshot_unref(old);
	listing_free(l);
	store_free(s);
}

static int
setup(void **state)
{
	(void)state;
	json_setup();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_change_takes_one_seq),
		cmocka_unit_test(another_order_replaces_the_text_without_an_event),
		cmocka_unit_test(changes_say_what_is_different),
		cmocka_unit_test(projection_copies_members),
		cmocka_unit_test(hints_of_another_object_do_not_mislead),
		cmocka_unit_test(too_many_fields_are_refused),
		cmocka_unit_test(redacted_view_is_that_of_the_rule),
		cmocka_unit_test(event_shows_a_view_what_it_may_see),
		cmocka_unit_test(list_follows_every_change),
		cmocka_unit_test(snapshot_stays_as_it_was),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
