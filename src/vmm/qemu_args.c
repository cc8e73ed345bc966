#include "vmm/qemu_args.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/paths.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "json/json.h"

/* --- Templates --- */

static const json_t *
lookup(const struct qemu_maker *m, const json_t *vars, const char *name)
{
	const json_t *v = json_object_get(vars, name);

	if (!v)
		v = json_object_get(m->vars, name);
	if (!v)
		v = json_object_get(m->start->vm, name);
	return v;
}

static int
add_text(struct buf *b, const char *name, const char *text, size_t len, bool raw, struct err *err)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c == 0x7f)
			return err_set(err, -EINVAL, name, "must not contain control characters");
		if (c == ',' && !raw)
			buf_addc(b, ',');
		buf_addc(b, (char)c);
	}
	return 0;
}

/* 1: added; 0: no such member. */
static int
add_value(struct buf *b, const char *name, const json_t *v, bool raw, struct err *err)
{
	int r = 1;

	if (json_is_string(v)) {
		r = add_text(b, name, json_string_value(v), json_string_length(v), raw, err);
		return r < 0 ? r : 1;
	}
	if (json_is_integer(v)) {
		buf_addf(b, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		return 1;
	}
	if (json_is_boolean(v)) {
		buf_adds(b, json_is_true(v) ? "on" : "off");
		return 1;
	}
	return 0;
}

/* One "{name}" or "{name:default}" that begins at *at; *at moves behind it. */
static int
add_field(const struct qemu_maker *m, struct buf *b, const char **at, bool raw, const json_t *vars,
    struct err *err)
{
	const char *end = strchr(*at, '}');
	const char *colon = memchr(*at, ':', (size_t)(end - *at));
	auto_free char *name = xstrndup(*at + 1, (size_t)((colon ? colon : end) - *at - 1));
	int r;

	*at = end + 1;
	r = add_value(b, name, lookup(m, vars, name), raw, err);
	if (r == 0 && colon) {
		buf_add(b, colon + 1, (size_t)(end - colon - 1));
		r = 1;
	}
	return r;
}

int
qemu_arg(struct qemu_maker *m, const char *option, const char *format, bool raw, const json_t *vars,
    struct err *err)
{
	auto_buf struct buf b = BUF_INIT;
	int r;

	for (const char *p = format; p && *p;) {
		if (*p != '{') {
			buf_addc(&b, *p++);
			continue;
		}
		r = add_field(m, &b, &p, raw, vars, err);
		if (r <= 0)
			return r;
	}
	m->argv = strv_push(m->argv, xstrdup(option));
	if (format)
		m->argv = strv_push(m->argv, buf_take(&b));
	return 0;
}

/* --- Rows with a condition --- */

static int
cpu_args(struct qemu_maker *m, struct err *err)
{
	const char *wanted = json_member_str(m->start->vm, "cpu_type");

	/* QEMU ends with an error for `host` without KVM; `max` is the richest model there. */
	if (!wanted || (!m->start->accel->kvm && str_eq(wanted, "host")))
		wanted = m->start->accel->kvm ? "host" : "max";
	json_put_str(m->vars, "cpu", wanted);
	return qemu_arg(m, "-cpu", "{cpu}", false, NULL, err);
}

static int
smbios_args(struct qemu_maker *m, struct err *err)
{
	const char *platform = m->start->platform;

	if (!m->arch->smbios)
		return 0;
	json_put_str(m->vars, "platform", platform ? platform : "7.x");
	return qemu_arg(m, "-smbios",
	    "type=1,manufacturer=Joyent,product=SmartDC HVM,version=7.{platform},serial={uuid},"
	    "uuid={uuid},sku=001,family=Virtual Machine",
	    false, NULL, err);
}

static int
usb_args(struct qemu_maker *m, struct err *err)
{
	int r;

	r = m->arch->usb ? qemu_arg(m, "-device", m->arch->usb, false, NULL, err)
	                 : qemu_arg(m, "-usb", NULL, false, NULL, err);
	return r < 0 ? r : qemu_arg(m, "-device", "usb-tablet", false, NULL, err);
}

static int
vga_args(struct qemu_maker *m, struct err *err)
{
	return qemu_arg(m, m->arch->vga, m->arch->vga_value, false, NULL, err);
}

static int
rtc_args(struct qemu_maker *m, struct err *err)
{
	return qemu_arg(m, "-rtc", m->arch->rtc, false, NULL, err);
}

static int
panic_args(struct qemu_maker *m, struct err *err)
{
	return qemu_arg(m, "-device", m->arch->panic, false, NULL, err);
}

/* The password itself is set over QMP, where no list of processes shows it. */
static int
vnc_args(struct qemu_maker *m, struct err *err)
{
	const char *password = json_member_str(m->start->vm, "vnc_password");
	const char *format = "unix:" VMM_VNC;

	if (password && *password)
		format = "unix:" VMM_VNC ",password=on";
	return qemu_arg(m, "-vnc", format, false, NULL, err);
}

static int
sandbox_args(struct qemu_maker *m, struct err *err)
{
	if (!m->caps->sandbox)
		return 0;
	return qemu_arg(m, "-sandbox", QEMU_SANDBOX, false, NULL, err);
}

/* --- The table --- */

struct arg_row {
	const char *option;
	const char *format; /* template; NULL: the option stands alone */
	bool raw;
	int (*make)(struct qemu_maker *m, struct err *err); /* instead of the three */
};

/* clang-format off */
static const struct arg_row rows[] = {
	{ "-nodefaults" },
	{ "-no-user-config" },
	/* Created stopped: the guest runs when everybody who must hear it is connected. */
	{ "-S" },
	{ "-name", "guest={uuid},debug-threads=on" },
	{ "-uuid", "{uuid}" },
	{ "-machine", "{machine}" },
	{ "-accel", "{accel}" },
	{ .make = cpu_args },
	{ "-m", "size={ram}M" },
	{ "-smp", "cpus={vcpus:1}" },
	{ .make = rtc_args },
	{ "-kernel", "{kernel_image}", .raw = true },
	{ "-initrd", "{initrd_image}", .raw = true },
	{ "-append", "{kernel_args}", .raw = true },
	{ .make = qemu_disk_args },
	{ "-boot", "{order}", .raw = true }, /* itself in key=value syntax, written by the user */
	{ .make = qemu_nic_args },
	{ .make = smbios_args },
	{ .make = vga_args },
	{ "-display", "none" },
	{ "-chardev", "socket,id=qmp,path=" VMM_QMP_PUBLIC ",server=on,wait=off" },
	{ "-mon", "chardev=qmp,mode=control" },
	{ "-chardev", "socket,id=monitor,path=" VMM_QMP_PRIVATE ",server=on,wait=off" },
	{ "-mon", "chardev=monitor,mode=control" },
	{ "-chardev", "socket,id=serial0,path=" VMM_SERIAL ",server=on,wait=off" },
	{ "-serial", "chardev:serial0" },
	{ .make = vnc_args },
	{ "-parallel", "none" },
	{ .make = usb_args },
	{ "-k", "en-us" },
	{ "-device", "virtio-balloon-pci,id=balloon0" },
	{ "-device", "virtio-rng-pci" },
	{ .make = panic_args },
	{ "-msg", "timestamp=on" },
	{ .make = sandbox_args },
};
/* clang-format on */

/* What templates may name besides members of the VM object. */
static int
set_vars(struct qemu_maker *m, struct err *err)
{
	const json_t *vm = m->start->vm;
	const char *machine = json_member_str(vm, "machine_type");
	const char *order = m->start->order ? m->start->order : json_member_str(vm, "boot");

	if (!json_member_str(vm, "uuid"))
		return err_set(err, -EINVAL, "uuid", "is missing");
	if (json_member_int(vm, "ram", 0) <= 0)
		return err_set(err, -EINVAL, "ram", "is missing");
	if (json_object_get(vm, "initrd_image") && !json_object_get(vm, "kernel_image"))
		return err_set(err, -EINVAL, "initrd_image", "needs kernel_image");
	if (json_object_get(vm, "kernel_args") && !json_object_get(vm, "kernel_image"))
		return err_set(err, -EINVAL, "kernel_args", "needs kernel_image");
	m->vars = json_object();
	json_put_str(m->vars, "machine", machine ? machine : m->caps->machine);
	json_put_str(m->vars, "accel", m->start->accel->kvm ? "kvm" : "tcg");
	json_put_str(m->vars, "order", order ? order : "order=cd");
	m->pci_ide = machine && (str_eq(machine, "pc") || str_starts(machine, "pc-i440fx"));
	return 0;
}

static int
make_all(struct qemu_maker *m, const char *program, struct err *err)
{
	int r;

	r = set_vars(m, err);
	if (r < 0)
		return r;
	m->argv = strv_push(m->argv, xstrdup(program));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		r = rows[i].make
		        ? rows[i].make(m, err)
		        : qemu_arg(m, rows[i].option, rows[i].format, rows[i].raw, NULL, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int
qemu_args(const char *program, const struct qemu_arch *arch, const struct qemu_caps *caps,
    const struct vmm_start *start, char ***ret, struct err *err)
{
	struct qemu_maker m = { .start = start, .arch = arch, .caps = caps };
	int r;

	r = make_all(&m, program, err);
	json_decref(m.vars);
	if (r < 0) {
		strv_free(m.argv);
		return r;
	}
	*ret = m.argv;
	return 0;
}
