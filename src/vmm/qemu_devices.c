#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/paths.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "net/nic_tag.h"
#include "vmm/qemu_args.h"
#include "json/json.h"

/* --- Which device boots --- */

/*
 * The firmware looks at bootindex before -boot, so the letters of a plain "order=cdn" are turned
 * into bootindexes: c all disks (the one marked `boot` first), d all CDs, n all NICs. With anything
 * more ("once=d", "menu=on") -boot alone decides.
 */
struct boot_plan {
	const char *letters; /* NULL: -boot decides */
};

static struct boot_plan
boot_plan(const struct qemu_maker *m)
{
	const char *order = json_member_str(m->vars, "order");

	if (str_starts(order, "order="))
		order += strlen("order=");
	if (order[strspn(order, "abcdefghijklmnop")] != '\0')
		order = NULL;
	return (struct boot_plan){ order };
}

static char
disk_letter(const json_t *disk)
{
	return str_eq(json_member_str(disk, "media"), "cdrom") ? 'd' : 'c';
}

/* Place of a device among those of its letter, 0 first. */
static unsigned
rank_of(const json_t *devices, size_t index, char letter)
{
	const json_t *self = json_array_get(devices, index);
	bool boot = json_member_bool(self, "boot", false);
	const json_t *other;
	unsigned rank = 0;
	size_t i;

	json_array_foreach (devices, i, other) {
		bool other_boot = json_member_bool(other, "boot", false);

		if (i == index || (letter != 'n' && disk_letter(other) != letter))
			continue;
		if (other_boot == boot ? i < index : other_boot)
			rank++;
	}
	return rank;
}

/* -1: none. There are never 1000 devices of a letter. */
static int
bootindex_of(const struct boot_plan *plan, const json_t *devices, size_t index, char letter)
{
	const char *at = plan->letters ? strchr(plan->letters, letter) : NULL;

	if (!at)
		return -1;
	return (int)(1 + (at - plan->letters) * 1000 + rank_of(devices, index, letter));
}

/* --- Disks --- */

/* Templates by model and medium. {at} is the place on an IDE bus. */
static const struct disk_model {
	const char *name;
	const char *controller; /* made once, before the first disk that needs it */
	const char *disk, *cdrom;
} disk_models[] = {
	{ "virtio", NULL, "virtio-blk-pci,id=vd{i},drive=disk{i}",
	    "virtio-blk-pci,id=vd{i},drive=disk{i}" },
	{ "scsi", "virtio-scsi-pci,id=scsi0", "scsi-hd,id=sd{i},bus=scsi0.0,drive=disk{i}",
	    "scsi-cd,id=sd{i},bus=scsi0.0,drive=disk{i}" },
	{ "ide", NULL, "ide-hd,id=hd{i},{at},drive=disk{i}", "ide-cd,id=hd{i},{at},drive=disk{i}" },
};

static const struct disk_model *
disk_model_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(disk_models); i++) {
		if (str_eq(disk_models[i].name, name))
			return &disk_models[i];
	}
	return NULL;
}

static size_t
parent_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) : 0;
}

/*
 * A volume beside the VM's directory is named relative to root/tmp, the working directory, so that
 * the VM's uid needs no search right on the directories above a private root.
 */
static char *
volume_path(const struct qemu_maker *m, const char *logical)
{
	const char *zonepath = json_member_str(m->start->vm, "zonepath");
	size_t len = parent_len(logical);
	auto_buf struct buf b = BUF_INIT;

	if (!zonepath || m->start->volume_dir_up <= 0 || len != parent_len(zonepath) ||
	    strncmp(zonepath, logical, len) != 0)
		return path_host(logical);
	for (int i = 0; i < m->start->volume_dir_up; i++)
		buf_adds(&b, "../");
	buf_adds(&b, logical + len + 1);
	return buf_take(&b);
}

static const char *
disk_format(const json_t *disk, const char *path)
{
	const char *format = json_member_str(disk, "format");

	/* Never left to QEMU: a guest could write a qcow2 header into its raw disk and name a
	 * backing file of the host. */
	return format ? format : str_ends(path, ".qcow2") ? "qcow2" : "raw";
}

struct disk_counts {
	unsigned ide;
	const struct disk_model *controllers[ARRAY_LEN(disk_models)];
};

static int
controller_once(struct qemu_maker *m, const struct disk_model *model, struct disk_counts *counts,
    struct err *err)
{
	size_t i = (size_t)(model - disk_models);

	if (!model->controller || counts->controllers[i])
		return 0;
	counts->controllers[i] = model;
	return qemu_arg(m, "-device", model->controller, false, NULL, err);
}

/* "bus=ide.1,unit=0": q35 has six AHCI ports with one unit each, i440FX two buses with two units.
 */
static int
ide_place(const struct qemu_maker *m, struct disk_counts *counts, char ret[32], struct err *err)
{
	unsigned n = counts->ide++;

	if (n >= (m->pci_ide ? 4u : 6u))
		return err_set(err, -EINVAL, "disks", "too many disks of model ide: %u fit",
		    m->pci_ide ? 4u : 6u);
	if (m->pci_ide)
		(void)snprintf(ret, 32, "bus=ide.%u,unit=%u", n / 2, n % 2);
	else
		(void)snprintf(ret, 32, "bus=ide.%u", n);
	return 0;
}

static int
disk_device(struct qemu_maker *m, const struct disk_model *model, bool cdrom, int bootindex,
    const char *ide_at, const json_t *vars, struct err *err)
{
	auto_buf struct buf format = BUF_INIT;

	for (const char *p = cdrom ? model->cdrom : model->disk; *p; p++) {
		/* {at} is our own text and must not get its comma doubled. */
		if (str_starts(p, "{at}")) {
			buf_adds(&format, ide_at);
			p += strlen("{at}") - 1;
			continue;
		}
		buf_addc(&format, *p);
	}
	buf_adds(&format, ",werror=stop,rerror=report");
	if (bootindex >= 0)
		buf_addf(&format, ",bootindex=%d", bootindex);
	return qemu_arg(m, "-device", format.data, false, vars, err);
}

static int
one_disk(struct qemu_maker *m, const struct boot_plan *plan, const json_t *disks, size_t i,
    struct disk_counts *counts, struct err *err)
{
	const json_t *disk = json_array_get(disks, i);
	const char *path = json_member_str(disk, "path");
	const char *name = json_member_str(disk, "model");
	const struct disk_model *model = disk_model_find(name ? name : "virtio");
	bool cdrom = disk_letter(disk) == 'd';
	json_auto_t *vars = json_object();
	auto_free char *file = NULL;
	char ide_at[32] = "";
	int r;

	if (!path || path[0] != '/')
		return err_set(err, -EINVAL, "disks", "disk %zu has no absolute path", i);
	if (!model)
		return err_set(err, -EINVAL, "disks",
		    "\"%s\" is not a valid disk model for kvm brand. Valid are: virtio,scsi,ide",
		    name);
	r = controller_once(m, model, counts, err);
	if (r == 0 && str_eq(model->name, "ide"))
		r = ide_place(m, counts, ide_at, err);
	if (r < 0)
		return r;

	file = volume_path(m, path);
	json_put_int(vars, "i", (int64_t)i);
	json_put_str(vars, "path", file);
	json_put_str(vars, "format", disk_format(disk, path));
	json_put_bool(vars, "ro", cdrom);
	r = qemu_arg(m, "-blockdev",
	    "driver=file,node-name=file{i},filename={path},locking=auto,discard=unmap,read-only={"
	    "ro}",
	    false, vars, err);
	if (r < 0)
		return r;
	r = qemu_arg(m, "-blockdev",
	    "driver={format},node-name=disk{i},file=file{i},discard=unmap,read-only={ro}", false,
	    vars, err);
	if (r < 0)
		return r;
	return disk_device(
	    m, model, cdrom, bootindex_of(plan, disks, i, disk_letter(disk)), ide_at, vars, err);
}

int
qemu_disk_args(struct qemu_maker *m, struct err *err)
{
	const json_t *disks = json_object_get(m->start->vm, "disks");
	struct boot_plan plan = boot_plan(m);
	struct disk_counts counts = { 0 };
	int r;

	for (size_t i = 0; i < json_array_size(disks); i++) {
		r = one_disk(m, &plan, disks, i, &counts, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- NICs --- */

static const struct nic_model {
	const char *name, *device;
} nic_models[] = {
	{ "virtio", "virtio-net-pci" },
	{ "e1000", "e1000" },
	{ "rtl8139", "rtl8139" },
};

/* Templates of the network back ends, by enum nic_backend. */
static const char *const nic_backends[] = {
	[NIC_BACKEND_USER] = "user,id=net{i}",
};

static const char *
nic_device(const char *model)
{
	for (size_t i = 0; i < ARRAY_LEN(nic_models); i++) {
		if (str_eq(nic_models[i].name, model))
			return nic_models[i].device;
	}
	return NULL;
}

static int
one_nic(struct qemu_maker *m, const struct boot_plan *plan, const json_t *nics, size_t i,
    struct err *err)
{
	const json_t *nic = json_array_get(nics, i);
	const char *model = json_member_str(nic, "model");
	const char *tag_name = json_member_str(nic, "nic_tag");
	const struct nic_tag *tag = tag_name ? nic_tag_find(tag_name) : NULL;
	const char *device = nic_device(model ? model : "virtio");
	int bootindex = bootindex_of(plan, nics, i, 'n');
	json_auto_t *vars = json_object();
	int r;

	if (!device)
		return err_set(err, -EINVAL, "nics",
		    "\"%s\" is not a valid NIC model for kvm brand. Valid are: "
		    "virtio,e1000,rtl8139",
		    model);
	if (!tag)
		return err_set(
		    err, -EINVAL, "nics", "Invalid nic tag \"%s\"", str_or_empty(tag_name));
	if (!json_member_str(nic, "mac"))
		return err_set(err, -EINVAL, "nics", "NIC %zu has no mac", i);
	json_put_int(vars, "i", (int64_t)i);
	json_put_str(vars, "device", device);
	json_put_str(vars, "mac", json_member_str(nic, "mac"));
	if (bootindex >= 0)
		json_put_int(vars, "bootindex", bootindex);
	r = qemu_arg(m, "-netdev", nic_backends[tag->backend], false, vars, err);
	if (r < 0)
		return r;
	return qemu_arg(m, "-device",
	    bootindex >= 0 ? "{device},id=nic{i},netdev=net{i},mac={mac},bootindex={bootindex}"
	                   : "{device},id=nic{i},netdev=net{i},mac={mac}",
	    false, vars, err);
}

int
qemu_nic_args(struct qemu_maker *m, struct err *err)
{
	const json_t *nics = json_object_get(m->start->vm, "nics");
	struct boot_plan plan = boot_plan(m);
	int r;

	for (size_t i = 0; i < json_array_size(nics); i++) {
		r = one_nic(m, &plan, nics, i, err);
		if (r < 0)
			return r;
	}
	return 0;
}
