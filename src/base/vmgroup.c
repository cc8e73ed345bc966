#include "base/vmgroup.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/str.h"
#include "base/xmalloc.h"

#define CACHE_NS   (5 * INT64_C(1000000000))
#define CACHE_SIZE 64
#define NSS_MAX    (1U << 20) /* of one entry of the user database */
#define GROUPS_MAX 65536      /* NGROUPS_MAX of Linux */

static struct {
	char *name;
	gid_t gid;
	int64_t until_ns;
} group;

static struct member {
	uid_t uid;
	gid_t gid; /* the group the answer is about */
	bool is_member;
	int64_t until_ns; /* 0: free slot */
} members[CACHE_SIZE];

bool
is_privileged(void)
{
	return geteuid() == 0;
}

static gid_t
lookup_group(const char *name)
{
	char *text auto_free = NULL;
	struct group entry, *found = NULL;
	int r = ERANGE;

	for (size_t size = 1024; r == ERANGE && size <= NSS_MAX; size *= 2) {
		text = xrealloc(text, size);
		r = getgrnam_r(name, &entry, text, size, &found);
	}
	return r == 0 && found ? found->gr_gid : (gid_t)-1;
}

gid_t
vmgroup_gid(void)
{
	const char *name = conf_str("vm.group");
	int64_t now = clock_mono_ns();

	if (!is_privileged())
		return (gid_t)-1;
	if (str_eq(group.name, name) && now < group.until_ns)
		return group.gid;
	if (!str_eq(group.name, name)) {
		free(group.name);
		group.name = xstrdup(name);
	}
	group.gid = lookup_group(name);
	group.until_ns = now + CACHE_NS;
	return group.gid;
}

static bool
group_list_has(const char *user, gid_t primary, gid_t gid)
{
	gid_t *list auto_free = NULL;
	int n = 64;

	/* A full list sets n to the size needed. */
	do
		list = xreallocarray(list, (size_t)n, sizeof(*list));
	while (getgrouplist(user, primary, list, &n) < 0 && n <= GROUPS_MAX);
	if (n > GROUPS_MAX)
		return false;
	for (int i = 0; i < n; i++)
		if (list[i] == gid)
			return true;
	return false;
}

static bool
lookup_member(uid_t uid, gid_t gid)
{
	char *text auto_free = NULL;
	struct passwd entry, *found = NULL;
	int r = ERANGE;

	for (size_t size = 1024; r == ERANGE && size <= NSS_MAX; size *= 2) {
		text = xrealloc(text, size);
		r = getpwuid_r(uid, &entry, text, size, &found);
	}
	return r == 0 && found && group_list_has(found->pw_name, found->pw_gid, gid);
}

/* The slot of this uid, else the one to reuse. */
static struct member *
find_slot(uid_t uid)
{
	struct member *oldest = &members[0];

	for (size_t i = 0; i < CACHE_SIZE; i++) {
		if (members[i].until_ns > 0 && members[i].uid == uid)
			return &members[i];
		if (members[i].until_ns < oldest->until_ns)
			oldest = &members[i];
	}
	return oldest;
}

bool
vmgroup_may_read_all(uid_t uid)
{
	int64_t now = clock_mono_ns();
	struct member *m;
	gid_t gid;

	if (uid == 0 || uid == geteuid())
		return true;
	gid = vmgroup_gid();
	if (gid == (gid_t)-1)
		return false;
	m = find_slot(uid);
	if (m->until_ns <= now || m->uid != uid || m->gid != gid)
		*m = (struct member){ uid, gid, lookup_member(uid, gid), now + CACHE_NS };
	return m->is_member;
}
