#include "ops/context.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/paths.h"
#include "base/proc.h"
#include "ops/journal.h"
#include "json/json.h"

/* Waiting for the lock is done in slices, so that a signal is noticed. */
#define LOCK_SLICE_MS 200

/* --- signals that ask us to give up --- */

static const struct {
	int number;
	const char *name;
} caught[] = { { SIGINT, "SIGINT" }, { SIGTERM, "SIGTERM" }, { SIGHUP, "SIGHUP" } };

static volatile sig_atomic_t interrupted_by;
static struct sigaction before[ARRAY_LEN(caught)];
static bool catching;

static void
on_signal(int number)
{
	interrupted_by = number;
}

/* SA_RESTART: the step that is running is to finish, not to fail with EINTR. */
static void
signals_catch(void)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	interrupted_by = 0;
	for (unsigned i = 0; i < ARRAY_LEN(caught); i++) {
		(void)sigaction(caught[i].number, NULL, &before[i]);
		if (before[i].sa_handler != SIG_IGN) /* nohup */
			(void)sigaction(caught[i].number, &sa, NULL);
	}
	catching = true;
}

static void
signals_release(void)
{
	for (unsigned i = 0; catching && i < ARRAY_LEN(caught); i++)
		(void)sigaction(caught[i].number, &before[i], NULL);
	catching = false;
}

int
job_check_interrupted(struct err *err)
{
	for (unsigned i = 0; i < ARRAY_LEN(caught); i++)
		if (interrupted_by == caught[i].number)
			return err_set(err, -EINTR, NULL, "interrupted by %s", caught[i].name);
	return 0;
}

/* --- the job --- */

int
job_begin(struct job *j, struct op *op, const char *name, const char *uuid, struct err *err)
{
	*j = JOB_INIT;
	j->op = op;
	j->name = name;
	if (!uuid_valid(uuid))
		return err_set(err, -ENOENT, "uuid", "VM %s not found", uuid);
	memcpy(j->uuid, uuid, sizeof(j->uuid));
	signals_catch();
	return 0;
}

void
job_end(struct job *j)
{
	job_unlock(j);
	signals_release();
}

bool
op_is_users(const struct op *op)
{
	return !op->reason || str_eq(op->reason, "user");
}

const char *
job_reason(const struct job *j)
{
	return j->op->reason ? j->op->reason : "user";
}

int
job_settle(struct job *j, struct err *err)
{
	json_auto_t *vm = NULL;
	int r = j->op->settle ? j->op->settle(j->op->arg, j->uuid, &vm, err) : 0;

	if (r < 0 && r != -ENOENT)
		err_prefix(err, "VM %s was changed but cannot be read back", j->uuid);
	return r;
}

/* --- the lock --- */

static char *
lock_path(const char *uuid)
{
	return path_hostf("%s/%s.lock", PATH_RUN_LOCKS, uuid);
}

/* Delete removes the file while it holds the lock; who waited for it then holds the lock of a file
 * that is gone. */
static bool
lock_is_of(int fd, const char *path)
{
	struct stat held, there;

	return fstat(fd, &held) == 0 && stat(path, &there) == 0 && held.st_ino == there.st_ino &&
	       held.st_dev == there.st_dev;
}

static int
busy_error(const struct job *j, struct err *err)
{
	for (unsigned i = 0; journal_ops[i]; i++) {
		json_auto_t *doc = NULL;
		struct proc_id id;

		if (journal_load(journal_ops[i], j->uuid, &doc, NULL) == 0 &&
		    journal_is_live(doc, &id))
			return err_set(err, -EBUSY, NULL,
			    "VM %s is busy: %s by process %d is running", j->uuid, journal_ops[i],
			    (int)id.pid);
	}
	return err_set(err, -EBUSY, NULL, "VM %s is busy", j->uuid);
}

/* One attempt of at most a slice: the descriptor, -EAGAIN to try again, or an error. */
static int
lock_slice(const char *path, int64_t left_ms, struct err *err)
{
	int64_t slice = left_ms < 0 || left_ms > LOCK_SLICE_MS ? LOCK_SLICE_MS : left_ms;
	auto_close int fd = lock_take(path, slice, err);

	if (fd == -ETIMEDOUT || fd == -EAGAIN)
		return -EAGAIN;
	if (fd >= 0 && !lock_is_of(fd, path))
		return -EAGAIN;
	return take_fd(&fd);
}

int
job_lock(struct job *j, int64_t timeout_ms, struct err *err)
{
	auto_free char *path = lock_path(j->uuid);
	int64_t end_ns = clock_mono_ns() + timeout_ms * 1000000;

	for (;;) {
		int64_t left_ms = timeout_ms < 0 ? -1 : (end_ns - clock_mono_ns()) / 1000000;
		int fd = lock_slice(path, timeout_ms < 0 || left_ms > 0 ? left_ms : 0, err);
		int r;

		if (fd >= 0) {
			j->lock_fd = fd;
			return 0;
		}
		if (fd != -EAGAIN)
			return fd;
		r = job_check_interrupted(err);
		if (r < 0)
			return r;
		if (timeout_ms >= 0 && left_ms <= 0)
			return busy_error(j, err);
	}
}

void
job_unlock(struct job *j)
{
	if (j->lock_fd >= 0)
		(void)close(j->lock_fd);
	j->lock_fd = -1;
}

void
job_unlock_gone(struct job *j)
{
	auto_free char *path = lock_path(j->uuid);

	if (j->lock_fd >= 0)
		(void)unlink(path);
	job_unlock(j);
}
