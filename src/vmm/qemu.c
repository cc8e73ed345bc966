#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/conf.h"
#include "base/fs.h"
#include "base/own.h"
#include "base/paths.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "vmm/qemu_args.h"
#include "vmm/vmm.h"
#include "json/json.h"

#define CACHE_PATH    PATH_RUN "/qemu.json"
#define CACHE_MAX     65536
#define PROBE_TIMEOUT 20000

/* clang-format off */
static const struct qemu_arch arches[] = {
	{ "x86_64", "qemu-system-x86_64", "qemu-system-x86", "q35", "base=utc,driftfix=slew",
	  "-vga", "{vga:std}", NULL, "pvpanic", true },
	{ "aarch64", "qemu-system-aarch64", "qemu-system-arm", "virt", "base=utc",
	  "-device", "virtio-gpu-pci", "qemu-xhci", "pvpanic-pci", true },
};
/* clang-format on */

const struct qemu_arch *
qemu_arch_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(arches); i++) {
		if (str_eq(arches[i].name, name))
			return &arches[i];
	}
	return NULL;
}

static int
this_arch(const struct qemu_arch **ret, struct err *err)
{
	struct utsname u;

	(void)uname(&u);
	*ret = qemu_arch_find(u.machine);
	if (!*ret)
		return err_set(
		    err, -ENOTSUP, "qemu", "no machine type is known for processor %s", u.machine);
	return 0;
}

/* --- The program --- */

static char *
find_in_path(const char *name)
{
	const char *path = getenv("PATH");
	auto_strv char **dirs = strv_split(path ? path : "/usr/bin:/bin", ':');

	for (char **d = dirs; d && *d; d++) {
		auto_free char *file = xasprintf("%s/%s", **d ? *d : ".", name);

		if ((*d)[0] == '/' && access(file, X_OK) == 0)
			return TAKE(file);
	}
	return NULL;
}

static int
qemu_program(char **ret, struct err *err)
{
	const char *configured = conf_str("vm.qemu");
	const struct qemu_arch *arch;
	char *found;
	int r;

	if (configured && *configured) {
		if (configured[0] != '/' || access(configured, X_OK) != 0)
			return err_set(err, -ENOENT, "vm.qemu",
			    "%s is not a program that can be run", configured);
		*ret = xstrdup(configured);
		return 0;
	}
	r = this_arch(&arch, err);
	if (r < 0)
		return r;
	found = find_in_path(arch->program);
	if (!found)
		return err_set(err, -ENOENT, arch->program,
		    "is not installed; install the package %s", arch->package);
	*ret = found;
	return 0;
}

/* --- What it can do, remembered per program file --- */

static json_t *
stamp_json(const struct fs_stamp *s)
{
	return json_pack("[I, I, I, I]", (json_int_t)s->ino, (json_int_t)s->size,
	    (json_int_t)s->mtime_ns, (json_int_t)s->ctime_ns);
}

static json_t *
cache_read(void)
{
	auto_free char *path = path_host(CACHE_PATH);
	auto_buf struct buf b = BUF_INIT;
	json_t *cache = NULL;

	if (fs_read(path, CACHE_MAX, &b, NULL, NULL) == 0)
		cache = json_parse(b.data, b.len, CACHE_PATH, NULL);
	if (json_is_object(cache) && str_eq(json_member_str(cache, "boot_id"), host_boot_id()))
		return cache;
	json_decref(cache);
	return json_pack("{s:s, s:{}}", "boot_id", host_boot_id(), "programs");
}

static bool
cache_get(const json_t *cache, const char *program, const json_t *stamp, struct qemu_caps *ret)
{
	const json_t *row = json_object_get(json_object_get(cache, "programs"), program);
	const char *machine = json_member_str(row, "machine");

	if (!machine || strlen(machine) >= sizeof(ret->machine) ||
	    !json_equal(json_object_get(row, "stamp"), stamp))
		return false;
	(void)snprintf(ret->machine, sizeof(ret->machine), "%s", machine);
	ret->sandbox = json_member_bool(row, "sandbox", false);
	return true;
}

/* Not being able to remember costs 30 ms the next time and nothing else. */
static void
cache_put(json_t *cache, const char *program, json_t *stamp, const struct qemu_caps *caps)
{
	auto_free char *path = path_host(CACHE_PATH);
	auto_free char *text = NULL;
	struct fs_owner owner = own_of(OWN_RUN_FILE, (uid_t)-1);

	json_put(json_object_get(cache, "programs"), program,
	    json_pack("{s:O, s:s, s:b}", "stamp", stamp, "machine", caps->machine, "sandbox",
	        caps->sandbox));
	text = json_text(cache);
	(void)fs_replace(path, text, strlen(text), &owner, NULL);
}

/* "q35                  Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-7.2)" */
static int
machine_from_help(const char *text, const char *alias, struct qemu_caps *ret)
{
	static const char mark[] = "(alias of ";
	auto_strv char **lines = strv_split(text, '\n');
	size_t len = strlen(alias);

	for (char **l = lines; l && *l; l++) {
		const char *at = strstr(*l, mark);
		size_t n;

		if (!at || strncmp(*l, alias, len) != 0 || (*l)[len] != ' ')
			continue;
		at += strlen(mark);
		n = strcspn(at, ")");
		if (n == 0 || n >= sizeof(ret->machine))
			return -EINVAL;
		memcpy(ret->machine, at, n);
		ret->machine[n] = '\0';
		return 0;
	}
	return -ENOENT;
}

/* One run asks both questions: a build without seccomp refuses the option before it prints the
 * list. */
static int
ask(const char *program, const struct qemu_arch *arch, bool sandbox, struct qemu_caps *ret,
    struct err *err)
{
	const char *const plain[] = { program, "-machine", "help", NULL };
	const char *const boxed[] = { program, "-sandbox", QEMU_SANDBOX, "-machine", "help", NULL };
	auto_buf struct buf out = BUF_INIT;
	char last[256] = "";
	int status = 0;
	int r;

	r = spawn_run(
	    sandbox ? boxed : plain, PROBE_TIMEOUT, &out, last, sizeof(last), &status, err);
	if (r < 0)
		return r;
	if (status != 0)
		return err_set(err, -EIO, program, "does not list its machine types: %s", last);
	if (machine_from_help(out.data ? out.data : "", arch->machine, ret) < 0)
		return err_set(err, -EIO, program, "knows no machine type %s", arch->machine);
	ret->sandbox = sandbox;
	return 0;
}

static int
probe(const char *program, const struct qemu_arch *arch, struct qemu_caps *ret, struct err *err)
{
	json_auto_t *cache = NULL;
	json_auto_t *stamp = NULL;
	struct fs_stamp s = { 0 };
	int r;

	r = fs_stat(program, &s);
	if (r < 0 || s.ino == 0)
		return err_errno(err, r < 0 ? r : -ENOENT, program, "cannot be read");
	cache = cache_read();
	stamp = stamp_json(&s);
	if (cache_get(cache, program, stamp, ret))
		return 0;
	r = ask(program, arch, true, ret, err);
	if (r < 0)
		r = ask(program, arch, false, ret, err);
	if (r == 0)
		cache_put(cache, program, stamp, ret);
	return r;
}

static int
qemu_machine(const char *program, char **ret, struct err *err)
{
	struct qemu_caps caps = { 0 };
	const struct qemu_arch *arch;
	int r;

	r = this_arch(&arch, err);
	if (r == 0)
		r = probe(program, arch, &caps, err);
	if (r == 0)
		*ret = xstrdup(caps.machine);
	return r;
}

static int
qemu_argv(const char *program, const struct vmm_start *start, char ***ret, struct err *err)
{
	struct qemu_caps caps = { 0 };
	const struct qemu_arch *arch;
	int r;

	r = this_arch(&arch, err);
	if (r == 0)
		r = probe(program, arch, &caps, err);
	return r < 0 ? r : qemu_args(program, arch, &caps, start, ret, err);
}

const struct vmm_driver vmm_qemu = {
	.name = "qemu",
	.program = qemu_program,
	.machine = qemu_machine,
	.argv = qemu_argv,
};
