#include "pool/dir_props.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/lock.h"
#include "base/own.h"
#include "base/paths.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "host/source_err.h"
#include "json/json.h"

#define PROPS_MAX       (1u << 20) /* bytes */
#define LOCK_FILE       PATH_RUN_LOCKS "/pool.zones.lock"
#define LOCK_TIMEOUT_MS 30000
#define VOLUMES_MAX     1000 /* per VM */

static char *
logical_path(const char *uuid)
{
	return xasprintf(DIR_PROPS "/%s.json", uuid);
}

int
dir_props_lock(struct err *err)
{
	auto_free char *path = path_host(LOCK_FILE);

	return lock_take(path, LOCK_TIMEOUT_MS, err);
}

int
dir_props_load(const char *uuid, json_t **ret, struct fs_stamp *stamp, struct err *err)
{
	auto_free char *path = logical_path(uuid);
	auto_free char *host = path_host(path);
	auto_buf struct buf text = BUF_INIT;
	struct fs_stamp own = { 0 };
	int r = fs_read(host, PROPS_MAX, &text, &own, err);

	if (stamp)
		*stamp = own;
	if (r < 0)
		return r == -ENOENT ? 0 : source_err(err, r, path);
	json_auto_t *v = json_parse(str_or_empty(text.data), text.len, path, err);
	if (!v)
		return source_err(err, -EINVAL, path);
	if (!json_is_object(v))
		return err_set(err, -EINVAL, path, "not a JSON object");
	*ret = TAKE(v);
	return 1;
}

int
dir_props_save(const char *uuid, const json_t *props, struct err *err)
{
	auto_free char *host = path_hostf(DIR_PROPS "/%s.json", uuid);
	struct fs_owner owner = own_of(OWN_RUN_FILE, (uid_t)-1);
	auto_buf struct buf text = BUF_INIT;

	json_write(&text, props, 0);
	buf_addc(&text, '\n');
	return fs_replace(host, text.data, text.len, &owner, err);
}

int
dir_props_remove(const char *uuid, struct err *err)
{
	auto_free char *host = path_hostf(DIR_PROPS "/%s.json", uuid);

	return fs_unlink_replaced(host, err);
}

int
dir_volume_parse(const char *uuid, const char *name, unsigned *ret_number)
{
	int64_t n;

	if (strncmp(name, uuid, UUID_LEN) != 0 || !str_starts(name + UUID_LEN, "-disk"))
		return -EINVAL;
	const char *number = name + UUID_LEN + strlen("-disk");
	size_t len = strspn(number, "0123456789");
	if (len == 0 || (number[0] == '0' && len > 1) ||
	    (strcmp(number + len, ".qcow2") != 0 && strcmp(number + len, ".raw") != 0))
		return -EINVAL;
	auto_free char *digits = xstrndup(number, len);
	if (str_to_int(digits, false, 0, INT32_MAX, &n) < 0)
		return -EINVAL;
	*ret_number = (unsigned)n;
	return 0;
}

/* No volume of the VM, named or left behind as a file, has the number. */
static bool
is_free_number(const char *uuid, const json_t *volumes, unsigned number)
{
	static const char *const suffixes[] = { "qcow2", "raw" };
	const json_t *v;
	struct fs_stamp stamp;
	unsigned other;
	size_t i;

	json_array_foreach (volumes, i, v) {
		const char *name = json_string_value(v);
		if (name && dir_volume_parse(uuid, name, &other) == 0 && other == number)
			return false;
	}
	for (i = 0; i < ARRAY_LEN(suffixes); i++) {
		auto_free char *host =
		    path_hostf(PATH_POOL_ROOT "/%s-disk%u.%s", uuid, number, suffixes[i]);
		if (fs_stat(host, &stamp) < 0 || stamp.ino != 0)
			return false;
	}
	return true;
}

/* The properties to be changed, with an array of volumes. */
static int
load_for_change(const char *uuid, json_t **ret, struct err *err)
{
	int r = dir_props_load(uuid, ret, NULL, err);

	if (r < 0)
		return r;
	if (r == 0)
		*ret = json_object();
	if (!json_is_array(json_object_get(*ret, "volumes")))
		json_put(*ret, "volumes", json_array());
	return 0;
}

int
dir_props_add_volume(const char *uuid, const char *suffix, char **ret_name, struct err *err)
{
	json_auto_t *props = NULL;
	unsigned number = 0;

	auto_close int lock = dir_props_lock(err);
	if (lock < 0)
		return lock;
	int r = load_for_change(uuid, &props, err);
	if (r < 0)
		return r;
	json_t *volumes = json_object_get(props, "volumes");
	while (number < VOLUMES_MAX && !is_free_number(uuid, volumes, number))
		number++;
	if (number == VOLUMES_MAX)
		return err_set(err, -ENOSPC, "disks", "VM %s has %u volumes already", uuid, number);
	auto_free char *name = xasprintf("%s-disk%u.%s", uuid, number, suffix);
	(void)json_array_append_new(volumes, json_string(name));
	r = dir_props_save(uuid, props, err);
	if (r < 0)
		return r;
	*ret_name = TAKE(name);
	return 0;
}

int
dir_props_remove_volume(const char *uuid, const char *name, struct err *err)
{
	json_auto_t *props = NULL;

	auto_close int lock = dir_props_lock(err);
	if (lock < 0)
		return lock;
	int r = load_for_change(uuid, &props, err);
	if (r < 0)
		return r;
	json_t *volumes = json_object_get(props, "volumes");
	size_t before = json_array_size(volumes);
	for (size_t i = before; i-- > 0;)
		if (str_eq(json_string_value(json_array_get(volumes, i)), name))
			(void)json_array_remove(volumes, i);
	return json_array_size(volumes) == before ? 0 : dir_props_save(uuid, props, err);
}
