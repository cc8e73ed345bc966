/*
 * Command lines from ONE table per command: parsing (getopt_long underneath), usage text, man page
 * check and completion read the same rows. A bad option gives one line and exit code 2.
 */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

struct option_row {
	char letter;      /* 0: long only */
	const char *name; /* long name; NULL: letter only */
	const char *arg;  /* name of the argument in usage ("DIR"); NULL: a flag */
	const char *help; /* one sentence */
};

/* One found option: row index and value (NULL for flags; borrowed from argv). Operands come with
 * row == -1. */
struct option_found {
	int row;
	const char *value;
};

/*
 * Parse argv[1..]. Rows end with a zero row. `posix`: stop at the first operand, else operands may
 * stand anywhere. The result is in command line order, operands last; caller frees *ret. -EINVAL
 * with a sentence like "illegal option -- x".
 */
int options_parse(int argc, char *const *argv, const struct option_row *rows, bool posix,
    struct option_found **ret, unsigned *ret_n, struct err *err);

/* "  -p, --parsable          help" lines. */
void options_print(FILE *f, const struct option_row *rows);

#define VMNODE_VERSION_LINE(prog) prog " " VMNODE_VERSION

#endif
