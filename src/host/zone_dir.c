#include "host/zone_dir.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/own.h"
#include "base/paths.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "host/zone_index.h"

/* Give the open directory to its owner. */
static int
own_dir(int fd, const struct fs_owner *owner)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	bool other_uid = owner->uid != (uid_t)-1 && owner->uid != st.st_uid;
	bool other_gid = owner->gid != (gid_t)-1 && owner->gid != st.st_gid;
	if ((other_uid || other_gid) && fchown(fd, owner->uid, owner->gid) < 0)
		return -errno;
	if ((st.st_mode & 07777) != owner->mode && fchmod(fd, owner->mode) < 0)
		return -errno;
	return 0;
}

static int
make_dir(int zone, const char *rel, const struct fs_owner *owner)
{
	const char *slash = strrchr(rel, '/');
	auto_free char *parent_rel = slash ? xstrndup(rel, (size_t)(slash - rel)) : NULL;
	auto_close int parent = parent_rel ? fs_open_dir_beneath(zone, parent_rel) : dup(zone);

	if (parent < 0)
		return parent_rel ? parent : -errno;
	if (mkdirat(parent, slash ? slash + 1 : rel, 0700) < 0 && errno != EEXIST)
		return -errno;
	auto_close int fd = fs_open_dir_beneath(zone, rel);
	return fd < 0 ? fd : own_dir(fd, owner);
}

int
zone_dir_create(const char *zonepath, uid_t vm_uid, struct err *err)
{
	static const struct {
		const char *rel;
		enum own_kind own;
	} rows[] = {
		{ "config", OWN_CONFIG_DIR },
		{ "root", OWN_ZONE_DIR },
		{ "root/tmp", OWN_VM_TMP_DIR },
	};
	auto_free char *host = path_host(zonepath);
	struct fs_owner owner = own_of(OWN_ZONE_DIR, vm_uid);

	int r = fs_mkdir_p(host, &owner, err);
	if (r < 0)
		return r;
	auto_close int zone = fs_open_dir(host);
	r = zone < 0 ? zone : own_dir(zone, &owner);
	if (r < 0)
		return err_errno(err, r, zonepath, "cannot open the directory of the VM");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		owner = own_of(rows[i].own, vm_uid);
		r = make_dir(zone, rows[i].rel, &owner);
		if (r < 0)
			return err_errno(err, r, zonepath, "cannot make the directory %s/%s",
			    zonepath, rows[i].rel);
	}
	return 0;
}

int
zone_dir_open_tmp(const char *zonepath, struct err *err)
{
	auto_free char *host = path_host(zonepath);
	auto_close int zone = fs_open_dir(host);
	int fd = zone < 0 ? zone : fs_open_dir_beneath(zone, "root/tmp");

	if (fd < 0)
		return err_errno(err, fd, zonepath, "cannot open %s/root/tmp", zonepath);
	return fd;
}

int
host_init(struct err *err)
{
	static const struct {
		const char *path;
		enum own_kind own;
	} rows[] = {
		{ PATH_ZONES_ETC, OWN_ETC_DIR },
		{ PATH_LIB, OWN_ETC_DIR },
		{ PATH_LIB_OPS, OWN_ETC_DIR },
		{ PATH_POOL_ROOT, OWN_ETC_DIR },
		{ PATH_POOL_ROOT "/.pool", OWN_ETC_DIR },
		{ PATH_RUN, OWN_RUN_DIR },
		{ PATH_RUN_ZONES, OWN_RUN_DIR },
		{ PATH_RUN_LOCKS, OWN_RUN_DIR },
		{ PATH_RUN_OPS, OWN_RUN_DIR },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *host = path_host(rows[i].path);
		struct fs_owner owner = own_of(rows[i].own, (uid_t)-1);
		int r = fs_mkdir_p(host, &owner, err);
		if (r < 0)
			return r;
	}
	return zone_index_init(err);
}
