/*
 * Re-exec: the program file may have been replaced; this process runs the new one under its old
 * pid. What survives: the lock (an open file description), our child, the run state file. What the
 * new program cannot find there comes in a memfd. Sockets are made anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/xmalloc.h"
#include "monitor/mon.h"
#include "json/json.h"

#define STATE_MAX 65536

int
reexec_check(const struct mon *m, struct err *err)
{
	if (m->phase != MON_RUNNING || m->stop.mode != STOP_NONE)
		return err_set(
		    err, -EBUSY, "reexec", "only while the VM runs and is not being stopped");
	if (access(m->exe, X_OK) < 0)
		return err_errno(err, -errno, "reexec", "%s cannot be run", m->exe);
	return 0;
}

static json_t *
state_json(const struct mon *m)
{
	json_t *state = json_pack("{s:i, s:b, s:b, s:b}", "lock_fd", m->lock_fd, "is_child",
	    m->is_child, "policy_fixed", m->policy_fixed, "panicked", m->facts.panicked);
	json_t *exits = json_array();

	json_put_str(state, "policy", m->policy);
	for (unsigned i = 0; i < m->n_exits; i++)
		(void)json_array_append_new(exits, json_integer(m->exits[i]));
	json_put(state, "exits", exits);
	json_put_int(state, "oom_kills", m->place.oom_kills);
	return state;
}

static int
state_memfd(const struct mon *m)
{
	json_auto_t *state = state_json(m);
	auto_free char *text = json_text(state);
	auto_close int fd = memfd_create("vm-monitor", MFD_CLOEXEC);
	size_t len = strlen(text);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) < 0)
		return -EIO;
	return take_fd(&fd);
}

static int
inherit(int fd, bool on)
{
	return fcntl(fd, F_SETFD, on ? 0 : FD_CLOEXEC);
}

void
reexec_now(struct mon *m)
{
	auto_close int fd = -1;
	auto_free char *number = NULL;
	struct err err = { 0 };

	/* The phase may have changed since the request. */
	if (reexec_check(m, &err) < 0) {
		log_warn("not replaced", LS("vm", m->uuid), LE(&err));
		return;
	}
	fd = state_memfd(m);
	if (fd < 0 || inherit(fd, true) < 0 || inherit(m->lock_fd, true) < 0) {
		log_error("not replaced: the state cannot be passed on", LS("vm", m->uuid));
		return;
	}
	number = xasprintf("%d", fd);
	log_info("replacing the program", LS("vm", m->uuid), LS("program", m->exe));
	(void)execl(m->exe, m->argv[0], "--uuid", m->uuid, "--reexec-fd", number,
	    paths_is_private() ? "--root" : NULL, paths_root(), NULL);
	log_error("not replaced", LS("vm", m->uuid), LS("reason", strerror(errno)));
	(void)inherit(m->lock_fd, false);
}

int
reexec_restore(struct mon *m, int fd, struct err *err)
{
	auto_buf struct buf b = BUF_INIT;
	json_auto_t *state = NULL;
	const json_t *exit;
	const char *policy;
	size_t i;

	while (b.len < STATE_MAX && buf_read(&b, fd, STATE_MAX) > 0)
		;
	(void)close(fd);
	state = json_parse(b.data ? b.data : "", b.len, "the state of the re-exec", err);
	if (!state)
		return -EINVAL;
	m->lock_fd = (int)json_member_int(state, "lock_fd", -1);
	if (m->lock_fd < 0 || inherit(m->lock_fd, false) < 0)
		return err_set(err, -EBADF, "reexec", "the lock was not passed on");
	m->is_child = json_member_bool(state, "is_child", false);
	m->policy_fixed = json_member_bool(state, "policy_fixed", false);
	m->facts.panicked = json_member_bool(state, "panicked", false);
	m->place.oom_kills = json_member_int(state, "oom_kills", 0);
	policy = json_member_str(state, "policy");
	(void)snprintf(m->policy, sizeof(m->policy), "%s", policy ? policy : "never");
	json_array_foreach (json_object_get(state, "exits"), i, exit) {
		if (m->n_exits < EXITS_MAX)
			m->exits[m->n_exits++] = json_integer_value(exit);
	}
	return 0;
}
