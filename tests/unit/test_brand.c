/* vm/brand.c */
#include <errno.h>

#include "vm/brand.h"
#include "vm_test.h"

static void
every_brand_is_found_by_its_name(void **state)
{
	for (unsigned i = 0; i < BRAND_COUNT; i++) {
		enum brand b;

		assert_non_null(brands[i].name);
		assert_non_null(brands[i].type);
		assert_int_equal(brand_parse(brands[i].name, &b), 0);
		assert_int_equal(b, i);
		assert_true(brands[i].driver || brands[i].use_instead);
		assert_int_equal(brands[i].hvm, (BRANDS_HVM & BRAND_BIT(i)) != 0);
	}
}

static void
unknown_brand_counts_as_joyent(void **state)
{
	enum brand b;

	assert_int_equal(brand_parse("xen", &b), -EINVAL);
	assert_int_equal(brand_parse(NULL, &b), -EINVAL);
	assert_int_equal(brand_of("xen"), BRAND_JOYENT);
	assert_int_equal(brand_of(NULL), BRAND_JOYENT);
}

static void
only_kvm_can_be_created(void **state)
{
	for (unsigned i = 0; i < BRAND_COUNT; i++)
		assert_int_equal(brands[i].driver != NULL, i == BRAND_KVM);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_brand_is_found_by_its_name),
		cmocka_unit_test(unknown_brand_counts_as_joyent),
		cmocka_unit_test(only_kvm_can_be_created),
	};

	return cmocka_run_group_tests(tests, setup_json, NULL);
}
