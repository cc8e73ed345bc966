#include "private_root.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/proc.h"
#include "base/str.h"
#include "unit.h"
#include "vmm/qemu_args.h"
#include "vmm/vmm.h"

#define UUID "11111111-1111-4111-8111-111111111111"

static const struct accel tcg = { .kvm = false };
static const struct accel kvm = { .kvm = true };
static const struct qemu_caps caps = { .machine = "pc-q35-7.2", .sandbox = true };

/* Base object with more members, in JSON with ' for ". */
static json_t *
vm_with(const char *more)
{
	auto_free char *text = xasprintf(
	    "{'uuid':'" UUID "','zonepath':'/zones/" UUID "','brand':'kvm','ram':256%s}", more);
	json_t *vm;

	for (char *p = text; *p; p++) {
		if (*p == '\'')
			*p = '"';
	}
	vm = json_parse(text, strlen(text), "test", NULL);
	assert_non_null(vm);
	return vm;
}

static int
make(const char *more, const struct accel *accel, const char *order, char ***ret, struct err *err)
{
	json_auto_t *vm = vm_with(more);
	struct vmm_start start = { .vm = vm,
		.accel = accel,
		.order = order,
		.platform = "20260101T000000Z",
		.volume_dir_up = 3 };

	return qemu_args(
	    "/usr/bin/qemu-system-x86_64", qemu_arch_find("x86_64"), &caps, &start, ret, err);
}

/* The whole of the smallest VM: whoever changes an argument sees it here. */
static void
smallest_vm(void **state)
{
	static const char *const golden[] = { "/usr/bin/qemu-system-x86_64", "-nodefaults",
		"-no-user-config", "-S", "-name", "guest=" UUID ",debug-threads=on", "-uuid", UUID,
		"-machine", "pc-q35-7.2", "-accel", "tcg", "-cpu", "max", "-m", "size=256M", "-smp",
		"cpus=1", "-rtc", "base=utc,driftfix=slew", "-boot", "order=cd", "-smbios",
		"type=1,manufacturer=Joyent,product=SmartDC "
		"HVM,version=7.20260101T000000Z,serial=" UUID ",uuid=" UUID
		",sku=001,family=Virtual Machine",
		"-vga", "std", "-display", "none", "-chardev",
		"socket,id=qmp,path=vm.qmp,server=on,wait=off", "-mon", "chardev=qmp,mode=control",
		"-chardev", "socket,id=monitor,path=vm.monitor,server=on,wait=off", "-mon",
		"chardev=monitor,mode=control", "-chardev",
		"socket,id=serial0,path=vm.serial,server=on,wait=off", "-serial", "chardev:serial0",
		"-vnc", "unix:vm.vnc", "-parallel", "none", "-usb", "-device", "usb-tablet", "-k",
		"en-us", "-device", "virtio-balloon-pci,id=balloon0", "-device", "virtio-rng-pci",
		"-device", "pvpanic", "-msg", "timestamp=on", "-sandbox",
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny", NULL };
	char **argv auto_strv = NULL;

	(void)state;
	assert_int_equal(make("", &tcg, NULL, &argv, NULL), 0);
	for (size_t i = 0; golden[i] || argv[i]; i++) {
		assert_non_null(golden[i]);
		assert_non_null(argv[i]);
		assert_string_equal(argv[i], golden[i]);
	}
}

/* Rows: members, and what must stand in the argv, as "option value" joined by '|', in this order.
 */
static const struct {
	const char *name, *more;
	bool kvm;
	const char *order;
	const char *wanted;
} rows[] = {
	{ "kvm", "", true, NULL, "-accel kvm|-cpu host" },
	{ "host under TCG", ",'cpu_type':'host'", false, NULL, "-accel tcg|-cpu max" },
	{ "host under KVM", ",'cpu_type':'host'", true, NULL, "-cpu host" },
	{ "a model", ",'cpu_type':'qemu64'", false, NULL, "-cpu qemu64" },
	{ "pinned machine", ",'machine_type':'pc-q35-7.0','vcpus':4", false, NULL,
	    "-machine pc-q35-7.0|-smp cpus=4" },
	{ "kernel",
	    ",'kernel_image':'/boot/a,b','initrd_image':'/boot/"
	    "i','kernel_args':'console=ttyS0,115200 quiet'",
	    false, NULL, "-kernel /boot/a,b|-initrd /boot/i|-append console=ttyS0,115200 quiet" },
	{ "qcow2 beside the VM",
	    ",'disks':[{'path':'/zones/" UUID "-disk0.qcow2','model':'virtio','format':'qcow2'}]",
	    false, NULL,
	    "-blockdev driver=file,node-name=file0,filename=../../../" UUID
	    "-disk0.qcow2,locking=auto,discard=unmap,read-only=off|-blockdev "
	    "driver=qcow2,node-name=disk0,file=file0,discard=unmap,read-only=off|-device "
	    "virtio-blk-pci,id=vd0,drive=disk0,werror=stop,rerror=report,bootindex=1" },
	{ "raw elsewhere", ",'disks':[{'path':'/images/x,y.img','model':'scsi'}]", false, NULL,
	    "-device virtio-scsi-pci,id=scsi0|-blockdev "
	    "driver=file,node-name=file0,filename=@ROOT@/images/"
	    "x,,y.img,locking=auto,discard=unmap,read-only=off|-blockdev "
	    "driver=raw,node-name=disk0,file=file0,discard=unmap,read-only=off|-device "
	    "scsi-hd,id=sd0,bus=scsi0.0,drive=disk0,werror=stop,rerror=report,bootindex=1" },
	{ "one SCSI controller for all",
	    ",'disks':[{'path':'/a','model':'scsi'},{'path':'/b','model':'scsi'}]", false, NULL,
	    "-device virtio-scsi-pci,id=scsi0|-device "
	    "scsi-hd,id=sd0,bus=scsi0.0,drive=disk0,werror=stop,rerror=report,bootindex=1|-device "
	    "scsi-hd,id=sd1,bus=scsi0.0,drive=disk1,werror=stop,rerror=report,bootindex=2" },
	{ "boot disk first",
	    ",'disks':[{'path':'/a','model':'ide'},{'path':'/b','model':'ide','boot':true}]", false,
	    NULL,
	    "-device "
	    "ide-hd,id=hd0,bus=ide.0,drive=disk0,werror=stop,rerror=report,bootindex=2|-device "
	    "ide-hd,id=hd1,bus=ide.1,drive=disk1,werror=stop,rerror=report,bootindex=1" },
	{ "units of i440FX",
	    ",'machine_type':'pc-i440fx-7.2','disks':[{'path':'/a','model':'ide'},{'path':'/"
	    "b','model':'ide'}]",
	    false, NULL,
	    "-device "
	    "ide-hd,id=hd0,bus=ide.0,unit=0,drive=disk0,werror=stop,rerror=report,bootindex=1|-"
	    "device "
	    "ide-hd,id=hd1,bus=ide.0,unit=1,drive=disk1,werror=stop,rerror=report,bootindex=2" },
	{ "cd before disk",
	    ",'disks':[{'path':'/a','model':'virtio'},{'path':'/"
	    "c.iso','model':'ide','media':'cdrom'}]",
	    false, "order=dc",
	    "-device "
	    "virtio-blk-pci,id=vd0,drive=disk0,werror=stop,rerror=report,bootindex=1001|-blockdev "
	    "driver=file,node-name=file1,filename=@ROOT@/"
	    "c.iso,locking=auto,discard=unmap,read-only=on|-device "
	    "ide-cd,id=hd1,bus=ide.0,drive=disk1,werror=stop,rerror=report,bootindex=1|-boot "
	    "order=dc" },
	{ "once leaves it to -boot", ",'disks':[{'path':'/a','model':'virtio'}]", false,
	    "order=c,once=d",
	    "-device virtio-blk-pci,id=vd0,drive=disk0,werror=stop,rerror=report|-boot "
	    "order=c,once=d" },
	{ "network first", ",'nics':[{'mac':'02:00:00:00:00:01','nic_tag':'user','model':'e1000'}]",
	    false, "nc",
	    "-boot nc|-netdev user,id=net0|-device "
	    "e1000,id=nic0,netdev=net0,mac=02:00:00:00:00:01,bootindex=1" },
	{ "two nics",
	    ",'nics':[{'mac':'02:00:00:00:00:01','nic_tag':'user','model':'virtio'},"
	    "{'mac':'02:00:00:00:00:02','nic_tag':'user','model':'rtl8139'}]",
	    false, NULL,
	    "-netdev user,id=net0|-device "
	    "virtio-net-pci,id=nic0,netdev=net0,mac=02:00:00:00:00:01|-netdev "
	    "user,id=net1|-device rtl8139,id=nic1,netdev=net1,mac=02:00:00:00:00:02" },
	{ "password is not in the argv", ",'vnc_password':'s3cret'", false, NULL,
	    "-vnc unix:vm.vnc,password=on" },
	{ "empty password is none", ",'vnc_password':''", false, NULL, "-vnc unix:vm.vnc" },
};

/* Index behind "option value" at or after `from`, or 0. */
static size_t
find_pair(char *const *argv, size_t from, const char *pair)
{
	for (size_t i = from; argv[i] && argv[i + 1]; i++) {
		auto_free char *have = xasprintf("%s %s", argv[i], argv[i + 1]);

		if (str_eq(have, pair))
			return i + 2;
	}
	return 0;
}

static char *
with_root(const char *text)
{
	const char *at = strstr(text, "@ROOT@");

	return at ? xasprintf("%.*s%s%s", (int)(at - text), text, paths_root(), at + 6)
	          : xstrdup(text);
}

static void
members_become_arguments(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_strv char **wanted = strv_split(rows[i].wanted, '|');
		char **argv auto_strv = NULL;
		struct err err = { 0 };
		size_t at = 1;

		if (make(rows[i].more, rows[i].kvm ? &kvm : &tcg, rows[i].order, &argv, &err) < 0)
			fail_row(rows[i].name, "%s: %s", err.what, err.msg);
		for (char **w = wanted; *w; w++) {
			auto_free char *pair = with_root(*w);
			size_t next = find_pair(argv, at, pair);

			if (next == 0)
				fail_row(rows[i].name, "no \"%s\"", pair);
			at = next;
		}
		for (char **a = argv; *a; a++)
			assert_null(strstr(*a, "s3cret"));
	}
}

static const struct {
	const char *name, *more, *what;
} refused[] = {
	{ "newline in an argument", ",'kernel_image':'/k','kernel_args':'a\\nb'", "kernel_args" },
	{ "newline in a path", ",'disks':[{'path':'/a\\nb','model':'virtio'}]", "path" },
	{ "no ram", ",'ram':0", "ram" },
	{ "initrd alone", ",'initrd_image':'/i'", "initrd_image" },
	{ "args alone", ",'kernel_args':'x'", "kernel_args" },
	{ "model of a disk", ",'disks':[{'path':'/a','model':'floppy'}]", "disks" },
	{ "relative path", ",'disks':[{'path':'a','model':'ide'}]", "disks" },
	{ "no path", ",'disks':[{'model':'ide'}]", "disks" },
	{ "seventh ide disk",
	    ",'disks':[{'path':'/1','model':'ide'},{'path':'/2','model':'ide'},{'path':'/"
	    "3','model':'ide'},{'path':'/4','model':'ide'},"
	    "{'path':'/5','model':'ide'},{'path':'/6','model':'ide'},{'path':'/7','model':'ide'}]",
	    "disks" },
	{ "model of a nic",
	    ",'nics':[{'mac':'02:00:00:00:00:01','nic_tag':'user','model':'carrier-pigeon'}]",
	    "nics" },
	{ "unknown tag", ",'nics':[{'mac':'02:00:00:00:00:01','nic_tag':'mars','model':'virtio'}]",
	    "nics" },
	{ "no mac", ",'nics':[{'nic_tag':'user','model':'virtio'}]", "nics" },
};

static void
what_cannot_run_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		char **argv = NULL;
		struct err err = { 0 };
		json_auto_t *vm = NULL;
		int r;

		/* "ram" is in the base object, so its row replaces it. */
		if (str_starts(refused[i].more, ",'ram'")) {
			vm = vm_with("");
			(void)json_object_set_new(vm, "ram", json_integer(0));
			struct vmm_start start = { .vm = vm, .accel = &tcg };
			r = qemu_args("q", qemu_arch_find("x86_64"), &caps, &start, &argv, &err);
		} else {
			r = make(refused[i].more, &tcg, NULL, &argv, &err);
		}
		if (r != -EINVAL || !str_eq(err.what, refused[i].what) || argv)
			fail_row(refused[i].name, "%d %s: %s", r, err.what, err.msg);
	}
}

static void
a_build_without_seccomp_gets_no_sandbox(void **state)
{
	const struct qemu_caps poor = { .machine = "pc-q35-7.2" };
	json_auto_t *vm = vm_with("");
	struct vmm_start start = { .vm = vm, .accel = &tcg };
	char **argv auto_strv = NULL;

	(void)state;
	assert_int_equal(qemu_args("q", qemu_arch_find("x86_64"), &poor, &start, &argv, NULL), 0);
	for (char **a = argv; *a; a++)
		assert_string_not_equal(*a, "-sandbox");
}

/* A stand-in that counts how often it is asked. */
static char *
fake_program(bool sandbox)
{
	auto_free char *text = xasprintf(
	    "#!/bin/sh\necho x >> %s/asked\n%s"
	    "echo 'q35  Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-9.9)'\n"
	    "echo 'virt QEMU 9.9 ARM Virtual Machine (alias of virt-9.9)'\n",
	    paths_root(), sandbox ? "" : "[ $1 = -sandbox ] && { echo no sandbox >&2; exit 1; }\n");
	char *path;

	root_puts("/fake-qemu", text);
	path = path_host("/fake-qemu");
	assert_int_equal(chmod(path, 0755), 0);
	return path;
}

static size_t
times_asked(void)
{
	auto_free char *asked = root_gets("/asked");

	return strlen(asked) / 2;
}

static void
machine_is_asked_once_per_program_file(void **state)
{
	auto_free char *program = fake_program(true);
	auto_free char *run = path_host(PATH_RUN);

	(void)state;
	assert_int_equal(fs_mkdir_p(run, &root_anyone, NULL), 0);
	for (int i = 0; i < 3; i++) {
		auto_free char *machine = NULL;
		struct err err = { 0 };

		assert_int_equal(vmm_qemu.machine(program, &machine, &err), 0);
		assert_non_null(strstr(machine, "-9.9"));
	}
	assert_int_equal(times_asked(), 1);
	free(fake_program(true));
	auto_free char *again = NULL;
	assert_int_equal(vmm_qemu.machine(program, &again, NULL), 0);
	assert_int_equal(times_asked(), 2);
}

static void
a_program_that_refuses_the_sandbox_is_asked_without(void **state)
{
	auto_free char *program = fake_program(false);
	auto_free char *machine = NULL;

	(void)state;
	assert_int_equal(vmm_qemu.machine(program, &machine, NULL), 0);
	assert_int_equal(times_asked(), 2);
}

static void
a_program_that_is_none_is_an_error(void **state)
{
	auto_free char *machine = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(vmm_qemu.machine("/nonexistent/qemu", &machine, &err), -ENOENT);
	assert_true(vmm_qemu.machine("/bin/true", &machine, &err) < 0);
}

static void
brands_find_their_driver(void **state)
{
	const struct vmm_driver *d = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(vmm_find("kvm", &d, &err), 0);
	assert_ptr_equal(d, &vmm_qemu);
	assert_int_equal(vmm_find("bhyve", &d, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "use brand"));
	assert_int_equal(vmm_find("martian", &d, &err), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ROOT_TEST(smallest_vm),
		ROOT_TEST(members_become_arguments),
		ROOT_TEST(what_cannot_run_is_refused),
		ROOT_TEST(a_build_without_seccomp_gets_no_sandbox),
		ROOT_TEST(machine_is_asked_once_per_program_file),
		ROOT_TEST(a_program_that_refuses_the_sandbox_is_asked_without),
		ROOT_TEST(a_program_that_is_none_is_an_error),
		ROOT_TEST(brands_find_their_driver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
