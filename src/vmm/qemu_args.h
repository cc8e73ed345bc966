/*
 * From a VM object to QEMU's command line, through ONE table of arguments (qemu_args.c;
 * vmadmd.md 10.2, column "Now"). Pure: what has to be asked of the program or the host comes in as
 * `qemu_caps`. Inside vmm/ only.
 *
 * Values are put into templates: "size={ram}M" takes the member `ram`. A comma inside a value is
 * doubled, which is how QEMU's key=value syntax escapes it. A value with a control character is
 * refused.
 */
#ifndef VMM_QEMU_ARGS_H
#define VMM_QEMU_ARGS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "vmm/vmm.h"

/* What differs between processor architectures; a table of it is in qemu.c. */
struct qemu_arch {
	const char *name;    /* uname -m */
	const char *program; /* found in PATH */
	const char *package; /* Debian's */
	const char *machine; /* alias whose newest version is pinned at create */
	const char *rtc;
	const char *vga; /* option and template */
	const char *vga_value;
	const char *usb; /* device with the USB bus; NULL: the machine's own, -usb */
	const char *panic;
	bool smbios;
};

/* What the program can do: asked once per program file. */
struct qemu_caps {
	char machine[64]; /* "pc-q35-7.2" */
	bool sandbox;     /* built with seccomp */
};

struct qemu_maker {
	const struct vmm_start *start;
	const struct qemu_arch *arch;
	const struct qemu_caps *caps;
	json_t *vars; /* looked up before the VM object; owned */
	char **argv;  /* owned */
	bool pci_ide; /* an i440FX machine: two IDE buses with two units each */
};

/* Append `option` and the filled-in template. A member that is absent and has no default
 * ("{vga:std}") leaves both out. `raw`: not in key=value syntax, commas stay single. `vars`
 * (borrowed, may be NULL) is looked up before m->vars and the VM object. */
int qemu_arg(struct qemu_maker *m, const char *option, const char *format, bool raw,
    const json_t *vars, struct err *err);

/* Rows of the table with more to them (qemu_devices.c). */
int qemu_disk_args(struct qemu_maker *m, struct err *err);
int qemu_nic_args(struct qemu_maker *m, struct err *err);

/* The complete argv, NULL-terminated, owned by the caller. */
int qemu_args(const char *program, const struct qemu_arch *arch, const struct qemu_caps *caps,
    const struct vmm_start *start, char ***ret, struct err *err);

#define QEMU_SANDBOX "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

/* The row of an architecture as uname -m names it, or NULL. */
const struct qemu_arch *qemu_arch_find(const char *name);

#endif
