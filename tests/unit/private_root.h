/* A private root of its own for each test: cmocka_unit_test_setup_teardown(test, root_setup,
 * root_teardown). */
#ifndef TESTS_PRIVATE_ROOT_H
#define TESTS_PRIVATE_ROOT_H

/* clang-format off */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/conf.h"
#include "base/fs.h"
#include "base/paths.h"
#include "base/xmalloc.h"
#include "json/json.h"

#define ROOT_TEST(fn) cmocka_unit_test_setup_teardown(fn, root_setup, root_teardown)

static const struct fs_owner root_anyone __attribute__((unused)) = { (uid_t)-1, (gid_t)-1, 0755 };
static char root_dir[4096];

/* Write a file below the root; its directory is made. */
static inline void
root_write(const char *logical, const char *text, size_t len)
{
	auto_free char *host = path_host(logical);
	auto_free char *dir = xstrdup(host);
	struct fs_owner owner = { (uid_t)-1, (gid_t)-1, 0644 };

	*strrchr(dir, '/') = '\0';
	assert_int_equal(fs_mkdir_p(dir, &root_anyone, NULL), 0);
	assert_int_equal(fs_replace(host, text, len, &owner, NULL), 0);
}

static inline void
root_puts(const char *logical, const char *text)
{
	root_write(logical, text, strlen(text));
}

/* The whole file; fails the test when there is none. Allocated. */
static inline char *
root_gets(const char *logical)
{
	auto_free char *host = path_host(logical);
	struct buf text = BUF_INIT;

	assert_int_equal(fs_read(host, 64u << 20, &text, NULL, NULL), 0);
	return buf_take(&text);
}

static inline struct fs_stamp
root_stamp(const char *logical)
{
	auto_free char *host = path_host(logical);
	struct fs_stamp stamp;

	assert_int_equal(fs_stat(host, &stamp), 0);
	return stamp;
}

static inline int
root_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct err err;

	(void)state;
	json_setup();
	(void)snprintf(root_dir, sizeof(root_dir), "%s/vmnode-test-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(root_dir) || paths_init(root_dir, &err) < 0)
		return -1;
	root_puts(PATH_CONF, "");
	return conf_load(&err);
}

static inline int
root_teardown(void **state)
{
	(void)state;
	return fs_remove_tree(root_dir, NULL);
}

#endif
