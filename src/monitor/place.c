#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "base/vmgroup.h"
#include "base/xmalloc.h"
#include "monitor/mon.h"

/* Where cgroup2 is: alone, or beside the old controllers. */
static const char *const mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };

static const char *
cgroup2_mount(void)
{
	for (size_t i = 0; i < ARRAY_LEN(mounts); i++) {
		auto_free char *file = xasprintf("%s/cgroup.controllers", mounts[i]);

		if (access(file, F_OK) == 0)
			return mounts[i];
	}
	return NULL;
}

/* Our group: the path behind `mark` ("0::", ":memory:") in /proc/self/cgroup. */
static char *
own_group(const char *mark)
{
	auto_fclose FILE *f = fopen("/proc/self/cgroup", "re");
	auto_free char *line = NULL;
	size_t cap = 0;

	while (f && getline(&line, &cap, f) > 0) {
		const char *at = strstr(line, mark);

		line[strcspn(line, "\n")] = '\0';
		if (at)
			return xstrdup(at + strlen(mark));
	}
	return NULL;
}

static int
write_file(const char *path, const char *text)
{
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return -errno;
	return 0;
}

static int
make_group(struct mon *m, const char *mount)
{
	auto_free char *parent = xasprintf("%s/vmnode", mount);
	auto_free char *dir = xasprintf("%s/vm-%s", parent, m->uuid);
	auto_free char *procs = xasprintf("%s/cgroup.procs", dir);
	int r;

	if ((mkdir(parent, 0755) < 0 && errno != EEXIST) ||
	    (mkdir(dir, 0755) < 0 && errno != EEXIST))
		return -errno;
	r = write_file(procs, "0");
	if (r < 0) {
		(void)rmdir(dir);
		return r;
	}
	m->place.dir = TAKE(dir);
	m->place.leave = xasprintf("%s/cgroup.procs", mount);
	return 0;
}

/* Only a group that holds nobody but us says something about our hypervisor. */
static void
find_oom_file(struct mon *m)
{
	auto_free char *own = own_group("0::");
	const char *mount = cgroup2_mount();
	auto_free char *name = xasprintf("vm-%s", m->uuid);

	if (mount && own && strstr(own, name))
		m->place.oom_file = xasprintf("%s%s/memory.events", mount, own);
}

void
place_enter(struct mon *m)
{
	auto_free char *own = own_group("0::");
	const char *mount = cgroup2_mount();
	auto_free char *name = xasprintf("vm-%s", m->uuid);
	int r;

	if (is_privileged() && mount && own && !strstr(own, name)) {
		r = make_group(m, mount);
		if (r < 0)
			log_warn("no control group of its own for the VM, going on without",
			    LS("vm", m->uuid), LS("reason", strerror(-r)));
	} else if (own && mount && strstr(own, "/vmnode/") && strstr(own, name)) {
		/* After a re-exec: the one our earlier self made. */
		m->place.dir = xasprintf("%s%s", mount, own);
		m->place.leave = xasprintf("%s/cgroup.procs", mount);
	}
	find_oom_file(m);
}

static int64_t
oom_kills(const struct mon *m)
{
	auto_fclose FILE *f = m->place.oom_file ? fopen(m->place.oom_file, "re") : NULL;
	char name[64];
	int64_t n;

	while (f && fscanf(f, "%63s %" SCNd64, name, &n) == 2) {
		if (str_eq(name, "oom_kill"))
			return n;
	}
	return 0;
}

void
place_mark(struct mon *m)
{
	m->place.oom_kills = oom_kills(m);
}

bool
place_oom_killed(const struct mon *m)
{
	return oom_kills(m) > m->place.oom_kills;
}

void
place_leave(struct mon *m)
{
	if (!m->place.dir)
		return;
	(void)write_file(m->place.leave, "0");
	if (rmdir(m->place.dir) < 0 && errno != ENOENT)
		log_warn("the VM's control group stays", LS("vm", m->uuid),
		    LS("reason", strerror(errno)));
}

void
place_remove_stale(const struct mon *m)
{
	const char *mount = cgroup2_mount();
	auto_free char *dir = mount ? xasprintf("%s/vmnode/vm-%s", mount, m->uuid) : NULL;

	/* Refused by the kernel while anybody is in it. */
	if (dir && is_privileged())
		(void)rmdir(dir);
}

void
place_done(struct mon *m)
{
	free(TAKE(m->place.dir));
	free(TAKE(m->place.oom_file));
	free(TAKE(m->place.leave));
}
