#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/conf.h"
#include "base/fs.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/options.h"
#include "base/paths.h"
#include "base/proc.h"
#include "base/xmalloc.h"
#include "host/zone_dir.h"
#include "monitor/mon.h"
#include "json/json.h"

#define PROGRAM      "vm-monitor"
#define LOCK_WAIT_MS 5000

enum {
	OPT_ADOPT,
	OPT_BY,
	OPT_HELP,
	OPT_ORDER,
	OPT_READY_FD,
	OPT_REASON,
	OPT_REEXEC_FD,
	OPT_ROOT,
	OPT_UUID,
	OPT_VERSION
};
static const struct option_row option_rows[] = {
	[OPT_ADOPT] = { 0, "adopt", NULL, "Take over a hypervisor whose monitor is gone." },
	[OPT_BY] = { 0, "by", "WHO", "Who asked for the start; logged." },
	[OPT_HELP] = { 'h', "help", NULL, "Show this help." },
	[OPT_ORDER] = { 0, "order", "ORDER",
	    "Boot order of this start, as QEMU's -boot takes it." },
	[OPT_READY_FD] = { 0, "ready-fd", "N",
	    "Write one line of JSON there when the guest runs, or why it does not." },
	[OPT_REASON] = { 0, "reason", "TEXT", "Why the VM is started; logged." },
	[OPT_REEXEC_FD] = { 0, "reexec-fd", "N",
	    "State of the program this one replaces; set by the verb reexec only." },
	[OPT_ROOT] = { 0, "root", "DIR", "Root of a private host; default VMNODE_ROOT or /." },
	[OPT_UUID] = { 0, "uuid", "UUID", "The VM." },
	[OPT_VERSION] = { 'V', "version", NULL, "Show the version." },
	{ 0 },
};

struct options {
	const char *root, *uuid;
	int64_t ready_fd, reexec_fd;
	bool adopt, help, version;
};

static int
option_apply(const struct option_found *f, struct mon *m, struct options *o, struct err *err)
{
	const struct {
		int row;
		const char **text;
		bool *flag;
		int64_t *fd;
	} places[] = {
		{ .row = OPT_ADOPT, .flag = &o->adopt },
		{ .row = OPT_BY, .text = &m->by },
		{ .row = OPT_HELP, .flag = &o->help },
		{ .row = OPT_ORDER, .text = &m->order },
		{ .row = OPT_READY_FD, .fd = &o->ready_fd },
		{ .row = OPT_REASON, .text = &m->reason },
		{ .row = OPT_REEXEC_FD, .fd = &o->reexec_fd },
		{ .row = OPT_ROOT, .text = &o->root },
		{ .row = OPT_UUID, .text = &o->uuid },
		{ .row = OPT_VERSION, .flag = &o->version },
	};

	if (f->row < 0)
		return err_set(err, -EINVAL, NULL, "unexpected operand \"%s\"", f->value);
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		if (places[i].row != f->row)
			continue;
		if (places[i].flag)
			*places[i].flag = true;
		else if (places[i].text)
			*places[i].text = f->value;
		else if (str_to_int(f->value, false, 3, INT_MAX, places[i].fd) < 0 ||
		         fcntl((int)*places[i].fd, F_GETFD) < 0)
			return err_set(err, -EINVAL, NULL, "--%s: \"%s\" is not an open descriptor",
			    option_rows[f->row].name, f->value);
	}
	return 0;
}

static int
parse_options(int argc, char **argv, struct mon *m, struct options *o, struct err *err)
{
	auto_free struct option_found *found = NULL;
	unsigned n = 0;
	int r;

	r = options_parse(argc, argv, option_rows, false, &found, &n, err);
	for (unsigned i = 0; r == 0 && i < n; i++)
		r = option_apply(&found[i], m, o, err);
	if (r < 0 || o->help || o->version)
		return r;
	if (!o->uuid)
		return err_set(err, -EINVAL, NULL, "--uuid is required");
	if (!uuid_valid(o->uuid))
		return err_set(err, -EINVAL, NULL, "--uuid: \"%s\" is not a UUID", o->uuid);
	(void)snprintf(m->uuid, sizeof(m->uuid), "%s", o->uuid);
	return 0;
}

static void
usage(void)
{
	printf("usage: %s --uuid UUID [options]\n\nRuns one virtual machine: started by vmadm, "
	       "lives as long as it.\n\n",
	    PROGRAM);
	options_print(stdout, option_rows);
}

/* --- One monitor per VM --- */

static bool
somebody_works(const struct mon *m)
{
	struct run_state rs = { 0 };

	return run_state_load(m->uuid, &rs, NULL, NULL) == 0 && rs.phase != RUN_NONE &&
	       rs.phase != RUN_QUARANTINED && proc_is_alive(&rs.monitor);
}

static int
take_lock(struct mon *m, struct err *err)
{
	auto_free char *path = path_hostf(PATH_RUN_ZONES "/%s.lock", m->uuid);

	m->lock_fd = lock_take(path, 0, err);
	/* One that has removed its state is about to end. */
	if (m->lock_fd < 0 && !somebody_works(m))
		m->lock_fd = lock_take(path, LOCK_WAIT_MS, err);
	if (m->lock_fd == -EAGAIN || m->lock_fd == -ETIMEDOUT)
		return err_set(err, -EBUSY, NULL, "VM %s already has a monitor", m->uuid);
	return m->lock_fd < 0 ? m->lock_fd : 0;
}

/* --- Beginning --- */

static int
open_tmp(struct mon *m, struct err *err)
{
	m->tmp_fd = zone_dir_open_tmp(m->zonepath, err);
	return m->tmp_fd < 0 ? m->tmp_fd : 0;
}

static int
set_up(struct mon *m, bool preload, struct err *err)
{
	int r;

	place_enter(m);
	r = proc_id_of(getpid(), &m->rs.monitor);
	if (r < 0)
		return err_errno(err, r, NULL, "own start time");
	r = open_tmp(m, err);
	if (r == 0)
		r = console_open(m, preload, err);
	return r < 0 ? r : control_open(m, err);
}

/* A process that runs without a monitor is taken over, never started a second time. */
static int
check_nothing_runs(struct mon *m, const struct run_state *old, struct err *err)
{
	struct proc_id orphan = { 0 };
	int r;

	if (old->phase != RUN_NONE && proc_is_alive(&old->hypervisor))
		orphan = old->hypervisor;
	else if ((r = open_tmp(m, err)) == 0) {
		(void)launch_find_orphan(m, &orphan);
		(void)close(take_fd(&m->tmp_fd));
	} else if (r != -ENOENT) {
		return r;
	}
	if (orphan.pid > 0)
		return err_set(err, -EEXIST, NULL,
		    "a hypervisor of VM %s runs without a monitor (pid %d); take it over with "
		    "--adopt",
		    m->uuid, orphan.pid);
	return 0;
}

static int
begin_start(struct mon *m, struct err *err)
{
	struct run_state old = { 0 };
	int r;

	r = launch_load(m, err);
	if (r == 0)
		r = run_state_load(m->uuid, &old, NULL, err);
	if (r == 0)
		r = check_nothing_runs(m, &old, err);
	if (r < 0)
		return r;
	if (old.hypervisor.pid > 0) {
		m->rs = old;
		exit_record_lost(m);
	}
	m->rs = (struct run_state){ .uid = -1 };
	r = zone_dir_create(m->zonepath, (uid_t)-1, err);
	if (r == 0)
		r = set_up(m, false, err);
	return r < 0 ? r : supervise_start(m, err);
}

/* 1: a process to take over, its pidfd in *ret. 0: there is none. */
static int
find_running(struct mon *m, int *ret, struct err *err)
{
	struct proc_id id = m->rs.hypervisor;
	int r;

	if (id.pid == 0 || !proc_is_alive(&id)) {
		id = (struct proc_id){ 0 };
		if ((m->rs.phase != RUN_NONE && m->rs.phase != RUN_READY) ||
		    launch_find_orphan(m, &id) == 0)
			return 0;
	}
	r = proc_open(&id);
	if (r == -ESRCH)
		return 0;
	if (r < 0)
		return err_errno(err, r, "hypervisor", "pid %d cannot be opened", id.pid);
	m->rs.hypervisor = id;
	*ret = r;
	return 1;
}

static int
nothing_to_adopt(struct mon *m, struct err *err)
{
	auto_free char *sock = path_hostf(PATH_RUN_ZONES "/%s.sock", m->uuid);

	place_remove_stale(m);
	(void)fs_unlink(sock, NULL);
	if (m->rs.phase == RUN_QUARANTINED)
		return 0;
	if (m->rs.hypervisor.pid > 0)
		exit_record_lost(m);
	m->rs.hypervisor = (struct proc_id){ 0 };
	return run_state_remove(m->uuid, err);
}

/* 1: watching; 0: nothing runs, what was missed is recorded. */
static int
begin_adopt(struct mon *m, struct err *err)
{
	int pidfd = -1;
	int r;

	r = launch_load(m, err);
	if (r == 0)
		r = run_state_load(m->uuid, &m->rs, NULL, err);
	if (r == 0)
		r = open_tmp(m, err);
	if (r == 0)
		r = find_running(m, &pidfd, err);
	if (m->tmp_fd >= 0)
		(void)close(take_fd(&m->tmp_fd));
	if (r <= 0)
		return r < 0 ? r : nothing_to_adopt(m, err);
	exit_forget(m);
	json_decref(TAKE(m->vm));
	r = set_up(m, true, err);
	if (r == 0)
		r = hyper_watch(m, pidfd, err);
	else
		(void)close(pidfd);
	if (r == 0)
		r = supervise_adopt(m, err);
	if (r < 0)
		return r;
	log_info(
	    "hypervisor taken over", LS("vm", m->uuid), LI("hypervisor_pid", m->rs.hypervisor.pid));
	ready_ok(m);
	return 1;
}

static int
begin_reexec(struct mon *m, int fd, struct err *err)
{
	int pidfd, r;

	exit_forget(m);
	r = reexec_restore(m, fd, err);
	if (r == 0)
		r = launch_load(m, err);
	json_decref(TAKE(m->vm));
	if (r == 0)
		r = run_state_load(m->uuid, &m->rs, NULL, err);
	if (r == 0)
		r = set_up(m, true, err);
	if (r < 0)
		return r;
	/* A child that has ended meanwhile is still there to be waited for. */
	pidfd = m->is_child ? (int)syscall(SYS_pidfd_open, m->rs.hypervisor.pid, 0)
	                    : proc_open(&m->rs.hypervisor);
	if (pidfd < 0)
		return err_set(err, -ESRCH, "hypervisor", "pid %d is gone", m->rs.hypervisor.pid);
	r = hyper_watch(m, pidfd, err);
	return r < 0 ? r : supervise_adopt(m, err);
}

/* --- Signals and end --- */

static void
on_sigterm(uv_signal_t *s, int signum)
{
	struct mon *m = s->data;

	(void)signum;
	/* The service is stopped or upgraded; the VM is not. Another monitor takes it over. */
	log_info("leaving, the hypervisor goes on", LS("vm", m->uuid),
	    LI("hypervisor_pid", m->rs.hypervisor.pid));
	supervise_end(m, 0);
}

static void
init(struct mon *m, char **argv)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe));

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)prctl(PR_SET_NAME, PROGRAM);
	m->exe = n > 0 ? xstrndup(exe, (size_t)n) : xstrdup(argv[0]);
	m->argv = argv;
	(void)uv_loop_init(&m->loop);
	(void)uv_timer_init(&m->loop, &m->qmp_timer);
	(void)uv_timer_init(&m->loop, &m->phase_timer);
	(void)uv_signal_init(&m->loop, &m->sigterm);
	(void)uv_fs_event_init(&m->loop, &m->log_watch);
	m->qmp_timer.data = m;
	m->phase_timer.data = m;
	m->sigterm.data = m;
	m->log_watch.data = m;
	(void)uv_signal_start(&m->sigterm, on_sigterm, SIGTERM);
	stop_init(m);
}

/* Whatever was begun and is not running is undone; the configuration is not ours to touch. */
static void
undo_start(struct mon *m)
{
	if (m->is_child && m->rs.hypervisor.pid > 0) {
		(void)kill(m->rs.hypervisor.pid, SIGKILL);
		(void)waitpid(m->rs.hypervisor.pid, NULL, 0);
	}
	(void)run_state_remove(m->uuid, NULL);
}

static int
begin(struct mon *m, const struct options *o, struct err *err)
{
	int r;

	if (o->reexec_fd >= 0) {
		r = begin_reexec(m, (int)o->reexec_fd, err);
		return r < 0 ? r : 1;
	}
	r = host_init(err);
	if (r == 0)
		r = take_lock(m, err);
	if (r < 0)
		return r;
	if (o->adopt)
		return begin_adopt(m, err);
	log_info("starting", LS("vm", m->uuid), LS("by", m->by), LS("reason", m->reason));
	r = begin_start(m, err);
	if (r < 0 && m->control)
		undo_start(m);
	return r < 0 ? r : 1;
}

static int
run(struct mon *m, const struct options *o)
{
	struct err err = { 0 };
	int r;

	r = begin(m, o, &err);
	if (r < 0) {
		log_error("not started", LS("vm", m->uuid), LE(&err));
		fprintf(
		    stderr, "%s: %s%s%s\n", PROGRAM, err.what, err.what[0] ? ": " : "", err.msg);
		ready_error(m, &err);
		m->exit_code = 1;
	} else if (r == 0) {
		ready_ok(m);
	} else {
		(void)malloc_trim(0);
		(void)uv_run(&m->loop, UV_RUN_DEFAULT);
	}
	console_close(m);
	control_close(m);
	if (m->phase == MON_DONE && !m->hyper)
		place_leave(m);
	place_done(m);
	return m->exit_code;
}

int
main(int argc, char **argv)
{
	static struct mon mon = {
		.ready_fd = -1, .lock_fd = -1, .tmp_fd = -1, .log_fd = -1, .policy = "never"
	};
	struct options o = { .ready_fd = -1, .reexec_fd = -1 };
	struct err err = { 0 };

	(void)proc_claim_stdio();
	json_setup();
	log_init(PROGRAM, LOG_INFO);
	if (parse_options(argc, argv, &mon, &o, &err) < 0) {
		fprintf(stderr, "%s: %s\n", PROGRAM, err.msg);
		return 2;
	}
	if (o.help || o.version) {
		if (o.help)
			usage();
		else
			printf("%s\n", VMNODE_VERSION_LINE(PROGRAM));
		return 0;
	}
	init(&mon, argv);
	mon.ready_fd = (int)o.ready_fd;
	if (mon.ready_fd >= 0)
		(void)fcntl(mon.ready_fd, F_SETFD, FD_CLOEXEC);
	if (paths_init(o.root, &err) < 0 || conf_load(&err) < 0) {
		fprintf(stderr, "%s: %s\n", PROGRAM, err.msg);
		ready_error(&mon, &err);
		return 1;
	}
	return run(&mon, &o);
}
