#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "unit.h"

#include "base/cleanup.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/paths.h"

/* Every test has a private root whose /etc/vmnode is there. */
static int
setup(void **state)
{
	char *etc auto_free = NULL;

	*state = unit_dir();
	assert_int_equal(paths_init(*state, NULL), 0);
	etc = path_host("/etc/vmnode");
	return fs_mkdir_p(etc, UNIT_OWNER(0755), NULL);
}

static int
load_text(const char *text, size_t len, struct err *err)
{
	char *path auto_free = path_host(PATH_CONF);

	assert_int_equal(fs_replace(path, text, len, UNIT_OWNER(0644), NULL), 0);
	return conf_load(err);
}

static void
defaults_are_there_before_loading(void **state)
{
	assert_int_equal(conf_int("vminfod.port"), 9090);
	assert_string_equal(conf_str("vminfod.bind"), "127.0.0.1");
}

static void
every_row_is_whole(void **state)
{
	for (unsigned i = 0; i < conf_keys_len; i++) {
		const struct conf_key *k = &conf_keys[i];

		if (!strchr(k->name, '.') || !str_ends(k->help, ".") || !k->def)
			fail_row(k->name, "incomplete");
		for (unsigned j = i + 1; j < conf_keys_len; j++)
			assert_string_not_equal(k->name, conf_keys[j].name);
		if (k->type == CONF_STRING)
			assert_string_equal(conf_str(k->name), k->def);
	}
}

static void
absent_file_means_defaults(void **state)
{
	assert_int_equal(load_text("[vm]\ngroup = staff\n", 18, NULL), 0);
	assert_string_equal(conf_str("vm.group"), "staff");
	char *path auto_free = path_host(PATH_CONF);

	assert_int_equal(fs_unlink(path, NULL), 0);
	assert_int_equal(conf_load(NULL), 0);
	assert_string_equal(conf_str("vm.group"), "vmnode");
}

static void
values_are_read(void **state)
{
	static const char text[] = "# comment\n; another\n\n[vminfod]\nport = 9091 ; why\n"
	                           "bind=::1\r\n[vm]\naccel = tcg\nqemu =\nuid_base=200000";

	assert_int_equal(load_text(text, sizeof(text) - 1, NULL), 0);
	assert_int_equal(conf_int("vminfod.port"), 9091);
	assert_string_equal(conf_str("vminfod.bind"), "::1");
	assert_string_equal(conf_str("vm.accel"), "tcg");
	assert_string_equal(conf_str("vm.qemu"), "");
	assert_int_equal(conf_int("vm.uid_base"), 200000);
	assert_int_equal(conf_int("vminfod.scan_interval"), 300);
}

#define LONG_60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void
bad_file_is_refused_whole_naming_the_line(void **state)
{
	static const struct {
		const char *text;
		const char *reason;
	} rows[] = {
		{ "[vminfod]\nport = 1\nprot = 2\n",
		    PATH_CONF ", line 3: unknown key \"vminfod.prot\"" },
		{ "port = 1\n", PATH_CONF ", line 1: unknown key \"port\"" },
		{ "[vminfod]\nport = x\n",
		    PATH_CONF ", line 2: vminfod.port must be a whole number from 0 to 65535" },
		{ "[vminfod]\n\nport = 65536\n",
		    PATH_CONF ", line 3: vminfod.port must be a whole number from 0 to 65535" },
		{ "[vm]\naccel = fast\n",
		    PATH_CONF ", line 2: vm.accel must be one of auto|kvm|tcg" },
		{ "[vminfod]\nport = 1\nport = 2\n",
		    PATH_CONF ", line 3: vminfod.port is given twice" },
		{ "[vminfod]\nport\n", PATH_CONF ", line 2: not a [section] or key = value" },
		{ "[vminfod\n", PATH_CONF ", line 1: not a [section] or key = value" },
		{ "[vm]\nfoo\nbar = 1\n", PATH_CONF ", line 2: not a [section] or key = value" },
		{ "[vm]\nqemu = " LONG_60 LONG_60 LONG_60 LONG_60 "\n",
		    PATH_CONF ", line 2: line is longer than 198 bytes" },
	};

	assert_int_equal(load_text("[vminfod]\nport = 4711\n", 22, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { 0 };

		assert_true(load_text(rows[i].text, strlen(rows[i].text), &err) < 0);
		assert_string_equal(err.msg, rows[i].reason);
		assert_int_equal(conf_int("vminfod.port"), 4711);
	}
}

static void
zero_byte_is_refused(void **state)
{
	assert_int_equal(load_text("[vm]\n\0accel = tcg\n", 18, NULL), -EINVAL);
}

static void
unreadable_file_is_an_error(void **state)
{
	char *path auto_free = path_host(PATH_CONF);

	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(conf_load(NULL), -EINVAL);
}

#define in_root(fn) cmocka_unit_test_setup_teardown(fn, setup, unit_dir_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_there_before_loading),
		cmocka_unit_test(every_row_is_whole),
		in_root(absent_file_means_defaults),
		in_root(values_are_read),
		in_root(bad_file_is_refused_whole_naming_the_line),
		in_root(zero_byte_is_refused),
		in_root(unreadable_file_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
