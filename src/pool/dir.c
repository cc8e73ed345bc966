/* Driver `dir` (pool/pool.h). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/own.h"
#include "base/paths.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "pool/dir_props.h"
#include "pool/pool.h"
#include "json/json.h"

#define TOOL_TIMEOUT_MS 60000
#define SECTOR          512

static const struct {
	const char *suffix;
} formats[] = {
	[VOLUME_QCOW2] = { "qcow2" },
	[VOLUME_RAW] = { "raw" },
};

static int
check_uuid(const char *uuid, struct err *err)
{
	return uuid_valid(uuid) ? 0 : err_set(err, -EINVAL, "uuid", "\"%s\" is not a uuid", uuid);
}

static char *
filesystem_host(const char *uuid)
{
	return path_hostf(PATH_POOL_ROOT "/%s", uuid);
}

/* --- Reading --- */

/* FNV-1a over everything a row says. */
static void
hash(uint64_t *h, const void *data, size_t len)
{
	for (const unsigned char *p = data; len-- > 0; p++)
		/* NOLINTNEXTLINE(clang-analyzer-core.*): no byte is unset */
		*h = (*h ^ *p) * 0x100000001b3;
}

static void
hash_row(uint64_t *h, const struct dataset *d, uint64_t ino)
{
	const int64_t numbers[] = { d->type, d->creation_s, d->quota, d->volsize, d->block_size,
		d->refreservation, d->recsize, (int64_t)ino };

	hash(h, d->name, strlen(d->name) + 1);
	hash(h, d->mountpoint, strlen(d->mountpoint) + 1);
	hash(h, d->compression, strlen(d->compression) + 1);
	hash(h, numbers, sizeof(numbers));
}

/* Birth, or the last change where the file system does not know it. */
static int64_t
creation_of(const struct statx *st)
{
	return st->stx_mask & STATX_BTIME ? st->stx_btime.tv_sec : st->stx_ctime.tv_sec;
}

static uint64_t
big_endian(const unsigned char *p, unsigned n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | *p++;
	return v;
}

/* Virtual and cluster size from the header (QEMU docs/interop/qcow2.txt). */
static int
read_qcow2(int fd, struct dataset *d)
{
	unsigned char header[32];
	ssize_t n = pread(fd, header, sizeof(header), 0);

	if (n < 0)
		return -errno;
	if (n != sizeof(header) || memcmp(header, "QFI\xfb", 4) != 0)
		return -EINVAL;
	uint64_t cluster_bits = big_endian(header + 20, 4), size = big_endian(header + 24, 8);
	if (cluster_bits < 9 || cluster_bits > 30 || size > INT64_MAX)
		return -EINVAL;
	d->volsize = (int64_t)size;
	d->block_size = (int64_t)1 << cluster_bits;
	return 0;
}

static int
read_size(int fd, const struct statx *st, const char *name, struct dataset *d)
{
	if (str_ends(name, ".qcow2"))
		return read_qcow2(fd, d);
	d->volsize = (int64_t)st->stx_size;
	d->block_size = st->stx_blksize;
	return 0;
}

/* 1: a row was made; 0: there is no such file. */
static int
read_volume(
    const char *pool, const char *name, struct dataset *ret, uint64_t *ret_ino, struct err *err)
{
	auto_free char *path = xasprintf(PATH_POOL_ROOT "/%s", name);
	auto_free char *host = path_host(path);
	struct dataset d = { .type = DATASET_VOLUME };
	struct statx st;

	auto_close int fd = open(host, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
		return err_errno(err, -errno, path, "cannot open the volume");
	if (!S_ISREG(st.stx_mode))
		return err_set(err, -EINVAL, path, "the volume is not a regular file");
	int r = read_size(fd, &st, name, &d);
	if (r == -EINVAL)
		return err_set(err, r, path, "the volume is not a qcow2 image");
	if (r < 0)
		return err_errno(err, r, path, "cannot read the volume");
	const char *dot = strrchr(name, '.');
	d.name = xasprintf("%s/%.*s", pool, (int)(dot - name), name);
	d.mountpoint = TAKE(path);
	d.creation_s = creation_of(&st);
	d.compression = xstrdup("off");
	*ret = d;
	*ret_ino = st.stx_ino;
	return 1;
}

/* 1: a row was made; 0: there is no such directory. */
static int
read_filesystem(const char *pool, const char *uuid, const json_t *props, struct dataset *ret,
    uint64_t *ret_ino, struct err *err)
{
	auto_free char *host = filesystem_host(uuid);
	const char *compression = json_member_str(props, "compression");
	struct statx st;

	if (statx(AT_FDCWD, host, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
		return errno == ENOENT ? 0
		                       : err_errno(err, -errno, path_logical(host),
		                             "cannot look at the directory of the VM");
	if (!S_ISDIR(st.stx_mode))
		return 0;
	*ret = (struct dataset){
		.name = xasprintf("%s/%s", pool, uuid),
		.mountpoint = xasprintf(PATH_POOL_ROOT "/%s", uuid),
		.type = DATASET_FILESYSTEM,
		.creation_s = json_member_int(props, "creation", creation_of(&st)),
		.quota = json_member_int(props, "quota", 0),
		.recsize = json_member_int(props, "recsize", 0),
		.compression = xstrdup(compression ? compression : "off"),
	};
	*ret_ino = st.stx_ino;
	return 1;
}

static int
bad_volumes(const char *uuid, struct err *err)
{
	auto_free char *path = xasprintf(DIR_PROPS "/%s.json", uuid);

	return err_set(err, -EINVAL, path, "\"volumes\" names what is no volume of this VM");
}

static int
read_rows(const char *pool, const char *uuid, const json_t *props, struct dataset_rows *rows,
    uint64_t *h, struct err *err)
{
	const json_t *volumes = json_object_get(props, "volumes"), *v;
	unsigned number;
	uint64_t ino = 0;
	size_t i;

	rows->rows = xcalloc(json_array_size(volumes) + 1, sizeof(*rows->rows));
	int r = read_filesystem(pool, uuid, props, &rows->rows[rows->n], &ino, err);
	if (r < 0)
		return r;
	if (r > 0)
		hash_row(h, &rows->rows[rows->n++], ino);
	json_array_foreach (volumes, i, v) {
		const char *name = json_string_value(v);
		if (!name || dir_volume_parse(uuid, name, &number) < 0)
			return bad_volumes(uuid, err);
		r = read_volume(pool, name, &rows->rows[rows->n], &ino, err);
		if (r < 0)
			return r;
		if (r > 0)
			hash_row(h, &rows->rows[rows->n++], ino);
	}
	return 0;
}

static int
dir_vm_rows(const char *pool, const char *uuid, struct dataset_rows *ret, struct err *err)
{
	__attribute__((cleanup(dataset_rows_done))) struct dataset_rows rows = { 0 };
	json_auto_t *props = NULL;
	struct fs_stamp stamp;
	uint64_t h = 0xcbf29ce484222325;

	int r = check_uuid(uuid, err);
	if (r < 0)
		return r;
	r = dir_props_load(uuid, &props, &stamp, err);
	if (r < 0)
		return r;
	r = read_rows(pool, uuid, props, &rows, &h, err);
	if (r < 0)
		return r;
	if (props || rows.n > 0) {
		hash(&h, &stamp.ino, sizeof(stamp.ino));
		hash(&h, &stamp.size, sizeof(stamp.size));
		rows.stamp = (struct fs_stamp){ h, rows.n, stamp.mtime_ns, stamp.ctime_ns };
	}
	*ret = rows;
	rows = (struct dataset_rows){ 0 };
	return 0;
}

/* --- File systems --- */

static int
dir_create_filesystem(const char *pool, const char *uuid, int64_t quota, struct err *err)
{
	auto_free char *host = filesystem_host(uuid);
	struct fs_owner owner = own_of(OWN_ZONE_DIR, (uid_t)-1);
	json_auto_t *props = NULL;
	struct stat st;

	(void)pool;
	int r = check_uuid(uuid, err);
	if (r < 0)
		return r;
	auto_close int lock = dir_props_lock(err);
	if (lock < 0)
		return lock;
	r = dir_props_load(uuid, &props, NULL, err);
	if (r < 0)
		return r;
	if (r > 0 || lstat(host, &st) == 0)
		return err_set(err, -EEXIST, "uuid", "storage of VM %s already exists", uuid);
	props = json_object();
	json_put_int(props, "quota", quota);
	json_put_int(props, "creation", clock_wall_ms() / 1000);
	json_put_str(props, "compression", "off");
	json_put(props, "volumes", json_array());
	r = dir_props_save(uuid, props, err);
	if (r < 0)
		return r;
	r = fs_mkdir_p(host, &owner, err);
	if (r < 0)
		(void)dir_props_remove(uuid, NULL);
	return r;
}

static int
dir_set_quota(const char *pool, const char *uuid, int64_t quota, struct err *err)
{
	auto_free char *host = filesystem_host(uuid);
	json_auto_t *props = NULL;
	struct stat st;

	(void)pool;
	int r = check_uuid(uuid, err);
	if (r < 0)
		return r;
	if (lstat(host, &st) < 0)
		return err_errno(err, -errno, "quota", "no storage of VM %s", uuid);
	auto_close int lock = dir_props_lock(err);
	if (lock < 0)
		return lock;
	r = dir_props_load(uuid, &props, NULL, err);
	if (r < 0)
		return r;
	if (r == 0)
		props = json_object();
	if (json_member_int(props, "quota", 0) == quota)
		return 0;
	json_put_int(props, "quota", quota);
	return dir_props_save(uuid, props, err);
}

/* --- Volumes --- */

static int
make_qcow2(const char *host, int64_t size, struct err *err)
{
	auto_free char *bytes = xasprintf("%lld", (long long)size);
	const char *const argv[] = { "qemu-img", "create", "-q", "-f", "qcow2", "-o",
		"compat=1.1,preallocation=off", host, bytes, NULL };
	char last[256] = "";
	int status = 0;

	int r = spawn_run(argv, TOOL_TIMEOUT_MS, NULL, last, sizeof(last), &status, err);
	if (r < 0)
		return r;
	if (status != 0)
		return err_set(err, -EIO, "qemu-img",
		    "qemu-img create failed with exit code %d: %s", status, last);
	return 0;
}

static int
make_raw(const char *host, int64_t size, struct err *err)
{
	auto_close int fd = open(host, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || ftruncate(fd, size) < 0)
		return err_errno(
		    err, -errno, "disks", "cannot make a file of %lld bytes", (long long)size);
	return 0;
}

static int
own_volume(const char *host, uid_t uid, struct err *err)
{
	struct fs_owner owner = own_of(OWN_VM_VOLUME, uid);

	auto_close int fd = open(host, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fchown(fd, owner.uid, owner.gid) < 0 || fchmod(fd, owner.mode) < 0 ||
	    fsync(fd) < 0)
		return err_errno(err, -errno, "disks", "cannot give the volume to its VM");
	return 0;
}

/* The whole file under its final name, or nothing. */
static int
make_volume(const char *name, enum volume_format format, int64_t size, uid_t uid, struct err *err)
{
	auto_free char *host = path_hostf(PATH_POOL_ROOT "/%s", name);
	auto_free char *temporary = path_hostf(PATH_POOL_ROOT "/.%s.new", name);
	auto_free char *dir = path_host(PATH_POOL_ROOT);

	int r = fs_unlink(temporary, err);
	if (r == 0)
		r = format == VOLUME_QCOW2 ? make_qcow2(temporary, size, err)
		                           : make_raw(temporary, size, err);
	if (r == 0)
		r = own_volume(temporary, uid, err);
	if (r == 0 && renameat2(AT_FDCWD, temporary, AT_FDCWD, host, RENAME_NOREPLACE) < 0)
		r = err_errno(err, -errno, "disks", "cannot name the volume %s", name);
	if (r < 0)
		(void)fs_unlink(temporary, NULL);
	else
		(void)fs_sync_dir(dir);
	return r;
}

static int
dir_create_volume(const char *pool, const char *uuid, enum volume_format format, int64_t size,
    uid_t owner, char **ret_path, struct err *err)
{
	auto_free char *name = NULL;

	(void)pool;
	int r = check_uuid(uuid, err);
	if (r < 0)
		return r;
	if (size <= 0 || size % SECTOR != 0)
		return err_set(
		    err, -EINVAL, "size", "%lld bytes is no size of a volume", (long long)size);
	r = dir_props_add_volume(uuid, formats[format].suffix, &name, err);
	if (r < 0)
		return r;
	r = make_volume(name, format, size, owner, err);
	if (r < 0) {
		(void)dir_props_remove_volume(uuid, name, NULL);
		return r;
	}
	*ret_path = xasprintf(PATH_POOL_ROOT "/%s", name);
	return 0;
}

/* The file, and what a killed creation of it left. */
static int
remove_file(const char *name, struct err *err)
{
	auto_free char *host = path_hostf(PATH_POOL_ROOT "/%s", name);
	auto_free char *temporary = path_hostf(PATH_POOL_ROOT "/.%s.new", name);
	int r = fs_unlink(temporary, err);

	return r < 0 ? r : fs_unlink(host, err);
}

static int
dir_remove_volume(const char *pool, const char *uuid, const char *path, struct err *err)
{
	static const char prefix[] = PATH_POOL_ROOT "/";
	unsigned number;

	(void)pool;
	int r = check_uuid(uuid, err);
	if (r < 0)
		return r;
	if (!str_starts(path, prefix) || dir_volume_parse(uuid, path + strlen(prefix), &number) < 0)
		return err_set(err, -EINVAL, "path", "%s is not a volume of VM %s", path, uuid);
	r = remove_file(path + strlen(prefix), err);
	return r < 0 ? r : dir_props_remove_volume(uuid, path + strlen(prefix), err);
}

/* --- Removing everything --- */

/* When the property file cannot say which volumes there are, the directory has to be searched. */
static int
search_volumes(const char *uuid, char ***ret, struct err *err)
{
	auto_free char *host = path_host(PATH_POOL_ROOT);
	auto_closedir DIR *dir = opendir(host);
	const struct dirent *e;
	unsigned number;

	if (!dir)
		return errno == ENOENT ? 0
		                       : err_errno(err, -errno, "zpool", "cannot search the pool");
	while ((e = readdir(dir))) {
		auto_free char *name = xstrdup(e->d_name[0] == '.' ? e->d_name + 1 : e->d_name);
		if (e->d_name[0] == '.' && str_ends(name, ".new"))
			name[strlen(name) - strlen(".new")] = '\0';
		if (dir_volume_parse(uuid, name, &number) == 0)
			*ret = strv_push(*ret, TAKE(name));
	}
	return 0;
}

static int
all_volumes(const char *uuid, char ***ret, struct err *err)
{
	json_auto_t *props = NULL;
	const json_t *v;
	unsigned number;
	size_t i;

	/* A VM can always be deleted, also with a broken property file. */
	if (dir_props_load(uuid, &props, NULL, NULL) <= 0 ||
	    !json_is_array(json_object_get(props, "volumes")))
		return search_volumes(uuid, ret, err);
	json_array_foreach (json_object_get(props, "volumes"), i, v) {
		const char *name = json_string_value(v);
		if (name && dir_volume_parse(uuid, name, &number) == 0)
			*ret = strv_push(*ret, xstrdup(name));
	}
	return 0;
}

static int
dir_volumes(const char *pool, const char *uuid, char ***ret, struct err *err)
{
	auto_strv char **names = NULL;
	char **paths = NULL;

	(void)pool;
	int r = check_uuid(uuid, err);
	if (r == 0)
		r = all_volumes(uuid, &names, err);
	if (r < 0)
		return r;
	for (char **name = names; name && *name; name++)
		paths = strv_push(paths, xasprintf(PATH_POOL_ROOT "/%s", *name));
	*ret = paths;
	return 0;
}

static int
remove_directory(const char *uuid, struct err *err)
{
	auto_free char *host = filesystem_host(uuid);
	struct stat st;

	if (lstat(host, &st) == 0 && !S_ISDIR(st.st_mode))
		return err_set(err, S_ISLNK(st.st_mode) ? -ELOOP : -ENOTDIR, "zonepath",
		    PATH_POOL_ROOT "/%s is not a directory; nothing of the VM was removed there",
		    uuid);
	return fs_remove_tree(host, err);
}

static int
dir_remove_all(const char *pool, const char *uuid, struct err *err)
{
	auto_strv char **names = NULL;

	(void)pool;
	int r = check_uuid(uuid, err);
	if (r < 0)
		return r;
	r = remove_directory(uuid, err);
	if (r < 0)
		return r;
	r = all_volumes(uuid, &names, err);
	for (char **name = names; r == 0 && name && *name; name++)
		r = remove_file(*name, err);
	return r < 0 ? r : dir_props_remove(uuid, err);
}

/* --- Watching --- */

static const char *const dir_watch_dirs[] = { PATH_POOL_ROOT, DIR_PROPS, NULL };

static int
dir_uuid_of_name(const char *dir, const char *name, char *ret)
{
	char uuid[UUID_LEN + 1];
	unsigned number;

	if (strnlen(name, UUID_LEN) < UUID_LEN)
		return -ENOENT;
	memcpy(uuid, name, UUID_LEN);
	uuid[UUID_LEN] = '\0';
	if (!uuid_valid(uuid))
		return -ENOENT;
	const char *rest = name + UUID_LEN;
	bool known = str_eq(dir, DIR_PROPS)
	                 ? strcmp(rest, ".json") == 0
	                 : *rest == '\0' || dir_volume_parse(uuid, name, &number) == 0;
	if (!known)
		return -ENOENT;
	memcpy(ret, uuid, sizeof(uuid));
	return 0;
}

const struct pool_driver pool_dir = {
	.name = "dir",
	.vm_rows = dir_vm_rows,
	.create_filesystem = dir_create_filesystem,
	.set_quota = dir_set_quota,
	.create_volume = dir_create_volume,
	.volumes = dir_volumes,
	.remove_volume = dir_remove_volume,
	.remove_all = dir_remove_all,
	.watch_dirs = dir_watch_dirs,
	.uuid_of_name = dir_uuid_of_name,
};
