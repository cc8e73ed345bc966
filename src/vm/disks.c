/* Disk rules of create and update (vm-properties.md 4.2). */
#include <errno.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "vm/validate.h"
#include "json/json.h"

static int
fix_models(const json_t *vm, json_t *disks, struct err *err)
{
	const struct brand_info *brand = &brands[brand_of(json_member_str(vm, "brand"))];
	const char *model = json_member_str(vm, "disk_driver");
	json_t *disk;
	size_t i;

	json_array_foreach (disks, i, disk) {
		if (!model)
			model = json_member_str(disk, "model");
	}
	json_array_foreach (disks, i, disk) {
		if (json_member_str(disk, "model"))
			continue;
		if (!model)
			return err_set(err, -EINVAL, "model",
			    "disks.%zu.model is required (or disk_driver)", i);
		if (brand->disk_models && !str_in(model, brand->disk_models))
			return err_set(err, -EINVAL, "disk_driver",
			    "%s is not a disk model of brand %s", model, brand->name);
		json_put_str(disk, "model", model);
	}
	return 0;
}

static int
check_unique(const json_t *disks, struct err *err)
{
	json_auto_t *paths = json_object();
	const json_t *disk;
	unsigned boot = 0;
	size_t i;

	json_array_foreach (disks, i, disk) {
		const char *path = json_member_str(disk, "path");

		if (path && json_object_get(paths, path))
			return err_set(err, -EEXIST, "path", "disk %s is given twice", path);
		if (path)
			json_put_bool(paths, path, true);
		boot += json_member_bool(disk, "boot", false);
	}
	if (boot > 1)
		return err_set(
		    err, -EINVAL, "boot", "multiple boot disks: %u have boot true", boot);
	return 0;
}

int
vm_fix_disks(json_t *vm, struct err *err)
{
	json_t *disks = json_object_get(vm, "disks");
	int r = fix_models(vm, disks, err);

	return r < 0 ? r : check_unique(disks, err);
}
