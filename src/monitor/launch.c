#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/conf.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/vmgroup.h"
#include "base/xmalloc.h"
#include "host/vm_uid.h"
#include "host/zone_dir.h"
#include "load/load.h"
#include "monitor/mon.h"
#include "vmm/vmm.h"
#include "json/json.h"

#define HYPERVISOR_NOFILE 8192
#define VOLUMES_UP        3 /* root/tmp, root, the VM's directory: the pool */

int
launch_load(struct mon *m, struct err *err)
{
	json_t *vm = NULL;
	const char *policy;
	int r;

	r = load_one(m->uuid, true, &vm, err);
	if (r < 0)
		return r;
	json_decref(m->vm);
	m->vm = vm;
	free(m->zonepath);
	m->zonepath = xstrdup0(json_member_str(vm, "zonepath"));
	if (!m->zonepath)
		return err_set(err, -EINVAL, "zonepath", "is missing");
	policy = json_member_str(vm, "restart_policy");
	if (!m->policy_fixed)
		(void)snprintf(m->policy, sizeof(m->policy), "%s", policy ? policy : "never");
	return 0;
}

/* --- The process and its watch --- */

static void
on_hyper_closed(uv_handle_t *h)
{
	struct hyper *hyper = h->data;

	(void)close(hyper->pidfd);
	free(hyper);
}

void
hyper_unwatch(struct mon *m)
{
	if (m->hyper)
		uv_close((uv_handle_t *)&TAKE(m->hyper)->poll, on_hyper_closed);
}

int
hyper_watch(struct mon *m, int pidfd, struct err *err)
{
	struct hyper *h = xcalloc(1, sizeof(*h));
	int r;

	h->pidfd = pidfd;
	h->mon = m;
	h->poll.data = h;
	r = uv_poll_init(&m->loop, &h->poll, pidfd);
	if (r < 0) {
		(void)close(pidfd);
		free(h);
		return err_set(err, r, "pidfd", "cannot be watched: %s", uv_strerror(r));
	}
	m->hyper = h;
	(void)uv_poll_start(&h->poll, UV_READABLE, supervise_on_exit);
	return 0;
}

/* --- Starting --- */

/* Names a process of an earlier life may have left; QEMU binds over none of them by itself after a
 * SIGKILL. */
static void
remove_stale(const struct mon *m)
{
	static const char *const names[] = { VMM_QMP_PUBLIC, VMM_QMP_PRIVATE, VMM_SERIAL, VMM_VNC,
		VMM_PIDFILE };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)unlinkat(m->tmp_fd, names[i], 0);
}

static int
prepare_dir(struct mon *m, uid_t *ret_uid, struct err *err)
{
	uid_t uid = (uid_t)-1;
	int r;

	r = vm_uid_get(m->uuid, &uid, err);
	if (r < 0)
		return r;
	r = zone_dir_create(m->zonepath, uid, err);
	if (r < 0)
		return r;
	if (m->tmp_fd >= 0)
		(void)close(take_fd(&m->tmp_fd));
	m->tmp_fd = zone_dir_open_tmp(m->zonepath, err);
	if (m->tmp_fd < 0)
		return m->tmp_fd;
	remove_stale(m);
	*ret_uid = uid;
	return 0;
}

static int
make_argv(struct mon *m, const struct accel *accel, char ***ret, struct err *err)
{
	struct vmm_start start = {
		.vm = m->vm, .accel = accel, .order = m->order, .volume_dir_up = VOLUMES_UP
	};
	const struct vmm_driver *driver = NULL;
	auto_free char *program = NULL;
	int r;

	start.platform = json_member_str(m->vm, "platform_buildstamp");
	r = vmm_find(json_member_str(m->vm, "brand"), &driver, err);
	if (r == 0)
		r = driver->program(&program, err);
	return r < 0 ? r : driver->argv(program, &start, ret, err);
}

/* The group that may open /dev/kvm; the VM's own when everybody may, or nobody has to. */
static gid_t
process_gid(uid_t uid, const struct accel *accel)
{
	struct stat st;

	if (uid == (uid_t)-1)
		return (gid_t)-1;
	if (!accel->kvm || stat("/dev/kvm", &st) < 0 || (st.st_mode & S_IWOTH) ||
	    !(st.st_mode & S_IWGRP))
		return uid;
	return st.st_gid;
}

static pid_t
spawn_hypervisor(struct mon *m, char *const *argv, uid_t uid, gid_t gid, struct err *err)
{
	static const char *const env[] = { "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
		NULL };
	const struct rlimit no_core = { 0, 0 };
	auto_close int pidfile = openat(
	    m->tmp_fd, VMM_PIDFILE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct spawn s = SPAWN_INIT;

	if (pidfile < 0)
		return err_errno(err, -errno, VMM_PIDFILE, "cannot be made");
	/* A core file of a guest's memory is nobody's business. Inherited. */
	(void)setrlimit(RLIMIT_CORE, &no_core);
	s.argv = (const char *const *)argv;
	s.env = env;
	s.cwd_fd = m->tmp_fd;
	s.pidfile_fd = pidfile;
	s.stdout_fd = m->log_fd;
	s.stderr_fd = m->log_fd;
	s.uid = uid;
	s.gid = gid;
	s.new_session = true;
	s.nofile = HYPERVISOR_NOFILE;
	return spawn_process(&s, err);
}

/* The state says `ready` before the process is there, and names it right after. */
static int
enter_ready(struct mon *m, uid_t uid, const struct accel *accel, struct err *err)
{
	int r;

	r = run_state_next_zoneid(&m->rs.zoneid, err);
	if (r < 0)
		return r;
	m->rs.phase = RUN_READY;
	m->rs.hypervisor = (struct proc_id){ 0 };
	m->rs.boot_time_ms = 0;
	m->rs.uid = uid == (uid_t)-1 ? -1 : (int64_t)uid;
	(void)snprintf(m->rs.accel, sizeof(m->rs.accel), "%s", accel->kvm ? "kvm" : "tcg");
	return run_state_save(m->uuid, &m->rs, err);
}

int
launch_hypervisor(struct mon *m, struct err *err)
{
	struct accel accel = { 0 };
	auto_strv char **argv = NULL;
	uid_t uid = (uid_t)-1;
	int pidfd, r;
	pid_t pid;

	r = accel_probe(conf_str("vm.accel"), &accel, err);
	if (r < 0)
		return r;
	log_info("accelerator chosen", LS("vm", m->uuid), LS("accel", accel.kvm ? "kvm" : "tcg"),
	    LS("reason", accel.reason));
	r = make_argv(m, &accel, &argv, err);
	if (r == 0)
		r = prepare_dir(m, &uid, err);
	if (r == 0)
		r = vm_log_open(m, true, err);
	if (r == 0)
		r = enter_ready(m, uid, &accel, err);
	if (r < 0)
		return r;
	exit_forget(m);
	place_mark(m);
	pid = spawn_hypervisor(m, argv, uid, process_gid(uid, &accel), err);
	if (pid < 0)
		return pid;
	m->is_child = true;
	m->rs.hypervisor.pid = pid;
	/* Our child cannot be reaped by anybody else, so its pid is not reused: no need to compare
	 * start times. */
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return err_errno(err, -errno, "pidfd_open", "failed");
	(void)proc_id_of(pid, &m->rs.hypervisor);
	supervise_save(m, RUN_READY);
	vm_log_watch(m);
	log_info("hypervisor started", LS("vm", m->uuid), LI("hypervisor_pid", pid),
	    LS("program", argv[0]));
	return hyper_watch(m, pidfd, err);
}

/* --- A process without a record --- */

static bool
works_in_tmp(const struct mon *m, pid_t pid)
{
	char path[64];
	struct stat cwd, tmp;

	(void)snprintf(path, sizeof(path), "/proc/%d/cwd", pid);
	return stat(path, &cwd) == 0 && fstat(m->tmp_fd, &tmp) == 0 && cwd.st_dev == tmp.st_dev &&
	       cwd.st_ino == tmp.st_ino;
}

static bool
is_hypervisor_of(const struct mon *m, pid_t pid)
{
	auto_free char *path = xasprintf("/proc/%d/cmdline", pid);
	auto_free char *wanted = xasprintf("guest=%s", m->uuid);
	auto_buf struct buf b = BUF_INIT;
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	while (b.len < (1u << 20) && buf_read(&b, fd, 65536) > 0)
		;
	/* In the middle of its exec a process has no words yet. */
	return (b.len == 0 || memmem(b.data, b.len, wanted, strlen(wanted))) &&
	       works_in_tmp(m, pid);
}

int
launch_find_orphan(struct mon *m, struct proc_id *ret)
{
	auto_buf struct buf b = BUF_INIT;
	int64_t pid;

	if (fs_read_at(m->tmp_fd, VMM_PIDFILE, 64, &b, NULL, NULL) < 0 || b.len == 0)
		return 0;
	b.data[strcspn(b.data, "\r\n ")] = '\0';
	if (str_to_int(b.data, false, 2, INT32_MAX, &pid) < 0 || proc_id_of((pid_t)pid, ret) < 0)
		return 0;
	return is_hypervisor_of(m, (pid_t)pid) ? 1 : 0;
}
