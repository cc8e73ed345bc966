#include "base/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "base/xmalloc.h"

#define LONG_BASE   0x1000 /* getopt_long's value of a long name: this + row */
#define HELP_COLUMN 26

/* What getopt_long wants, made of the rows. */
struct getopt_args {
	struct buf letters;
	struct option *longs; /* owned */
	char **argv;          /* owned; the strings are the caller's */
};

static void
args_done(struct getopt_args *a)
{
	buf_done(&a->letters);
	free(a->longs);
	free(a->argv);
}

static unsigned
count_rows(const struct option_row *rows)
{
	unsigned n = 0;

	while (rows[n].letter || rows[n].name)
		n++;
	return n;
}

static void
args_init(struct getopt_args *a, int argc, char *const *argv, const struct option_row *rows)
{
	unsigned n = count_rows(rows), n_longs = 0;

	*a = (struct getopt_args){ .longs = xcalloc(n + 1, sizeof(*a->longs)) };
	a->argv = xcalloc((size_t)argc + 1, sizeof(*a->argv));
	for (int i = 0; i < argc; i++)
		a->argv[i] = argv[i];
	/* '-': operands come as option 1 where they stand, whatever POSIXLY_CORRECT says; ':': tell
	 * a missing argument. */
	buf_adds(&a->letters, "-:");
	for (unsigned i = 0; i < n; i++) {
		if (rows[i].letter)
			buf_addf(&a->letters, "%c%s", rows[i].letter, rows[i].arg ? ":" : "");
		if (rows[i].name)
			a->longs[n_longs++] = (struct option){ .name = rows[i].name,
				.has_arg = rows[i].arg ? required_argument : no_argument,
				.val = LONG_BASE + (int)i };
	}
}

static int
find_letter(const struct option_row *rows, int letter)
{
	for (int i = 0; rows[i].letter || rows[i].name; i++)
		if (rows[i].letter && rows[i].letter == letter)
			return i;
	return -1;
}

static int
bad_letter(int letter, struct err *err)
{
	if (letter > 0 && letter < 0x80 && isprint(letter))
		return err_set(err, -EINVAL, NULL, "illegal option -- %c", letter);
	return err_set(err, -EINVAL, NULL, "illegal option -- \\x%02x", letter & 0xff);
}

static int
needs_argument(int opt, const struct option_row *rows, struct err *err)
{
	if (opt >= LONG_BASE)
		return err_set(err, -EINVAL, NULL, "option --%s needs an argument",
		    rows[opt - LONG_BASE].name);
	return err_set(err, -EINVAL, NULL, "option -%c needs an argument", opt);
}

static int
bad_option(int opt, const char *word, const struct option_row *rows, struct err *err)
{
	int len = (int)(strchrnul(word, '=') - word), candidates = 0;

	if (opt >= LONG_BASE)
		return err_set(err, -EINVAL, NULL, "option --%s takes no argument",
		    rows[opt - LONG_BASE].name);
	if (opt != 0)
		return bad_letter(opt, err);
	for (int i = 0; rows[i].letter || rows[i].name; i++)
		candidates += rows[i].name && len > 2 &&
		              strncmp(rows[i].name, word + 2, (size_t)len - 2) == 0;
	return err_set(err, -EINVAL, NULL,
	    candidates > 1 ? "option \"%.*s\" is ambiguous" : "unknown option \"%.*s\"", len, word);
}

struct found_list {
	struct option_found *v; /* owned */
	unsigned n;
};

static void
found_add(struct found_list *l, int row, const char *value)
{
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = (struct option_found){ row, value };
}

/* Options into `opts`, operands into `operands`. */
static int
collect(int argc, struct getopt_args *a, const struct option_row *rows, bool posix,
    struct found_list *opts, struct found_list *operands, struct err *err)
{
	int c;

	optind = 0; /* glibc: start all over again */
	opterr = 0;
	while ((c = getopt_long(argc, a->argv, a->letters.data, a->longs, NULL)) != -1) {
		if (c == ':')
			return needs_argument(optopt, rows, err);
		if (c == '?')
			return bad_option(optopt, a->argv[optind - 1], rows, err);
		if (c == 1) {
			found_add(operands, -1, optarg);
			if (posix)
				break;
			continue;
		}
		found_add(opts, c >= LONG_BASE ? c - LONG_BASE : find_letter(rows, c), optarg);
	}
	for (; optind < argc; optind++)
		found_add(operands, -1, a->argv[optind]);
	return 0;
}

int
options_parse(int argc, char *const *argv, const struct option_row *rows, bool posix,
    struct option_found **ret, unsigned *ret_n, struct err *err)
{
	struct found_list opts = { 0 }, operands = { 0 };
	struct getopt_args a __attribute__((cleanup(args_done)));
	int r;

	args_init(&a, argc, argv, rows);
	r = collect(argc, &a, rows, posix, &opts, &operands, err);
	for (unsigned i = 0; r == 0 && i < operands.n; i++)
		found_add(&opts, -1, operands.v[i].value);
	free(operands.v);
	if (r < 0) {
		free(opts.v);
		return r;
	}
	*ret = opts.v;
	*ret_n = opts.n;
	return 0;
}

void
options_print(FILE *f, const struct option_row *rows)
{
	for (; rows->letter || rows->name; rows++) {
		struct buf b auto_buf = BUF_INIT;

		if (rows->letter)
			buf_addf(&b, "  -%c%s", rows->letter, rows->name ? ", " : "");
		else
			buf_adds(&b, "      ");
		if (rows->name)
			buf_addf(&b, "--%s", rows->name);
		if (rows->arg)
			buf_addf(&b, " %s", rows->arg);
		if (b.len + 2 > HELP_COLUMN)
			(void)fprintf(f, "%s\n%*s%s\n", b.data, HELP_COLUMN, "", rows->help);
		else
			(void)fprintf(f, "%-*s%s\n", HELP_COLUMN, b.data, rows->help);
	}
}
