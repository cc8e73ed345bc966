#include "vmm/vmm.h"

#include <errno.h>

#include "base/str.h"
#include "vm/brand.h"

static const struct vmm_driver *const drivers[] = {
	&vmm_qemu,
};

int
vmm_find(const char *brand, const struct vmm_driver **ret, struct err *err)
{
	enum brand b;

	if (brand_parse(brand, &b) < 0)
		return err_set(err, -EINVAL, "brand", "\"%s\" is not a brand", str_or_empty(brand));
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		if (str_eq(drivers[i]->name, brands[b].driver)) {
			*ret = drivers[i];
			return 0;
		}
	}
	return err_set(err, -EINVAL, "brand",
	    "this host cannot run VMs of brand \"%s\"; use brand \"%s\"", brand,
	    brands[b].use_instead ? brands[b].use_instead : brands[BRAND_KVM].name);
}
