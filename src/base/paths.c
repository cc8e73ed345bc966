#include "base/paths.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "base/xmalloc.h"

static char *root; /* absolute, no trailing slash; NULL or "" for "/" */

/* Append the components of `path`, without empty ones and ".". */
static void
add_components(struct buf *b, const char *path)
{
	char **parts auto_strv = strv_split(path, '/');

	for (char **p = parts; *p; p++)
		if (**p && !str_eq(*p, "."))
			buf_addf(b, "/%s", *p);
}

int
paths_init(const char *new_root, struct err *err)
{
	struct buf b auto_buf = BUF_INIT;
	struct stat st;

	if (!new_root)
		new_root = getenv("VMNODE_ROOT");
	if (!new_root || !*new_root)
		new_root = "/";
	if (*new_root != '/') {
		char *cwd auto_free = getcwd(NULL, 0);

		if (!cwd)
			return err_errno(err, -errno, NULL, "cannot find the current directory");
		add_components(&b, cwd);
	}
	add_components(&b, new_root);
	if (b.len > 0 && stat(b.data, &st) < 0)
		return err_errno(err, -errno, NULL, "root directory %s", b.data);
	if (b.len > 0 && !S_ISDIR(st.st_mode))
		return err_errno(err, -ENOTDIR, NULL, "root directory %s", b.data);
	free(root);
	root = buf_take(&b);
	return 0;
}

const char *
paths_root(void)
{
	return str_or_empty(root);
}

bool
paths_is_private(void)
{
	return *paths_root() != '\0';
}

char *
path_host(const char *logical)
{
	return path_host_below(paths_root(), logical);
}

char *
path_host_below(const char *other_root, const char *logical)
{
	size_t len = strlen(other_root);

	while (len > 0 && other_root[len - 1] == '/')
		len--;
	return xasprintf("%.*s%s", (int)len, other_root, logical);
}

char *
path_hostf(const char *fmt, ...)
{
	char *logical auto_free = NULL;
	va_list ap;

	va_start(ap, fmt);
	logical = xvasprintf(fmt, ap);
	va_end(ap);
	return path_host(logical);
}

const char *
path_logical(const char *host)
{
	size_t len = strlen(paths_root());

	if (len == 0 || strncmp(host, paths_root(), len) != 0)
		return host;
	if (!host[len])
		return "/";
	return host[len] == '/' ? host + len : host;
}

const char *
host_boot_id(void)
{
	static char id[UUID_LEN + 1];
	FILE *f auto_fclose = NULL;

	if (*id)
		return id;
	f = fopen("/proc/sys/kernel/random/boot_id", "re");
	/* Without /proc nothing else works either; an id that matches no file is the safe answer.
	 */
	if (!f || fread(id, 1, UUID_LEN, f) != UUID_LEN)
		memcpy(id, "00000000-0000-0000-0000-000000000000", UUID_LEN + 1);
	return id;
}
