/* What unit tests share: cmocka with what it needs, private directories, names of table rows in
 * failures. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/str.h"
#include "base/xmalloc.h"

/* Every file is as open as the process makes it. */
#define UNIT_OWNER(m) (&(struct fs_owner){ .uid = (uid_t)-1, .gid = (gid_t)-1, .mode = (m) })

/* A new empty directory; the caller gives it to unit_dir_remove. */
static inline char *
unit_dir(void)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = xasprintf("%s/vmnode-unit-XXXXXX", tmp && *tmp ? tmp : "/tmp");

	assert_non_null(mkdtemp(dir));
	return dir;
}

/* Removes the tree and frees the name. */
static inline void
unit_dir_remove(char *dir)
{
	assert_int_equal(fs_remove_tree(dir, NULL), 0);
	free(dir);
}

/* cmocka fixtures: *state is the directory. */
static inline int
unit_dir_setup(void **state)
{
	*state = unit_dir();
	return 0;
}

static inline int
unit_dir_teardown(void **state)
{
	unit_dir_remove(*state);
	return 0;
}

#define unit_test_in_dir(fn) cmocka_unit_test_setup_teardown(fn, unit_dir_setup, unit_dir_teardown)

/* fail() naming the row of a table. */
#define fail_row(name, ...)                                                                        \
	do {                                                                                       \
		print_error("row \"%s\": ", name);                                                 \
		fail_msg(__VA_ARGS__);                                                             \
	} while (0)

#endif
