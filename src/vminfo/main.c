/* vminfo: what vminfod says, on the command line. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/paths.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "client/output.h"
#include "vminfo/cli.h"
#include "json/json.h"

static const struct vminfo_command *const commands[] = { &cmd_ping, &cmd_status, &cmd_vms, &cmd_vm,
	&cmd_events, &cmd_help };

enum global { G_ROOT, G_HOST, G_PORT, G_HELP, G_VERSION, G_COUNT };

static const struct option_row global_options[] = {
	[G_ROOT] = { 0, "root", "DIR", "Use the host below DIR (default: VMNODE_ROOT, or /)." },
	[G_HOST] = { 0, "host", "HOST", "Connect by TCP (default: the Unix socket of the root)." },
	[G_PORT] = { 0, "port", "N", "Connect by TCP to this port (default with --host: 9090)." },
	[G_HELP] = { 'h', "help", NULL, "Show the usage and exit." },
	[G_VERSION] = { 0, "version", NULL, "Show the version and exit." },
	[G_COUNT] = { 0 },
};

void
cli_usage(FILE *f)
{
	(void)fputs("Usage: vminfo [options] <command> [options] [args]\n\nCommands:\n", f);
	for (unsigned i = 0; i < ARRAY_LEN(commands); i++) {
		const struct vminfo_command *c = commands[i];
		auto_free char *form = xasprintf("%s %s", c->name, c->usage);

		(void)fprintf(f, "  %-24s%s\n", form, c->help);
	}
	(void)fputs("\nOptions:\n", f);
	options_print(f, global_options);
	for (unsigned i = 0; i < ARRAY_LEN(commands); i++) {
		if (!commands[i]->options->letter)
			continue;
		(void)fprintf(f, "\nOptions of %s:\n", commands[i]->name);
		options_print(f, commands[i]->options);
	}
}

bool
cli_option(const struct vminfo_cli *c, char letter)
{
	for (unsigned i = 0; i < c->n_opt; i++)
		if (c->opt[i].row >= 0 && c->command->options[c->opt[i].row].letter == letter)
			return true;
	return false;
}

const char *
cli_operand(const struct vminfo_cli *c)
{
	for (unsigned i = 0; i < c->n_opt; i++)
		if (c->opt[i].row < 0)
			return c->opt[i].value;
	return NULL;
}

int
cli_failed(const struct vminfo_cli *c)
{
	(void)fprintf(stderr, "%s\n", vminfo_strerror(c->info));
	return VMINFO_FAILED;
}

int
cli_usage_error(const char *message)
{
	(void)printf("%s\n\n", message);
	cli_usage(stdout);
	return VMINFO_FAILED;
}

int
cli_print_json(const struct vminfo_cli *c, const char *text, size_t len)
{
	auto_buf struct buf out = BUF_INIT;
	struct err err = { 0 };
	json_auto_t *value = json_parse(text, len, "answer of vminfod", &err);

	if (!value) {
		(void)fprintf(stderr, "%s\n", err.msg);
		return VMINFO_FAILED;
	}
	json_write(&out, value, 2);
	buf_addc(&out, '\n');
	return output_end(&out);
}

static int
bad_usage(const char *msg)
{
	(void)fprintf(stderr, "vminfo: %s\n", msg);
	return VMINFO_USAGE;
}

/* Values of the global options; flags: "". */
struct globals {
	const char *value[G_COUNT];
};

/* Take those of rows first.. out of the found ones. */
static void
take_globals(struct globals *g, unsigned first, struct option_found *opt, unsigned *n)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < *n; i++) {
		if (opt[i].row >= (int)first)
			g->value[opt[i].row - (int)first] = str_or_empty(opt[i].value);
		else
			opt[kept++] = opt[i];
	}
	*n = kept;
}

static int
connect_and_run(const struct globals *g, struct vminfo_cli *c)
{
	const char *name = getenv("VMINFOD_NAME");
	auto_free char *agent =
	    name && *name ? xasprintf("%s (Vminfod CLI)", name) : xstrdup("Vminfod CLI");
	struct vminfo_options options = { .host = g->value[G_HOST], .name = agent };
	struct err err = { 0 };
	int64_t port = 0;
	int r;

	if (paths_init(g->value[G_ROOT], &err) < 0)
		return bad_usage(err.msg);
	if (g->value[G_PORT] && str_to_int(g->value[G_PORT], false, 1, 65535, &port) < 0)
		return bad_usage("--port needs a number from 1 to 65535");
	if (port && !options.host)
		options.host = "127.0.0.1";
	options.port = (int)port;
	options.root = paths_is_private() ? paths_root() : "/";
	r = vminfo_open(&options, &c->info);
	assert(r == 0);
	r = c->command->run(c);
	vminfo_close(c->info);
	return r;
}

/* The rows of the command, then the global ones. */
static struct option_row *
merge_rows(const struct option_row *own, unsigned *ret_own)
{
	struct option_row *rows;
	unsigned n = 0;

	while (own[n].letter || own[n].name)
		n++;
	rows = xcalloc(n + G_COUNT + 1, sizeof(*rows));
	memcpy(rows, own, n * sizeof(*rows));
	memcpy(rows + n, global_options, sizeof(global_options));
	*ret_own = n;
	return rows;
}

/* --help and --version: true when answered. */
static bool
answer_globals(const struct globals *g)
{
	if (g->value[G_HELP])
		cli_usage(stdout);
	else if (g->value[G_VERSION])
		(void)puts(VMNODE_VERSION_LINE("vminfo"));
	return g->value[G_HELP] || g->value[G_VERSION];
}

/* argv[0] is the command word. */
static int
parse_command(struct globals *g, int argc, char *const *argv)
{
	auto_free struct option_row *rows = NULL;
	auto_free struct option_found *opt = NULL;
	struct vminfo_cli c = { 0 };
	struct err err = { 0 };
	unsigned n_own;

	for (unsigned i = 0; i < ARRAY_LEN(commands); i++)
		if (str_eq(argv[0], commands[i]->name))
			c.command = commands[i];
	if (!c.command) {
		auto_free char *msg = xasprintf("unknown command: %s", argv[0]);

		return cli_usage_error(msg);
	}
	rows = merge_rows(c.command->options, &n_own);
	if (options_parse(argc, argv, rows, true, &opt, &c.n_opt, &err) < 0)
		return bad_usage(err.msg);
	take_globals(g, n_own, opt, &c.n_opt);
	if (answer_globals(g))
		return VMINFO_OK;
	c.opt = opt;
	return connect_and_run(g, &c);
}

static int
program(int argc, char **argv)
{
	auto_free struct option_found *opt = NULL;
	struct globals g = { 0 };
	struct err err = { 0 };
	unsigned n;

	(void)proc_claim_stdio();
	output_init();
	json_setup();
	if (options_parse(argc, argv, global_options, true, &opt, &n, &err) < 0)
		return bad_usage(err.msg);
	take_globals(&g, 0, opt, &n);
	if (answer_globals(&g))
		return VMINFO_OK;
	if (n == 0)
		return cli_usage_error("no command given");
	return parse_command(&g, (int)n, argv + argc - n);
}

int
main(int argc, char **argv)
{
	return output_finish(program(argc, argv));
}
