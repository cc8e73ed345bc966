#include "unit.h"

#include <errno.h>
#include <string.h>

#include "vmm/accel.h"

static void
forced_tcg_asks_nobody(void **state)
{
	struct accel a = { .kvm = true };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(accel_probe("tcg", &a, &err), 0);
	assert_false(a.kvm);
	assert_string_equal(a.reason, "configured");
}

/* Whatever this host has: auto always chooses something and says why. */
static void
auto_always_chooses(void **state)
{
	struct accel a = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(accel_probe("auto", &a, &err), 0);
	assert_true(a.reason[0] != '\0');
}

/* Forced means forced: it is used, or it is an error; never something else instead. */
static void
forced_kvm_is_kvm_or_an_error(void **state)
{
	struct accel a = { 0 };
	struct err err = { 0 };
	int r = accel_probe("kvm", &a, &err);

	(void)state;
	if (r < 0) {
		assert_string_equal(err.what, "vm.accel");
		assert_non_null(strstr(err.msg, "kvm is configured but"));
	} else {
		assert_true(a.kvm);
	}
}

static void
unknown_choice_is_refused(void **state)
{
	struct accel a = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(accel_probe("xen", &a, &err), -EINVAL);
	assert_int_equal(accel_probe(NULL, &a, &err), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forced_tcg_asks_nobody),
		cmocka_unit_test(auto_always_chooses),
		cmocka_unit_test(forced_kvm_is_kvm_or_an_error),
		cmocka_unit_test(unknown_choice_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
