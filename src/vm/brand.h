/* Brands: what kind of VM it is. ONE table (design.md section 3, vm-properties.md 7). */
#ifndef VM_BRAND_H
#define VM_BRAND_H

#include <stdbool.h>

enum brand {
	BRAND_KVM,
	BRAND_CHV,
	BRAND_BHYVE,
	BRAND_LX,
	BRAND_JOYENT,
	BRAND_JOYENT_MINIMAL,
	BRAND_BUILDER,
	BRAND_COUNT
};

#define BRAND_BIT(b) (1u << (b))
#define BRANDS_HVM   (BRAND_BIT(BRAND_KVM) | BRAND_BIT(BRAND_CHV) | BRAND_BIT(BRAND_BHYVE))
#define BRANDS_ALL   ((1u << BRAND_COUNT) - 1)
#define BRANDS_OS    (BRANDS_ALL & ~BRANDS_HVM)

struct brand_info {
	const char *name;
	const char *type; /* virtual property `type`: KVM, BHYV, LX, OS ... (vmadm.md 2.3) */
	const char
	    *driver; /* hypervisor driver in vmm/ ("qemu"); NULL: this host cannot run the brand */
	const char *use_instead; /* named by the refusal of create; NULL when it can be created */
	bool hvm;
	const char *const *disk_models; /* legal values of disks.*.model, NULL-terminated; NULL: the
	                                   brand has no disks */
};

extern const struct brand_info brands[BRAND_COUNT];

/* -EINVAL for an unknown name. */
int brand_parse(const char *name, enum brand *ret);
/* Unknown brands are treated like joyent (vmobject-load.md 5). */
enum brand brand_of(const char *name);

#endif
