#include "private_root.h"

#include <errno.h>

#include "base/str.h"
#include "net/nic_tag.h"

static void
user_always_exists(void **state)
{
	(void)state;
	assert_int_equal(nic_tag_find("user")->backend, NIC_BACKEND_USER);
	assert_non_null(nic_tag_find("user")->help);
	assert_null(nic_tag_find("nope"));
	assert_null(nic_tag_find(""));
	assert_null(nic_tag_find(NULL));
}

static void
each_unknown_tag_is_named(void **state)
{
	static const struct {
		const char *vm, *message; /* NULL: fine */
	} rows[] = {
		{ "{}", NULL },
		{ "{\"nics\":[]}", NULL },
		{ "{\"nics\":[{\"nic_tag\":\"user\"},{\"nic_tag\":\"user\"}]}", NULL },
		{ "{\"nics\":[{\"nic_tag\":\"a\"},{\"nic_tag\":\"user\"},{\"nic_tag\":\"b\"}]}",
		    "Invalid nic tag \"a\"; Invalid nic tag \"b\"" },
		{ "{\"nics\":[{}]}", "Invalid nic tag \"\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_auto_t *vm = json_parse(rows[i].vm, strlen(rows[i].vm), "test", NULL);
		struct err err = { 0 };
		assert_int_equal(nic_tag_check(vm, &err), rows[i].message ? -EINVAL : 0);
		if (rows[i].message)
			assert_string_equal(err.msg, rows[i].message);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(user_always_exists),
		cmocka_unit_test(each_unknown_tag_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
