#include "ops/volumes.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "json/json.h"

#define MIB (INT64_C(1) << 20)

bool
volume_is_ours(const json_t *disk)
{
	return !str_eq(json_member_str(disk, "media"), "cdrom") &&
	       !json_member_bool(disk, "nocreate", false);
}

static int
create_one(const struct volumes *v, json_t *disk, char **ret_path, struct err *err)
{
	int64_t size = json_member_int(disk, "size", 0) * MIB;
	enum volume_format format;
	int r = volume_format_parse(json_member_str(disk, "format"), &format);

	if (r < 0)
		return err_set(err, r, "disks", "Unknown volume format \"%s\"",
		    json_member_str(disk, "format"));
	return v->pool->create_volume(POOL_DEFAULT, v->uuid, format, size, v->uid, ret_path, err);
}

static int
make_volume(const struct volumes *v, json_t *disk, volume_made_fn *made, void *arg, struct err *err)
{
	auto_free char *path = NULL;
	int r = create_one(v, disk, &path, err);

	if (r == 0 && made)
		r = made(arg, path, err);
	if (r == 0)
		json_put_str(disk, "path", path);
	return r;
}

int
volumes_create(
    const struct volumes *v, json_t *disks, volume_made_fn *made, void *arg, struct err *err)
{
	json_t *disk;
	size_t i;
	int r = 0;

	json_array_foreach (disks, i, disk) {
		if (volume_is_ours(disk) && !json_member_str(disk, "path"))
			r = make_volume(v, disk, made, arg, err);
		if (r < 0)
			break;
	}
	return r;
}
