/* The table of brands. */
#include "vm/brand.h"

#include <errno.h>
#include <stddef.h>

#include "base/str.h"

static const char *const kvm_disk_models[] = { "virtio", "scsi", "ide", NULL };
static const char *const bhyve_disk_models[] = { "virtio", "ahci", "nvme", NULL };

const struct brand_info brands[BRAND_COUNT] = {
	[BRAND_KVM] = { "kvm", "KVM", .driver = "qemu", .hvm = true,
	    .disk_models = kvm_disk_models },
	[BRAND_CHV] = { "chv", "CHV", .hvm = true, .disk_models = bhyve_disk_models,
	    .use_instead = "kvm" },
	[BRAND_BHYVE] = { "bhyve", "BHYV", .hvm = true, .disk_models = bhyve_disk_models,
	    .use_instead = "kvm" },
	[BRAND_LX] = { "lx", "LX", .use_instead = "kvm" },
	[BRAND_JOYENT] = { "joyent", "OS", .use_instead = "kvm" },
	[BRAND_JOYENT_MINIMAL] = { "joyent-minimal", "OS", .use_instead = "kvm" },
	[BRAND_BUILDER] = { "builder", "OS", .use_instead = "kvm" },
};

int
brand_parse(const char *name, enum brand *ret)
{
	for (unsigned i = 0; name && i < BRAND_COUNT; i++) {
		if (str_eq(brands[i].name, name)) {
			*ret = (enum brand)i;
			return 0;
		}
	}
	return -EINVAL;
}

enum brand
brand_of(const char *name)
{
	enum brand b = BRAND_JOYENT;

	(void)brand_parse(name, &b);
	return b;
}
