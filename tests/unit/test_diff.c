/* vm/diff.c, vm/patch.c: the rules of vminfod.md 6. */
#include <stdio.h>
#include <time.h>

#include "vm/diff.h"
#include "vm_test.h"

/* "action prettyPath old>new @ident;" per change. */
static char *
brief(const json_t *changes)
{
	auto_buf struct buf b = BUF_INIT;
	const json_t *c;
	size_t i;

	json_array_foreach (changes, i, c) {
		static const char *const values[] = { "oldValue", "newValue", "ident" };

		buf_addf(
		    &b, "%s %s", json_member_str(c, "action"), json_member_str(c, "prettyPath"));
		for (unsigned v = 0; v < ARRAY_LEN(values); v++) {
			const json_t *value = json_object_get(c, values[v]);

			buf_addf(&b, " %c", "<>@"[v]);
			if (value)
				json_write(&b, value, 0);
		}
		buf_addc(&b, ';');
	}
	for (size_t j = 0; j < b.len; j++)
		b.data[j] = b.data[j] == '"' ? '\'' : b.data[j];
	return buf_take(&b);
}

static const struct diff_identity disks_by_path[] = { { "disks", "path" }, { NULL, NULL } };

static void
changes_follow_the_rules(void **state)
{
	static const struct {
		const char *a, *b, *want;
	} cases[] = {
		/* Sameness. */
		{ "{'a':1,'b':[1,{'c':2}],'d':null}", "{'d':null,'b':[1,{'c':2}],'a':1.0}", "" },
		{ "{'a':1}", "{'a':'1'}", "changed a <1 >'1' @;" },
		{ "{'a':true}", "{'a':1}", "changed a <true >1 @;" },
		{ "{'a':null}", "{'a':1}", "changed a <null >1 @;" },
		{ "{'a':1}", "{'a':null}", "changed a <1 >null @;" },
		{ "{'a':{}}", "{'a':5}", "changed a <{} >5 @;" },
		{ "{'a':[]}", "{'a':'x'}", "changed a <[] >'x' @;" },
		{ "{'a':null}", "{'a':{'b':1}}", "changed a <null >{'b':1} @;" },
		{ "{'a':[1]}", "{'a':null}", "changed a <[1] >null @;" },
		/* Objects: order of keys, removed and changed before added. */
		{ "{'z':1,'a':1,'k':2}", "{'n':0,'a':2,'k':2,'m':0}",
		    "removed z <1 > @;changed a <1 >2 @;added n < >0 @;added m < >0 @;" },
		{ "{'a':{'b':{'c':1}}}", "{'a':{'b':{'c':2,'d':3}}}",
		    "changed a.b.c <1 >2 @;added a.b.d < >3 @;" },
		{ "{'a':{'b':1}}", "{}", "removed a <{'b':1} > @;" },
		/* Array against object: indices are keys. */
		{ "{'a':['x','y']}", "{'a':{'0':'x','k':1}}",
		    "removed a.1 <'y' > @;added a.k < >1 @;" },
		{ "{'a':[]}", "{'a':{}}", "" },
		/* Arrays are sets of texts. */
		{ "{'a':[1,2]}", "{'a':[2,1]}", "" },
		{ "{'a':[1,1]}", "{'a':[1]}", "" },
		{ "{'a':[1,2]}", "{'a':[2,3,3]}",
		    "removed a.* <1 > @;added a.* < >3 @;added a.* < >3 @;" },
		{ "{'a':[{'x':1,'y':2}]}", "{'a':[{'y':2,'x':1}]}",
		    "removed a.* <{'x':1,'y':2} > @;added a.* < >{'y':2,'x':1} @;" },
		{ "{'a':[[1,2]]}", "{'a':[[2,1]]}",
		    "removed a.* <[1,2] > @;added a.* < >[2,1] @;" },
		{ "{'a':[1]}", "{'a':['1']}", "removed a.* <1 > @;added a.* < >'1' @;" },
		{ "[1]", "[2]", "removed * <1 > @;added * < >2 @;" },
		{ "{'other':[{'path':'p','x':1}]}", "{'other':[{'path':'p','x':2}]}",
		    "removed other.* <{'path':'p','x':1} > @;added other.* < >{'path':'p','x':2} "
		    "@;" },
		/* Identity. */
		{ "{'disks':[{'path':'p','x':1}]}", "{'disks':[{'path':'p','x':2}]}",
		    "changed disks.*.x <1 >2 @'p';" },
		{ "{'disks':[{'path':'p','x':1}]}", "{'disks':[{'x':1,'path':'p'}]}", "" },
		{ "{'disks':[{'path':'p','x':1},{'path':'q'}]}",
		    "{'disks':[{'path':'r'},{'path':'p','y':2}]}",
		    "removed disks.* <{'path':'q'} > @;removed disks.*.x <1 > @'p';added disks.*.y "
		    "< >2 @'p';"
		    "added disks.* < >{'path':'r'} @;" },
		{ "{'disks':[{'x':1}]}", "{'disks':[{'x':2}]}", "changed disks.*.x <1 >2 @;" },
		{ "{'disks':[{'path':'p','x':1},{'path':'p','x':2}]}",
		    "{'disks':[{'path':'p','x':3},{'path':'p','x':4}]}",
		    "changed disks.*.x <1 >3 @'p';changed disks.*.x <2 >4 @'p';" },
		{ "{'disks':[{'path':1,'x':1}]}", "{'disks':[{'path':'1','x':1}]}",
		    "removed disks.* <{'path':1,'x':1} > @;added disks.* < >{'path':'1','x':1} "
		    "@;" },
		{ "{'disks':['a']}", "{'disks':['b',{'x':1}]}",
		    "removed disks.* <'a' > @;added disks.* < >'b' @;added disks.* < >{'x':1} @;" },
		{ "{'disks':[{'path':'p','l':[1,2]}]}", "{'disks':[{'path':'p','l':[2,3]}]}",
		    "removed disks.*.l.* <1 > @'p';added disks.*.l.* < >3 @'p';" },
		{ "{'a':{'disks':[{'path':'p','x':1}]}}", "{'a':{'disks':[{'path':'p','x':2}]}}",
		    "removed a.disks.* <{'path':'p','x':1} > @;added a.disks.* < "
		    ">{'path':'p','x':2} @;" },
		/* Pretty paths. */
		{ "{'a.b':1}", "{'a.b':2}", "changed [a.b] <1 >2 @;" },
		{ "{'tags':{'dots.a[b]':1}}", "{'tags':{}}",
		    "removed tags[dots.a\\[b\\]] <1 > @;" },
		{ "{'e':{'f.g':{'h':1}}}", "{'e':{'f.g':{'h':2}}}", "changed e[f.g].h <1 >2 @;" },
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		json_auto_t *a = J(cases[i].a), *b = J(cases[i].b),
		            *changes = json_diff(a, b, disks_by_path);
		auto_free char *got = brief(changes);

		if (!str_eq(got, cases[i].want))
			fail_msg("%s -> %s:\n got %s\nwant %s", cases[i].a, cases[i].b, got,
			    cases[i].want);
	}
}

static void
change_objects_have_the_members_in_order(void **state)
{
	json_auto_t *a = J("{'nics':[{'mac':'m','ip':1}]}"),
	            *b = J("{'nics':[{'mac':'m','ip':2}]}");
	json_auto_t *changes = vm_diff(a, b);

	assert_json_text("changes", changes,
	    "[{'prettyPath':'nics.*.ip','path':['nics',null,'ip'],'action':'changed','oldValue':1,'"
	    "newValue':2,'ident':'m'}]");
}

static void
without_identities_elements_are_replaced(void **state)
{
	json_auto_t *a = J("{'disks':[{'path':'p','n':'x'}]}"),
	            *b = J("{'disks':[{'path':'p','n':'y'}]}");
	json_auto_t *changes = json_diff(a, b, NULL);

	assert_int_equal(json_array_size(changes), 2);
}

/* --- Property: the old object with the changes is the new one --- */

static unsigned random_state;

static unsigned
random_below(unsigned n)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % n;
}

static json_t *
random_scalar(void)
{
	static const char *const texts[] = { "", "a", "b.c", "[x]" };

	switch (random_below(4)) {
	case 0:
		return json_integer(random_below(4));
	case 1:
		return json_boolean(random_below(2));
	case 2:
		return json_null();
	default:
		return json_string(texts[random_below(ARRAY_LEN(texts))]);
	}
}

static json_t *random_value(unsigned depth);

static json_t *
random_object(unsigned depth)
{
	static const char *const keys[] = { "a", "b", "c.d", "e[f]", "*" };
	json_t *out = json_object();

	for (unsigned i = random_below(5); i > 0; i--)
		json_object_set_new(
		    out, keys[random_below(ARRAY_LEN(keys))], random_value(depth + 1));
	return out;
}

/* The kind depends on nothing random: array <-> object has no faithful diff (vminfod.md 6.3). */
static json_t *
random_value(unsigned depth)
{
	json_t *list;

	if (depth > 3 || random_below(2))
		return random_scalar();
	if (depth % 2 == 0)
		return random_object(depth);
	list = json_array();
	for (unsigned i = random_below(4); i > 0; i--)
		json_array_append_new(list, random_value(depth + 1));
	return list;
}

/* Elements with different identities. */
static json_t *
random_elements(const char *identity)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < 4; i++) {
		json_t *element;

		if (random_below(2))
			continue;
		element = random_object(2);
		json_put_int(element, identity, i);
		json_array_insert_new(
		    list, random_below((unsigned)json_array_size(list) + 1), element);
	}
	return list;
}

static json_t *
random_vm(void)
{
	json_t *vm = json_object();

	json_put_int(vm, "ram", random_below(3));
	json_put(vm, "tags", random_object(0));
	json_put(vm, "nics", random_elements("mac"));
	json_put(vm, "disks", random_elements("path"));
	if (random_below(2))
		json_put(vm, "alias", random_scalar());
	return vm;
}

/* Array elements as sorted texts without repetition, in objects sorted by key: what the diff
 * compares. */
static int
compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *
as_set(const json_t *v)
{
	auto_buf struct buf b = BUF_INIT;
	char **parts = NULL;
	const char *key;
	json_t *member;
	size_t i;

	if (!json_is_object(v) && !json_is_array(v))
		return json_text(v);
	json_object_foreach ((json_t *)(uintptr_t)v, key, member) {
		auto_free char *text = as_set(member);

		parts = strv_push(parts, xasprintf("%s=%s", key, text));
	}
	json_array_foreach (v, i, member)
		parts = strv_push(parts, as_set(member));
	if (parts)
		qsort(parts, strv_len(parts), sizeof(*parts), compare_texts);
	buf_adds(&b, json_is_object(v) ? "{" : "[");
	for (i = 0; parts && parts[i]; i++) {
		if (json_is_array(v) && i > 0 && str_eq(parts[i], parts[i - 1]))
			continue;
		buf_addf(&b, "%s,", parts[i]);
	}
	strv_free(parts);
	return buf_take(&b);
}

static void
old_object_with_the_changes_is_the_new_one(void **state)
{
	for (random_state = 1; random_state < 3000000000u; random_state += 1000003) {
		unsigned seed = random_state;
		json_auto_t *a = random_vm(), *b = random_vm(), *changes = vm_diff(a, b),
		            *patched = vm_patch(a, changes);
		auto_free char *got = patched ? as_set(patched) : NULL, *want = as_set(b);

		if (!str_eq(got, want)) {
			auto_free char *ta = json_text(a), *tb = json_text(b),
			               *tc = json_text(changes);

			fail_msg(
			    "seed %u: %s -> %s: %s gives %s", seed, ta, tb, tc, str_or_empty(got));
		}
		random_state = seed;
	}
}

static void
change_that_does_not_fit_is_refused(void **state)
{
	static const char *const changes[] = {
		"[{'path':['ram'],'action':'changed','oldValue':9,'newValue':1}]",
		"[{'path':['nope'],'action':'removed','oldValue':9}]",
		"[{'path':['nics',null],'action':'removed','oldValue':9}]",
		"[{'path':['nics',null,'x'],'action':'added','newValue':9,'ident':'no'}]",
		"[{'path':['a','b'],'action':'added','newValue':9}]",
		"[{'path':[],'action':'added','newValue':9}]",
		"[{}]",
		"[5]",
	};
	json_auto_t *vm = J("{'ram':1,'nics':[]}");

	for (unsigned i = 0; i < ARRAY_LEN(changes); i++) {
		json_auto_t *c = J(changes[i]), *patched = vm_patch(vm, c);

		if (patched)
			fail_msg("%s", changes[i]);
	}
}

/* Quadratic work would take minutes here. */
static void
big_objects_and_arrays_are_compared_quickly(void **state)
{
	json_auto_t *a = J("{'tags':{},'nics':[],'list':[]}"), *b = json_deep_copy(a),
	            *changes = NULL;
	clock_t start = clock();

	for (int i = 0; i < 100000; i++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "k%d", i);
		json_put_int(json_object_get(a, "tags"), key, i);
		json_put_int(json_object_get(b, "tags"), key, i + 1);
	}
	for (int i = 0; i < 20000; i++) {
		json_array_append_new(
		    json_object_get(a, "nics"), json_pack("{s:i,s:i}", "mac", i, "x", 1));
		json_array_append_new(
		    json_object_get(b, "nics"), json_pack("{s:i,s:i}", "mac", i, "x", 2));
		json_array_append_new(json_object_get(a, "list"), json_integer(i));
		json_array_append_new(json_object_get(b, "list"), json_integer(i + 20000));
	}
	changes = vm_diff(a, b);
	assert_int_equal(json_array_size(changes), 100000 + 20000 + 40000);
	assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_follow_the_rules),
		cmocka_unit_test(change_objects_have_the_members_in_order),
		cmocka_unit_test(without_identities_elements_are_replaced),
		cmocka_unit_test(old_object_with_the_changes_is_the_new_one),
		cmocka_unit_test(change_that_does_not_fit_is_refused),
		cmocka_unit_test(big_objects_and_arrays_are_compared_quickly),
	};

	return cmocka_run_group_tests(tests, setup_json, NULL);
}
