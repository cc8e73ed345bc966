#include "base/conf.h"

#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/paths.h"
#include "base/str.h"
#include "base/xmalloc.h"

#define CONF_MAX_BYTES (1U << 20)

/* clang-format off */
const struct conf_key conf_keys[] = {
	{ "vminfod.port", CONF_INT, "9090", 0, 65535, NULL,
	  "TCP port of the HTTP interface; 0: none, only the socket." },
	{ "vminfod.bind", CONF_STRING, "127.0.0.1", 0, 0, NULL,
	  "Address the TCP port is bound to." },
	{ "vminfod.scan_interval", CONF_INT, "300", 1, 86400, NULL,
	  "Seconds between two full scans." },
	{ "vminfod.ring_bytes", CONF_INT, "67108864", 65536, INT64_C(1) << 40, NULL,
	  "Memory for events that listeners have not read yet." },
	{ "vminfod.write_deadline", CONF_INT, "30", 1, 86400, NULL,
	  "Seconds a listener may take for one event." },
	{ "vminfod.max_listeners", CONF_INT, "1000", 1, 1000000, NULL,
	  "Listeners served at the same time." },
	{ "vm.accel", CONF_STRING, "auto", 0, 0, "auto|kvm|tcg",
	  "Accelerator of new hypervisors: auto, kvm or tcg." },
	{ "vm.uid_base", CONF_INT, "100000", 1, INT32_MAX, NULL,
	  "First uid that virtual machines get." },
	{ "vm.uid_size", CONF_INT, "65536", 1, INT32_MAX, NULL,
	  "How many uids there are for virtual machines." },
	{ "vm.uid_registry", CONF_STRING, "/var/lib/vmnode/uids", 0, 0, NULL,
	  "Registry of uids in use, one for all roots of the host (a host path)." },
	{ "vm.qemu", CONF_STRING, "", 0, 0, NULL,
	  "QEMU program; empty: qemu-system-<arch> in PATH." },
	{ "vm.console_log_bytes", CONF_INT, "1048576", 4096, INT64_C(1) << 40, NULL,
	  "Size at which a console log is rotated." },
	{ "vm.console_log_files", CONF_INT, "4", 1, 1000, NULL,
	  "Console log files kept per virtual machine." },
	{ "vm.restart_delay", CONF_INT, "1", 0, 86400, NULL,
	  "Seconds before the first restart; doubled for each further one." },
	{ "vm.restart_budget", CONF_INT, "3", 0, 1000000, NULL,
	  "Restarts allowed within the window before quarantine." },
	{ "vm.restart_window", CONF_INT, "60", 1, INT64_C(31536000), NULL,
	  "Seconds over which restarts are counted." },
	{ "vm.group", CONF_STRING, "vmnode", 0, 0, NULL,
	  "Group that may read everything." },
};
/* clang-format on */
const unsigned conf_keys_len = ARRAY_LEN(conf_keys);

struct conf_value {
	char *text; /* owned */
	int64_t number;
	bool given; /* in the file */
};

struct conf_set {
	struct conf_value v[ARRAY_LEN(conf_keys)];
};

static struct conf_set *current; /* NULL: the defaults were not looked at yet */

static void
set_free(struct conf_set *set)
{
	for (unsigned i = 0; i < conf_keys_len; i++)
		free(set->v[i].text);
	free(set);
}
DEFINE_AUTO(conf_set, struct conf_set *, set_free)

static int
parse_bool(const char *text, int64_t *ret)
{
	static const char *const yes[] = { "true", "yes", "on", "1", NULL };
	static const char *const no[] = { "false", "no", "off", "0", NULL };

	if (!str_in(text, yes) && !str_in(text, no))
		return -EINVAL;
	*ret = str_in(text, yes);
	return 0;
}

static int
check_choice(const struct conf_key *key, const char *text, struct err *err)
{
	char **choices auto_strv = strv_split(str_or_empty(key->choices), '|');

	if (!key->choices || str_in(text, (const char *const *)choices))
		return 0;
	return err_set(err, -EINVAL, key->name, "%s must be one of %s", key->name, key->choices);
}

static int
set_value(struct conf_value *v, const struct conf_key *key, const char *text, struct err *err)
{
	int r = 0;

	if (key->type == CONF_INT)
		r = str_to_int(text, false, key->min, key->max, &v->number);
	else if (key->type == CONF_BOOL)
		r = parse_bool(text, &v->number);
	if (r < 0 && key->type == CONF_INT)
		return err_set(err, r, key->name, "%s must be a whole number from %lld to %lld",
		    key->name, (long long)key->min, (long long)key->max);
	if (r < 0)
		return err_set(err, r, key->name, "%s must be true or false", key->name);
	r = check_choice(key, text, err);
	if (r < 0)
		return r;
	free(v->text);
	v->text = xstrdup(text);
	return 0;
}

static struct conf_set *
set_defaults(void)
{
	struct conf_set *set = xcalloc(1, sizeof(*set));

	for (unsigned i = 0; i < conf_keys_len; i++) {
		int r = set_value(&set->v[i], &conf_keys[i], conf_keys[i].def, NULL);

		assert(r == 0);
		(void)r;
	}
	return set;
}

/* The text inih reads from, and the first error with the line it is in. */
struct conf_reader {
	const char *next;
	int line;
	struct conf_set *set;
	struct err err;
	int err_line; /* 0: none */
};

static void
reader_fail(struct conf_reader *rd, const struct err *err)
{
	if (rd->err_line > 0)
		return;
	rd->err = *err;
	rd->err_line = rd->line;
}

/* fgets from memory: counts the lines, which inih does not tell its handler. */
static char *
read_line(char *line, int size, void *arg)
{
	struct conf_reader *rd = arg;
	const char *end = strchrnul(rd->next, '\n');
	size_t len = (size_t)(end - rd->next);
	struct err err = { 0 };

	if (!*rd->next)
		return NULL;
	rd->line++;
	/* inih would take the rest of a long line for a line of its own. */
	if (len > (size_t)size - 2) {
		(void)err_set(&err, -EINVAL, NULL, "line is longer than %d bytes", size - 2);
		reader_fail(rd, &err);
		len = 0;
	}
	memcpy(line, rd->next, len);
	line[len] = '\n';
	line[len + 1] = '\0';
	rd->next = *end ? end + 1 : end;
	return line;
}

static int
find_key(const char *name)
{
	for (unsigned i = 0; i < conf_keys_len; i++)
		if (str_eq(conf_keys[i].name, name))
			return (int)i;
	return -1;
}

/* inih's handler: 1 is success. */
static int
on_setting(void *arg, const char *section, const char *name, const char *value)
{
	char *full auto_free = xasprintf("%s%s%s", section, *section ? "." : "", name);
	struct conf_reader *rd = arg;
	int i = find_key(full), r;
	struct err err = { 0 };

	if (i < 0)
		r = err_set(&err, -EINVAL, full, "unknown key \"%s\"", full);
	else if (rd->set->v[i].given)
		r = err_set(&err, -EINVAL, full, "%s is given twice", full);
	else
		r = set_value(&rd->set->v[i], &conf_keys[i], str_or_empty(value), &err);
	if (r < 0)
		reader_fail(rd, &err);
	else
		rd->set->v[i].given = true;
	return r == 0;
}

static int
parse_text(const char *text, struct conf_set *set, struct err *err)
{
	struct conf_reader rd = { .next = text, .set = set };
	int line = ini_parse_stream(read_line, &rd, on_setting, &rd);

	if (line < 0)
		return err_set(err, -ENOMEM, NULL, "%s: out of memory", PATH_CONF);
	if (line > 0 && (rd.err_line == 0 || line < rd.err_line))
		return err_set(err, -EINVAL, NULL, "%s, line %d: not a [section] or key = value",
		    PATH_CONF, line);
	if (rd.err_line > 0)
		return err_set(err, rd.err.code, rd.err.what, "%s, line %d: %s", PATH_CONF,
		    rd.err_line, rd.err.msg);
	return 0;
}

int
conf_load(struct err *err)
{
	AUTO(conf_set) struct conf_set *set = set_defaults();
	char *path auto_free = path_host(PATH_CONF);
	struct buf text auto_buf = BUF_INIT;
	int r = fs_read(path, CONF_MAX_BYTES, &text, NULL, err);

	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0 && text.len > 0 && memchr(text.data, '\0', text.len))
		return err_set(err, -EINVAL, NULL, "%s has a zero byte", PATH_CONF);
	if (r == 0 && text.len > 0) {
		r = parse_text(text.data, set, err);
		if (r < 0)
			return r;
	}
	if (current)
		set_free(current);
	current = TAKE(set);
	return 0;
}

static const struct conf_value *
value_of(const char *name, enum conf_type type)
{
	int i = find_key(name);

	assert(i >= 0 && conf_keys[i].type == type);
	if (!current)
		current = set_defaults();
	return &current->v[i];
}

const char *
conf_str(const char *section_dot_key)
{
	return value_of(section_dot_key, CONF_STRING)->text;
}

int64_t
conf_int(const char *section_dot_key)
{
	return value_of(section_dot_key, CONF_INT)->number;
}

bool
conf_bool(const char *section_dot_key)
{
	return value_of(section_dot_key, CONF_BOOL)->number != 0;
}
