#include "vminfod/watch.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "host/config_json.h"
#include "io/inotify.h"
#include "pool/pool.h"
#include "vminfod/load_queue.h"
#include "vminfod/scan.h"
#include "vminfod/vminfod.h"
#include "json/json.h"

/* A file that was only created is still being written; it is looked at when it is closed, or after
 * this time. */
#define CREATED_MS 100
#define APPEARED   (IN_CREATE | IN_MOVED_TO)
#define VANISHED   (IN_DELETE | IN_MOVED_FROM)
#define MASK       (APPEARED | VANISHED | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)
#define HOST_DIRS  16

/* What the events of a kind of directory mean. */
struct watch_dir {
	void (*on_event)(struct watch *w, struct watch_slot *slot, uint32_t mask, const char *name);
};

struct watch {
	struct vminfod *d;
	struct inotify *inotify;
	void *by_wd; /* tsearch tree of struct watch_slot, borrowed */
	struct watch_slot host[HOST_DIRS];
	unsigned n_host;
	const struct pool_driver *pool;
	bool ready; /* a directory that appears now was missing before */
	bool full;  /* the limit of watches was reached and reported */
	bool lost;  /* events were lost: which directories were exchanged is not known */
};

/* --- Slots --- */

static int
compare_wd(const void *a, const void *b)
{
	int x = ((const struct watch_slot *)a)->wd, y = ((const struct watch_slot *)b)->wd;

	return x < y ? -1 : x > y;
}

static struct watch_slot *
slot_find(struct watch *w, int wd)
{
	struct watch_slot key = { .wd = wd };
	struct watch_slot **node = tfind(&key, &w->by_wd, compare_wd);

	return node ? *node : NULL;
}

static void
slot_forget(struct watch *w, struct watch_slot *slot)
{
	if (slot->wd < 0)
		return;
	(void)tdelete(slot, &w->by_wd, compare_wd);
	slot->wd = -1;
}

static void
slot_unwatch(struct watch *w, struct watch_slot *slot)
{
	int wd = slot->wd;

	slot_forget(w, slot);
	inotify_remove(w->inotify, wd);
}

static void
report_failure(struct watch *w, const char *path, int code)
{
	if (code == -ENOENT || code == -ENOTDIR || w->full)
		return;
	w->full = true;
	log_warn("a directory cannot be watched; changes will be seen at the next scan",
	    LS("path", path_logical(path)), LI("code", code),
	    LS("hint", code == -ENOSPC ? "fs.inotify.max_user_watches" : NULL));
}

/* Watch what is at `path` now; another directory may have taken the place of the one watched
 * before. 1: it is newly watched. */
static int
slot_watch(struct watch *w, struct watch_slot *slot, const char *path)
{
	int wd = inotify_add(w->inotify, path, MASK);

	if (wd >= 0 && wd == slot->wd)
		return 0;
	slot_unwatch(w, slot);
	if (wd < 0) {
		report_failure(w, path, wd);
		return wd;
	}
	if (slot_find(
	        w, wd)) /* the same directory under another name: its events are handled there */
		return 0;
	slot->wd = wd;
	if (!tsearch(slot, &w->by_wd, compare_wd))
		abort();
	return 1;
}

/* --- What events mean --- */

/* The uuid that `name` begins with when the rest is `suffix`; false otherwise. */
static bool
uuid_with_suffix(const char *name, const char *suffix, char ret[UUID_LEN + 1])
{
	if (strlen(name) != UUID_LEN + strlen(suffix) || !str_ends(name, suffix))
		return false;
	memcpy(ret, name, UUID_LEN);
	ret[UUID_LEN] = '\0';
	return uuid_valid(ret);
}

static void
vm_event(struct watch *w, const char *uuid, uint32_t mask)
{
	if ((mask & IN_CREATE) && !(mask & IN_ISDIR))
		load_queue_event_later(w->d->queue, uuid, CREATED_MS);
	else
		load_queue_event(w->d->queue, uuid);
}

static void
on_etc_zones(struct watch *w, struct watch_slot *slot, uint32_t mask, const char *name)
{
	char uuid[UUID_LEN + 1];

	(void)slot;
	if (strcmp(name, "index") == 0)
		load_queue_index_event(w->d->queue);
	else if (uuid_with_suffix(name, ".xml", uuid))
		vm_event(w, uuid, mask);
}

static void
on_run_zones(struct watch *w, struct watch_slot *slot, uint32_t mask, const char *name)
{
	char uuid[UUID_LEN + 1];

	(void)slot;
	if (uuid_with_suffix(name, ".state", uuid))
		vm_event(w, uuid, mask);
	else if ((mask & IN_CLOSE_WRITE) && uuid_with_suffix(name, ".busy", uuid))
		load_queue_bracket(w->d->queue, uuid);
}

static void
on_run(struct watch *w, struct watch_slot *slot, uint32_t mask, const char *name)
{
	(void)slot;
	(void)mask;
	if (strcmp(name, "sysinfo.json") == 0)
		load_queue_sysinfo_event(w->d->queue);
}

static void renew_vm(struct watch *w, struct track *t);

static void
on_pool(struct watch *w, struct watch_slot *slot, uint32_t mask, const char *name)
{
	char uuid[UUID_LEN + 1];
	struct track *t;

	if (w->pool->uuid_of_name(path_logical(slot->path), name, uuid) < 0)
		return;
	t = load_queue_find(w->d->queue, uuid);
	if (t && (mask & IN_ISDIR))
		renew_vm(w, t);
	vm_event(w, uuid, mask);
}

static void
on_vm_dir(struct watch *w, struct watch_slot *slot, uint32_t mask, const char *name)
{
	if (strcmp(name, "config") == 0 && (mask & IN_ISDIR))
		renew_vm(w, slot->track);
	else if (strcmp(name, "lastexited") != 0)
		return;
	vm_event(w, slot->track->uuid, mask);
}

static void
on_config(struct watch *w, struct watch_slot *slot, uint32_t mask, const char *name)
{
	unsigned i;

	for (i = 0; i < CONFIG_FILE_COUNT; i++) {
		if (strcmp(name, config_json_names[i]) == 0)
			vm_event(w, slot->track->uuid, mask);
	}
}

static const struct watch_dir etc_zones = { on_etc_zones };
static const struct watch_dir run_zones = { on_run_zones };
static const struct watch_dir run_dir = { on_run };
static const struct watch_dir pool_dir_events = { on_pool };
static const struct watch_dir vm_dir = { on_vm_dir };
static const struct watch_dir config_dir = { on_config };

static void
on_inotify(void *arg, int wd, uint32_t mask, const char *name)
{
	struct watch *w = arg;
	struct watch_slot *slot;

	if (mask & IN_Q_OVERFLOW) {
		log_warn("file events were lost, scanning everything");
		w->lost = true;
		scan_request(w->d->scan);
		return;
	}
	slot = slot_find(w, wd);
	if (!slot)
		return;
	if (mask & IN_IGNORED)
		slot_forget(w, slot);
	else if (mask & IN_MOVE_SELF)
		slot_unwatch(w, slot);
	else if (*name != '\0' && *name != '.') /* names with a dot are files being written */
		slot->dir->on_event(w, slot, mask, name);
}

/* --- Directories of VMs --- */

static void
renew_vm(struct watch *w, struct track *t)
{
	auto_free char *dir = path_hostf("%s/%s", PATH_POOL_ROOT, t->uuid);
	auto_free char *config = xasprintf("%s/config", dir);

	t->dir.dir = &vm_dir;
	t->config.dir = &config_dir;
	t->dir.track = t->config.track = t;
	if (slot_watch(w, &t->dir, dir) >= 0)
		(void)slot_watch(w, &t->config, config);
	else
		slot_unwatch(w, &t->config);
}

void
watch_vm(struct watch *w, struct track *t)
{
	if (t->dir.wd < 0 || t->config.wd < 0)
		renew_vm(w, t);
}

void
watch_forget(struct watch *w, struct track *t)
{
	slot_unwatch(w, &t->dir);
	slot_unwatch(w, &t->config);
}

void
watch_drain(struct watch *w)
{
	inotify_drain(w->inotify);
}

/* --- Directories of the host --- */

static void
renew_each(void *arg, struct track *t)
{
	renew_vm(arg, t);
}

void
watch_retry(struct watch *w)
{
	bool lost = w->lost;
	unsigned i;

	w->lost = false;
	for (i = 0; i < w->n_host; i++) {
		struct watch_slot *slot = &w->host[i];

		if ((lost || slot->wd < 0) && slot_watch(w, slot, slot->path) == 1 && w->ready)
			scan_request(w->d->scan);
	}
	if (lost)
		load_queue_each(w->d->queue, renew_each, w);
	w->ready = true;
}

static void
add_host_dir(struct watch *w, const char *path, const struct watch_dir *dir)
{
	if (w->n_host < HOST_DIRS)
		w->host[w->n_host++] =
		    (struct watch_slot){ .wd = -1, .dir = dir, .path = path_host(path) };
}

int
watch_new(struct vminfod *d, struct watch **ret, struct err *err)
{
	struct watch *w = xcalloc(1, sizeof(*w));
	unsigned i;
	int r;

	w->d = d;
	r = pool_find(POOL_DEFAULT, &w->pool, err);
	if (r == 0)
		r = inotify_open(d->loop, on_inotify, w, &w->inotify, err);
	if (r < 0) {
		free(w);
		return r;
	}
	add_host_dir(w, PATH_ZONES_ETC, &etc_zones);
	add_host_dir(w, PATH_RUN_ZONES, &run_zones);
	add_host_dir(w, PATH_RUN, &run_dir);
	for (i = 0; w->pool->watch_dirs[i]; i++)
		add_host_dir(w, w->pool->watch_dirs[i], &pool_dir_events);
	*ret = w;
	return 0;
}

void
watch_close(struct watch *w)
{
	unsigned i;

	if (!w)
		return;
	for (i = 0; i < w->n_host; i++)
		slot_unwatch(w, &w->host[i]);
	inotify_close(w->inotify);
}

void
watch_free(struct watch *w)
{
	unsigned i;

	if (!w)
		return;
	for (i = 0; i < w->n_host; i++)
		free(w->host[i].path);
	free(w);
}

/* --- Status --- */

struct watched_paths {
	json_t *yes, *no;
};

static void
add_vm_paths(void *arg, struct track *t)
{
	struct watched_paths *p = arg;

	(void)json_array_append_new(
	    t->dir.wd >= 0 ? p->yes : p->no, json_sprintf("%s/%s", PATH_POOL_ROOT, t->uuid));
	(void)json_array_append_new(t->config.wd >= 0 ? p->yes : p->no,
	    json_sprintf("%s/%s/config", PATH_POOL_ROOT, t->uuid));
}

json_t *
watch_status(struct watch *w)
{
	struct watched_paths p = { json_array(), json_array() };
	json_t *o = json_object();
	unsigned i;

	for (i = 0; i < w->n_host; i++)
		(void)json_array_append_new(
		    w->host[i].wd >= 0 ? p.yes : p.no, json_string(path_logical(w->host[i].path)));
	load_queue_each(w->d->queue, add_vm_paths, &p);
	json_put(o, "message_delays", json_object()); /* events are handled as they are read */
	json_put(o, "watching", p.yes);
	json_put(o, "not_yet_watching", p.no);
	json_put(o, "pending_actions", json_object());
	json_put_int(o, "watcher_pid", getpid());
	json_put_bool(o, "running", true);
	return o;
}
