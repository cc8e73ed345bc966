/* vmadm: the commands, and what is common to all of them. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/conf.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "client/output.h"
#include "host/zone_dir.h"
#include "vmadm/usage.h"
#include "vmadm/vmadm.h"
#include "json/json.h"

/* vminfod answers from memory; one that takes longer is hung. */
#define ANSWER_TIMEOUT_MS 10000

const struct command *const commands[] = { &cmd_create, &cmd_console, &cmd_delete, &cmd_events,
	&cmd_get, &cmd_help, &cmd_list, &cmd_lookup, &cmd_start, &cmd_stop, &cmd_update, NULL };

/* What the global options say. */
struct settings {
	struct vmadm *v;
	const char *root;
	enum log_level log_level;
	bool help, version;
};

static int
take_root(struct settings *s, const char *value, struct err *err)
{
	s->root = value;
	return 0;
}

static int
take_by(struct settings *s, const char *value, struct err *err)
{
	s->v->by = value;
	return 0;
}

static int
take_reason(struct settings *s, const char *value, struct err *err)
{
	s->v->reason = value;
	return 0;
}

static int
take_result_fd(struct settings *s, const char *value, struct err *err)
{
	int64_t fd;

	/* Children of the operation outlive it; they must not hold the descriptor open. */
	if (str_to_int(value, false, 0, INT32_MAX, &fd) < 0 ||
	    fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_set(
		    err, -EBADF, "result-fd", "--result-fd %s: not an open descriptor", value);
	s->v->result_fd = (int)fd;
	return 0;
}

static int
take_verbose(struct settings *s, const char *value, struct err *err)
{
	s->log_level = LOG_INFO;
	return 0;
}

static int
take_debug(struct settings *s, const char *value, struct err *err)
{
	s->log_level = LOG_DEBUG;
	return 0;
}

static int
take_help(struct settings *s, const char *value, struct err *err)
{
	s->help = true;
	return 0;
}

static int
take_version(struct settings *s, const char *value, struct err *err)
{
	s->version = true;
	return 0;
}

const struct option_row global_options[] = {
	{ 0, "root", "DIR", "Use the host below DIR (default: VMNODE_ROOT, or /)." },
	{ 0, "by", "WHO", "Who asked, for the records (default: the calling uid)." },
	{ 0, "reason", "WHY", "Why: user (default), host-shutdown, restart, autoboot ..." },
	{ 0, "result-fd", "N", "Write the result as a line of JSON to descriptor N." },
	{ 'v', "verbose", NULL, "Log what is done, as JSON lines on stderr." },
	{ 'd', "debug", NULL, "The same with every detail." },
	{ 'h', "help", NULL, "Show the usage and exit." },
	{ 0, "version", NULL, "Show the version and exit." },
	{ 0 },
};

/* In the order of global_options. */
static int (*const takers[])(struct settings *s, const char *value, struct err *err) = { take_root,
	take_by, take_reason, take_result_fd, take_verbose, take_debug, take_help, take_version };

#define N_GLOBAL ARRAY_LEN(takers)
_Static_assert(ARRAY_LEN(global_options) == N_GLOBAL + 1, "one taker per global option");

const struct command *
command_find(const char *name)
{
	for (unsigned i = 0; commands[i]; i++)
		if (str_eq(name, commands[i]->name) ||
		    (commands[i]->alias && str_eq(name, commands[i]->alias)))
			return commands[i];
	return NULL;
}

static int
bad_usage(const char *msg)
{
	(void)fprintf(stderr, "vmadm: %s\n", msg);
	return VMADM_USAGE;
}

/* VMADM_DEBUG_LEVEL and VMADM_DEBUG_FILE (vmadm.md 1.6), or -v and -d. Trouble with the log never
 * fails the command. */
static void
start_log(enum log_level level)
{
	const char *text = getenv("VMADM_DEBUG_LEVEL"), *file = getenv("VMADM_DEBUG_FILE");

	if (text && *text)
		(void)log_level_parse(text, &level);
	log_init("vmadm", level);
	if (text && *text && file && *file) {
		int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd >= 0)
			log_set_fd(fd);
	}
}

/* Global options out of the found ones, from row `first` on; the others move together. */
static int
take_globals(
    struct settings *s, unsigned first, struct option_found *opt, unsigned *n, struct err *err)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < *n; i++) {
		int row = opt[i].row - (int)first;

		if (opt[i].row < 0 || row < 0) {
			opt[kept++] = opt[i];
			continue;
		}
		int r = takers[row](s, opt[i].value, err);

		if (r < 0)
			return r;
	}
	*n = kept;
	return 0;
}

/* The nearest directory that exists, from `path` upwards, can be written. */
static int
check_writable(const char *logical, struct err *err)
{
	auto_free char *path = path_host(logical);

	while (faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) < 0) {
		char *slash = strrchr(path, '/');

		if (errno != ENOENT || !slash || slash == path)
			return err_errno(err, -errno, NULL, "cannot write %s below the root \"%s\"",
			    logical, paths_is_private() ? paths_root() : "/");
		*slash = '\0';
	}
	return 0;
}

/* What is there can be written, and what is missing can be made; some file systems tell the second
 * only when it is tried. */
static int
check_root(struct err *err)
{
	static const char *const needed[] = { PATH_ZONES_ETC, PATH_RUN, PATH_LIB, PATH_POOL_ROOT };
	int r = 0;

	for (unsigned i = 0; i < ARRAY_LEN(needed) && r == 0; i++)
		r = check_writable(needed[i], err);
	return r == 0 ? host_init(err) : r;
}

static int
run_command(struct settings *s)
{
	struct vmadm *v = s->v;
	const char *ident = getenv("VMADM_IDENT");
	auto_free char *name = ident && *ident ? xasprintf("vmadm (%s)", ident) : xstrdup("vmadm");
	struct err err = { 0 };
	int r;

	if (paths_init(s->root, &err) < 0)
		return bad_usage(err.msg);
	if (v->command->writes) {
		if (check_root(&err) < 0) {
			(void)fprintf(stderr, "FATAL: cannot run because: %s\n", err.msg);
			return VMADM_USAGE;
		}
		if (conf_load(&err) < 0)
			return vmadm_fail(v, &err);
	}
	struct vminfo_options options = { .root = paths_is_private() ? paths_root() : "/",
		.name = name,
		.timeout_ms = ANSWER_TIMEOUT_MS };

	r = vminfo_open(&options, &v->info);
	assert(r == 0);
	r = v->command->run(v);
	vminfo_close(v->info);
	return r;
}

/* argv[0] is the command word. */
static int
parse_command(struct settings *s, int argc, char *const *argv)
{
	auto_free struct option_row *rows = NULL;
	auto_free struct option_found *opt = NULL;
	struct vmadm *v = s->v;
	struct err err = { 0 };
	unsigned n, n_own;

	rows = usage_rows(v->command, &n_own);
	if (options_parse(argc, argv, rows, false, &opt, &n, &err) < 0 ||
	    take_globals(s, n_own, opt, &n, &err) < 0)
		return bad_usage(err.msg);
	if (s->help) {
		usage_help(stdout, v->command);
		return VMADM_OK;
	}
	if (s->version) {
		(void)puts(VMNODE_VERSION_LINE("vmadm"));
		return VMADM_OK;
	}
	start_log(s->log_level);
	v->opt = opt;
	v->n_opt = n;
	return run_command(s);
}

static int
program(int argc, char **argv)
{
	struct vmadm v = { .reason = "user", .result_fd = -1 };
	struct settings s = { .v = &v, .log_level = LOG_FATAL };
	auto_free struct option_found *opt = NULL;
	struct err err = { 0 };
	unsigned n;

	(void)proc_claim_stdio();
	output_init();
	json_setup();
	if (argc > 1 && str_eq(argv[1], "-?")) {
		usage_all(stdout);
		return VMADM_OK;
	}
	if (options_parse(argc, argv, global_options, true, &opt, &n, &err) < 0 ||
	    take_globals(&s, 0, opt, &n, &err) < 0)
		return bad_usage(err.msg);
	if (s.version) {
		(void)puts(VMNODE_VERSION_LINE("vmadm"));
		return VMADM_OK;
	}
	if (s.help || n == 0) {
		usage_all(s.help ? stdout : stderr);
		return s.help ? VMADM_OK : VMADM_USAGE;
	}
	v.command = command_find(opt[0].value);
	if (!v.command) {
		(void)fprintf(stderr, "Invalid command: \"%s\".\n", opt[0].value);
		usage_all(stderr);
		return VMADM_USAGE;
	}
	return parse_command(&s, (int)n, argv + argc - n);
}

int
main(int argc, char **argv)
{
	return output_finish(program(argc, argv));
}
