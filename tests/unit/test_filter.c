/* vm/filter.c, vm/sort.c */
#include <errno.h>

#include "vm/filter.h"
#include "vm_test.h"

#define OBJ                                                                                        \
	"{'uuid':'u1','ram':512,'autoboot':false,'hvm':true,'alias':'Web.1','type':'KVM','zoneid'" \
	":null,"                                                                                   \
	"'tags':{'role':'db','n':5,'dot.ted':'x','t':true},'quota':0,"                             \
	"'nics':[{'mac':'02:00:00:00:00:01','ip':'10.0.0.1'},{'mac':'02:00:00:00:00:0a','vlan_id'" \
	":3}]}"

static void
conditions_match_text_of_values(void **state)
{
	static const struct {
		const char *words[3];
		bool want;
	} cases[] = {
		{ { "ram=512" }, true },
		{ { "ram=51" }, false },
		{ { "alias=Web.1" }, true },
		{ { "alias=web.1" }, false },
		{ { "alias=~^web\\.\\d$" }, true },
		{ { "alias=~B" }, true },
		{ { "alias=~\\u0057eb" }, true },
		{ { "autoboot=false" }, true },
		{ { "autoboot=" }, false },
		{ { "hvm=true" }, true },
		{ { "zoneid=null" }, false },
		{ { "zoneid=" }, false },
		{ { "hostname=" }, false },
		{ { "hostname=~.*" }, false },
		{ { "quota=0" }, true },
		{ { "type=KVM" }, true },
		{ { "tags.role=db" }, true },
		{ { "tags.n=5" }, true },
		{ { "tags.t=true" }, true },
		{ { "tags.dot.ted=x" }, true },
		{ { "tags.nope=" }, false },
		{ { "nics.*.mac=2:0:0:0:0:A" }, true },
		{ { "nics.0.mac=2:0:0:0:0:A" }, false },
		{ { "nics.*.mac=nonsense" }, false },
		{ { "nics.1.vlan_id=3" }, true },
		{ { "nics.*.ip=~^10\\." }, true },
		{ { "nics.9.ip=~." }, false },
		{ { "disks.*.size=~." }, false },
		{ { "ram=512", "hvm=true" }, true },
		{ { "ram=512", "hvm=false" }, false },
		{ { "ram=1", "ram=512" }, true },
		{ { "alias==" }, false },
	};
	json_auto_t *obj = J(OBJ);

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(vm_filter) struct vm_filter *f = NULL;
		struct err err = { 0 };

		for (unsigned w = 0; cases[i].words[w]; w++) {
			if (vm_filter_add(&f, cases[i].words[w], "filter", &err) < 0)
				fail_msg("%s: %s", cases[i].words[w], err.msg);
		}
		if (vm_filter_match(f, obj) != cases[i].want)
			fail_msg("%s", cases[i].words[0]);
	}
	assert_true(vm_filter_match(NULL, obj));
}

static void
words_that_are_no_conditions_are_refused(void **state)
{
	static const struct {
		const char *word, *kind, *sentence;
	} cases[] = {
		{ "nope=1", "filter", "Invalid filter key: \"nope\"" },
		{ "nope=1", "lookup", "Invalid lookup key: \"nope\"" },
		{ "ram!=1", "filter", "Invalid filter key: \"ram!\"" },
		{ "nics.*.ips=1", "filter", "Invalid filter key: \"nics.*.ips\"" },
		{ "routes.a=1", "filter", "Invalid filter key: \"routes.a\"" },
		{ "vnc_password=1", "filter", "Invalid filter key: \"vnc_password\"" },
		{ "=1", "filter", "Invalid filter key: \"\"" },
		{ "ram", "filter", "not key=value" },
		{ "ram=~(", "filter", "Invalid pattern" },
		{ "ram=~(*UTF)\xff", "filter", "Invalid pattern" },
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(vm_filter) struct vm_filter *f = NULL;
		struct err err = { 0 };

		assert_int_equal(vm_filter_add(&f, cases[i].word, cases[i].kind, &err), -EINVAL);
		if (!strstr(err.msg, cases[i].sentence))
			fail_msg("%s: %s", cases[i].word, err.msg);
	}
}

static void
hostile_pattern_ends_at_its_limit(void **state)
{
	AUTO(vm_filter) struct vm_filter *f = NULL;
	json_auto_t *obj = json_object();
	char text[2001];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	json_put_str(obj, "alias", text);
	assert_int_equal(vm_filter_add(&f, "alias=~^(a+)+$b", "filter", NULL), 0);
	assert_false(vm_filter_match(f, obj));
}

static void
cells_show_text_of_values(void **state)
{
	static const struct {
		const char *field, *want; /* NULL: nothing */
	} cases[] = {
		{ "ram", "512" },
		{ "quota", "0" },
		{ "hvm", "true" },
		{ "autoboot", NULL },
		{ "zoneid", NULL },
		{ "hostname", NULL },
		{ "tags.role", "db" },
		{ "tags.none", NULL },
		{ "nics.1.mac", "02:00:00:00:00:0a" },
		{ "nics.*.vlan_id", "3" },
		{ "nics.2.mac", NULL },
		{ "resolvers", "1.1.1.1,8.8.8.8" },
	};
	json_auto_t *obj = J(OBJ);

	json_put(obj, "resolvers", J("['1.1.1.1','8.8.8.8']"));
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		auto_buf struct buf b = BUF_INIT;
		struct prop_path path;
		bool has;

		assert_int_equal(prop_path_parse(cases[i].field, &path), 0);
		has = vm_field_text(&path, obj, &b);
		prop_path_done(&path);
		if (has != (cases[i].want != NULL) || (has && !str_eq(b.data, cases[i].want)))
			fail_msg("%s: %s", cases[i].field, b.data ? b.data : "");
	}
}

static void
append_name(void *arg, const char *name)
{
	buf_addf(arg, "%s ", name);
}

static void
needed_members_are_named(void **state)
{
	AUTO(vm_filter) struct vm_filter *f = NULL;
	AUTO(vm_sort) struct vm_sort *s = NULL;
	auto_buf struct buf b = BUF_INIT;

	assert_int_equal(vm_filter_add(&f, "type=KVM", "filter", NULL), 0);
	assert_int_equal(vm_filter_add(&f, "nics.*.ip=x", "filter", NULL), 0);
	assert_int_equal(vm_sort_parse("-type,tags.a", &s, NULL), 0);
	vm_filter_fields(f, append_name, &b);
	vm_sort_fields(s, append_name, &b);
	assert_string_equal(b.data, "brand nics brand tags ");
}

static void
objects_are_sorted_by_keys(void **state)
{
	static const struct {
		const char *keys, *objects, *want; /* uuids */
	} cases[] = {
		{ "ram", "[{'uuid':'a','ram':10},{'uuid':'b','ram':9},{'uuid':'c','ram':100}]",
		    "bac" },
		{ "-ram", "[{'uuid':'a','ram':10},{'uuid':'b','ram':9},{'uuid':'c','ram':100}]",
		    "cab" },
		{ "ram,-alias",
		    "[{'uuid':'a','ram':1,'alias':'x'},{'uuid':'b','ram':1,'alias':'y'},{'uuid':'c'"
		    ",'ram':0}]",
		    "cba" },
		{ "ram", "[{'uuid':'a'},{'uuid':'b','ram':1},{'uuid':'c','ram':null}]", "bac" },
		{ "-ram", "[{'uuid':'b','ram':1},{'uuid':'a'}]", "ab" },
		{ "+autoboot",
		    "[{'uuid':'a','autoboot':false},{'uuid':'b','autoboot':true},{'uuid':'c'}]",
		    "bac" },
		{ "alias",
		    "[{'uuid':'a','alias':'b'},{'uuid':'b','alias':'B'},{'uuid':'c','alias':''}]",
		    "bac" },
		{ "alias", "[{'uuid':'a','alias':'\\uff5e'},{'uuid':'b','alias':'\\ud83d\\ude00'}]",
		    "ba" },
		{ "ram", "[{'uuid':'a','ram':1},{'uuid':'b','ram':1},{'uuid':'c','ram':1}]",
		    "abc" },
		{ "nics.0.vlan_id",
		    "[{'uuid':'a','nics':[{'vlan_id':2}]},{'uuid':'b','nics':[{'vlan_id':1.5}]}]",
		    "ba" },
		{ "", "[{'uuid':'a'},{'uuid':'b'}]", "ab" },
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(vm_sort) struct vm_sort *s = NULL;
		json_auto_t *list = J(cases[i].objects);
		auto_buf struct buf b = BUF_INIT;
		json_t *objs[3] = { NULL };
		unsigned n = (unsigned)json_array_size(list);

		for (unsigned k = 0; k < n; k++)
			objs[k] = json_array_get(list, k);
		assert_int_equal(vm_sort_parse(cases[i].keys, &s, NULL), 0);
		vm_sort_apply(s, objs, n);
		for (unsigned k = 0; k < n; k++)
			buf_adds(&b, json_member_str(objs[k], "uuid"));
		if (!str_eq(b.data, cases[i].want))
			fail_msg("%s %s: %s", cases[i].keys, cases[i].objects, b.data);
	}
}

static void
bad_sort_keys_are_refused(void **state)
{
	static const struct {
		const char *keys, *sentence;
	} cases[] = {
		{ "nope", "invalid sort field: nope" },
		{ "ram,-nope", "invalid sort field: nope" },
		{ "resolvers", "invalid sort field: resolvers" },
		{ "nics.*.ip", "Invalid sort key: \"nics.*.ip\"" },
		{ "ram,,uuid", "invalid sort field: " },
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(vm_sort) struct vm_sort *s = NULL;
		struct err err = { 0 };

		assert_int_equal(vm_sort_parse(cases[i].keys, &s, &err), -EINVAL);
		assert_string_equal(err.msg, cases[i].sentence);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conditions_match_text_of_values),
		cmocka_unit_test(words_that_are_no_conditions_are_refused),
		cmocka_unit_test(hostile_pattern_ends_at_its_limit),
		cmocka_unit_test(cells_show_text_of_values),
		cmocka_unit_test(needed_members_are_named),
		cmocka_unit_test(objects_are_sorted_by_keys),
		cmocka_unit_test(bad_sort_keys_are_refused),
	};

	return cmocka_run_group_tests(tests, setup_json, NULL);
}
