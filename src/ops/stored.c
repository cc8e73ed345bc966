#include "ops/stored.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/paths.h"
#include "base/vmgroup.h"
#include "host/zone_index.h"
#include "host/zone_xml.h"
#include "vm/properties.h"
#include "json/json.h"

int
config_edit(const char *uuid, const char *name, json_t *value, struct err *err)
{
	json_auto_t *v = value;
	json_auto_t *stored = NULL;
	int r = zone_xml_load(uuid, &stored, NULL, NULL, err);

	if (r < 0)
		return r;
	if (v)
		json_object_set(stored, name, v);
	else
		json_object_del(stored, name);
	return zone_xml_save(uuid, stored, err);
}

int
job_set_autoboot(struct job *j, bool value, struct err *err)
{
	if (!op_is_users(j->op))
		return 0;
	return config_edit(j->uuid, "autoboot", json_boolean(value), err);
}

int
vm_exists(const char *uuid, bool *ret, struct err *err)
{
	AUTO(zone_index) struct zone_index *index = NULL;
	auto_free char *xml = zone_xml_path(uuid);
	auto_free char *path = path_host(xml);
	int r = zone_index_load(&index, err);

	if (r < 0 && r != -ENOENT)
		return r;
	*ret = (index && zone_index_find(index, uuid)) || access(path, F_OK) == 0;
	return 0;
}

int
require_vm(const char *uuid, struct err *err)
{
	bool exists = false;
	int r = vm_exists(uuid, &exists, err);

	if (r == 0 && !exists)
		r = err_set(err, -ENOENT, "uuid", "VM %s not found", uuid);
	return r;
}

/* --- files that the hypervisor opens --- */

/* As the VM's process will: its uid and gid, no other groups. In a child, because uids cannot be
 * taken back safely. */
static int
open_as(const char *path, uid_t uid)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 ||
		    setresuid(uid, uid, uid) < 0)
			_exit(EPERM);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		_exit(fd < 0 ? errno : 0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

static int
check_path(const char *name, const char *path, uid_t vm_uid, struct err *err)
{
	struct stat st;
	int r;

	if (path[0] != '/')
		return err_set(err, -EINVAL, name, "%s: %s is not an absolute path", name, path);
	if (stat(path, &st) < 0)
		return err_errno(err, -errno, name, "%s: %s", name, path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, name, "%s: %s is not a regular file", name, path);
	if (is_privileged() && vm_uid != (uid_t)-1)
		r = open_as(path, vm_uid);
	else
		r = access(path, R_OK) < 0 ? -errno : 0;
	if (r < 0)
		return err_errno(err, r, name, "%s: %s cannot be read by the VM's process (uid %d)",
		    name, path, vm_uid == (uid_t)-1 ? (int)geteuid() : (int)vm_uid);
	return 0;
}

int
vm_check_paths(const json_t *vm, uid_t vm_uid, const json_t *only, struct err *err)
{
	for (const struct prop *p = properties; p->name; p++) {
		const char *path = json_member_str(vm, p->name);
		int r;

		if (!(p->flags & PROP_PATH) || !path || !path[0] ||
		    (only && !json_object_get(only, p->name)))
			continue;
		r = check_path(p->name, path, vm_uid, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- processes --- */

int
vm_processes(const char *uuid, struct vm_processes *ret, struct err *err)
{
	struct vm_processes p = { 0 };
	int r = run_state_load(uuid, &p.rs, NULL, err);

	if (r < 0)
		return r;
	p.hypervisor = p.rs.hypervisor.pid && proc_is_alive(&p.rs.hypervisor);
	p.monitor = p.rs.monitor.pid && proc_is_alive(&p.rs.monitor);
	*ret = p;
	return 0;
}
