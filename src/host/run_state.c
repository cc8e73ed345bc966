#include "host/run_state.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/own.h"
#include "base/paths.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "host/source_err.h"
#include "json/json.h"

#define RUN_STATE_MAX   (64u << 10) /* bytes */
#define ZONEID_FILE     PATH_RUN "/zoneid"
#define ZONEID_LOCK     PATH_RUN_LOCKS "/zoneid.lock"
#define LOCK_TIMEOUT_MS 10000

const char *const run_phase_names[RUN_PHASE_COUNT] = {
	[RUN_NONE] = "none",
	[RUN_READY] = "ready",
	[RUN_RUNNING] = "running",
	[RUN_SHUTTING_DOWN] = "shutting_down",
	[RUN_QUARANTINED] = "quarantined",
};

char *
run_state_path(const char *uuid)
{
	return xasprintf(PATH_RUN_ZONES "/%s.state", uuid);
}

/* --- Reading --- */

/* An integer member within limits; absent: `def`. */
static int
get_int(const json_t *obj, const char *key, int64_t min, int64_t max, int64_t def, int64_t *ret,
    struct err *err)
{
	const json_t *v = json_object_get(obj, key);

	*ret = def;
	if (!v)
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
		return err_set(err, -EINVAL, key, "\"%s\" is not an integer from %lld to %lld", key,
		    (long long)min, (long long)max);
	*ret = json_integer_value(v);
	return 0;
}

/* Absent: no process. */
static int
get_process(const json_t *obj, const char *key, struct proc_id *ret, struct err *err)
{
	const json_t *v = json_object_get(obj, key);
	int64_t pid, start;
	int r;

	*ret = (struct proc_id){ 0 };
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_object(v))
		return err_set(err, -EINVAL, key, "\"%s\" is not an object", key);
	r = get_int(v, "pid", 0, INT_MAX, 0, &pid, err);
	if (r < 0)
		return r;
	r = get_int(v, "start", 0, INT64_MAX, 0, &start, err);
	if (r < 0)
		return r;
	*ret = (struct proc_id){ .pid = (pid_t)pid, .start_ticks = (uint64_t)start };
	return 0;
}

static int
get_phase(const json_t *obj, enum run_phase *ret, struct err *err)
{
	const char *name = json_member_str(obj, "state");

	for (unsigned i = RUN_READY; i < RUN_PHASE_COUNT; i++) {
		if (!str_eq(name, run_phase_names[i]))
			continue;
		*ret = (enum run_phase)i;
		return 0;
	}
	return err_set(err, -EINVAL, "state", "\"state\" is not a known run state");
}

static int
get_numbers(const json_t *obj, struct run_state *rs, struct err *err)
{
	const struct {
		const char *key;
		int64_t min, def, *ret;
	} rows[] = {
		{ "zoneid", 0, 0, &rs->zoneid },
		{ "boot_time_ms", 0, 0, &rs->boot_time_ms },
		{ "restarts", 0, 0, &rs->restarts },
		{ "uid", -1, -1, &rs->uid },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int r = get_int(
		    obj, rows[i].key, rows[i].min, INT64_MAX / 1000, rows[i].def, rows[i].ret, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int
run_state_parse(const char *text, size_t len, struct run_state *ret, struct err *err)
{
	struct run_state rs = { .uid = -1 };
	int r;

	if (len > RUN_STATE_MAX)
		return err_set(err, -EFBIG, NULL, "larger than %u bytes", RUN_STATE_MAX);
	json_auto_t *obj = json_parse(text, len, "run state", err);
	if (!obj)
		return -EINVAL;
	if (!json_is_object(obj))
		return err_set(err, -EINVAL, NULL, "not an object");
	const char *boot = json_member_str(obj, "boot_id");
	if (!boot)
		return err_set(err, -EINVAL, "boot_id", "\"boot_id\" is missing");
	if (strcmp(boot, host_boot_id()) != 0) {
		*ret = rs;
		return 0;
	}
	r = get_phase(obj, &rs.phase, err);
	if (r < 0)
		return r;
	r = get_numbers(obj, &rs, err);
	if (r < 0)
		return r;
	r = get_process(obj, "monitor", &rs.monitor, err);
	if (r < 0)
		return r;
	r = get_process(obj, "hypervisor", &rs.hypervisor, err);
	if (r < 0)
		return r;
	const char *accel = str_or_empty(json_member_str(obj, "accel"));
	memcpy(rs.accel, accel, strnlen(accel, sizeof(rs.accel) - 1));
	*ret = rs;
	return 0;
}

int
run_state_load(const char *uuid, struct run_state *ret, struct fs_stamp *ret_stamp, struct err *err)
{
	auto_free char *path = run_state_path(uuid);
	auto_free char *host = path_host(path);
	auto_buf struct buf text = BUF_INIT;
	struct fs_stamp stamp = { 0 };
	int r = fs_read(host, RUN_STATE_MAX, &text, &stamp, err);

	if (ret_stamp)
		*ret_stamp = stamp;
	if (r == -ENOENT) {
		*ret = (struct run_state){ .uid = -1 };
		return 0;
	}
	if (r < 0)
		return source_err(err, r, path);
	r = run_state_parse(str_or_empty(text.data), text.len, ret, err);
	return r < 0 ? source_err(err, r, path) : 0;
}

/* --- Writing --- */

static json_t *
process_json(const struct proc_id *id)
{
	json_t *v = json_object();

	json_put_int(v, "pid", id->pid);
	json_put_int(v, "start", (int64_t)id->start_ticks);
	return v;
}

int
run_state_save(const char *uuid, const struct run_state *rs, struct err *err)
{
	auto_free char *host = path_hostf(PATH_RUN_ZONES "/%s.state", uuid);
	struct fs_owner owner = own_of(OWN_RUN_FILE, (uid_t)-1);
	auto_buf struct buf text = BUF_INIT;
	json_auto_t *obj = json_object();

	if (rs->phase == RUN_NONE)
		return err_set(err, -EINVAL, "state", "no run state is no file");
	json_put_str(obj, "boot_id", host_boot_id());
	json_put_str(obj, "state", run_phase_names[rs->phase]);
	json_put_int(obj, "zoneid", rs->zoneid);
	if (rs->monitor.pid > 0)
		json_put(obj, "monitor", process_json(&rs->monitor));
	if (rs->hypervisor.pid > 0)
		json_put(obj, "hypervisor", process_json(&rs->hypervisor));
	json_put_int(obj, "boot_time_ms", rs->boot_time_ms);
	json_put_int(obj, "restarts", rs->restarts);
	if (rs->accel[0])
		json_put_str(obj, "accel", rs->accel);
	json_put_int(obj, "uid", rs->uid);
	json_write(&text, obj, 0);
	buf_addc(&text, '\n');
	return fs_replace(host, text.data, text.len, &owner, err);
}

int
run_state_remove(const char *uuid, struct err *err)
{
	auto_free char *host = path_hostf(PATH_RUN_ZONES "/%s.state", uuid);

	return fs_unlink_replaced(host, err);
}

/* --- As part of a VM object --- */

static const char *
zone_state_of(const struct run_state *rs, bool hypervisor_lives)
{
	if (hypervisor_lives)
		return rs->phase == RUN_QUARANTINED ? "running" : run_phase_names[rs->phase];
	return rs->phase == RUN_READY ? "ready" : "shutting_down";
}

json_t *
run_state_part(const struct run_state *rs, struct run_state *ret_living)
{
	bool any = rs->phase != RUN_NONE;
	bool hypervisor = any && rs->hypervisor.pid > 0 && proc_is_alive(&rs->hypervisor);
	bool monitor = any && rs->monitor.pid > 0 && proc_is_alive(&rs->monitor);
	bool quarantined = rs->phase == RUN_QUARANTINED;

	if (ret_living) {
		*ret_living = *rs;
		if (!hypervisor)
			ret_living->hypervisor = (struct proc_id){ 0 };
		if (!monitor)
			ret_living->monitor = (struct proc_id){ 0 };
	}
	/* The monitor of a quarantined VM may still be on its way out; that is no life of the VM.
	 */
	bool lives = hypervisor || (monitor && !quarantined);
	if (!lives && !quarantined)
		return NULL;

	json_t *part = json_object();
	if (quarantined)
		json_put_bool(part, "quarantined", true);
	if (!lives)
		return part;
	json_put_str(part, "zone_state", zone_state_of(rs, hypervisor));
	json_put_int(part, "zoneid", rs->zoneid);
	if (hypervisor)
		json_put_int(part, "pid", rs->hypervisor.pid);
	if (rs->boot_time_ms > 0) {
		char date[ISO8601_SIZE];
		json_put_str(part, "boot_timestamp", iso8601_format(rs->boot_time_ms, date));
	}
	json_put_int(part, "init_restarts", rs->restarts);
	return part;
}

/* --- Zone ids --- */

/* The last number given in this boot; 0 when there was none, or only in another boot. */
static int
last_zoneid(const char *host, int64_t *ret, struct err *err)
{
	auto_buf struct buf text = BUF_INIT;
	int r = fs_read(host, 4096, &text, NULL, err);

	*ret = 0;
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (text.len > 0 && text.data[text.len - 1] == '\n')
		text.data[--text.len] = '\0';
	auto_strv char **words = strv_split(str_or_empty(text.data), ' ');
	if (strv_len(words) != 2 || !str_eq(words[0], host_boot_id()))
		return 0;
	if (str_to_int(words[1], false, 0, INT32_MAX - 1, ret) < 0)
		return err_set(err, -EINVAL, ZONEID_FILE, "\"%s\" is not a zone id", words[1]);
	return 0;
}

int
run_state_next_zoneid(int64_t *ret, struct err *err)
{
	auto_free char *lock_path = path_host(ZONEID_LOCK);
	auto_free char *host = path_host(ZONEID_FILE);
	auto_buf struct buf text = BUF_INIT;
	struct fs_owner owner = own_of(OWN_RUN_FILE, (uid_t)-1);
	int64_t last;

	auto_close int lock = lock_take(lock_path, LOCK_TIMEOUT_MS, err);
	if (lock < 0)
		return lock;
	int r = last_zoneid(host, &last, err);
	if (r < 0)
		return r;
	buf_addf(&text, "%s %lld\n", host_boot_id(), (long long)last + 1);
	r = fs_replace(host, text.data, text.len, &owner, err);
	if (r < 0)
		return r;
	*ret = last + 1;
	return 0;
}
