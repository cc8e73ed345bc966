#include "private_root.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "host/run_state.h"
#include "host/zone_dir.h"

#define A "aaaaaaaa-0000-4000-8000-000000000001"

static pid_t child;

/* A process that lives until it is killed. */
static struct proc_id
living(void)
{
	struct proc_id id;

	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		for (;;)
			(void)pause();
	}
	assert_int_equal(proc_id_of(child, &id), 0);
	return id;
}

static void
kill_child(void)
{
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static char *
text_with(const char *boot_id, const char *rest)
{
	return xasprintf("{\"boot_id\":\"%s\"%s}", boot_id, rest);
}

static void
what_is_saved_is_loaded(void **state)
{
	const struct run_state rs = { .phase = RUN_RUNNING,
		.zoneid = 7,
		.monitor = { 11, 12 },
		.hypervisor = { 13, 14 },
		.boot_time_ms = 1700000000123,
		.restarts = 2,
		.uid = 100001,
		.accel = "tcg" };
	struct run_state back;
	struct fs_stamp stamp;

	(void)state;
	assert_int_equal(host_init(NULL), 0);
	assert_int_equal(run_state_save(A, &rs, NULL), 0);
	assert_int_equal(run_state_load(A, &back, &stamp, NULL), 0);
	assert_int_equal(back.phase, RUN_RUNNING);
	assert_int_equal(back.zoneid, 7);
	assert_int_equal(back.monitor.pid, 11);
	assert_int_equal(back.monitor.start_ticks, 12);
	assert_int_equal(back.hypervisor.pid, 13);
	assert_int_equal(back.hypervisor.start_ticks, 14);
	assert_int_equal(back.boot_time_ms, 1700000000123);
	assert_int_equal(back.restarts, 2);
	assert_int_equal(back.uid, 100001);
	assert_string_equal(back.accel, "tcg");
	assert_true(stamp.ino != 0);
	assert_int_equal(run_state_remove(A, NULL), 0);
	assert_int_equal(run_state_remove(A, NULL), 0);
	assert_int_equal(run_state_load(A, &back, &stamp, NULL), 0);
	assert_int_equal(back.phase, RUN_NONE);
	assert_true(stamp.ino == 0);
}

static void
a_file_of_another_boot_is_none(void **state)
{
	auto_free char *text = text_with("00000000-1111-2222-3333-444444444444",
	    ",\"state\":\"running\",\"hypervisor\":{\"pid\":1,\"start\":2}");
	struct run_state rs;

	(void)state;
	assert_int_equal(run_state_parse(text, strlen(text), &rs, NULL), 0);
	assert_int_equal(rs.phase, RUN_NONE);
	assert_int_equal(rs.hypervisor.pid, 0);
	assert_null(run_state_part(&rs, NULL));
}

static void
unknown_members_are_ignored_and_known_ones_checked(void **state)
{
	static const struct {
		const char *rest;
		int result;
	} rows[] = {
		{ ",\"state\":\"ready\"", 0 },
		{ ",\"state\":\"ready\",\"future\":{\"a\":[1]}", 0 },
		{ ",\"state\":\"ready\",\"monitor\":null", 0 },
		{ "", -EINVAL },
		{ ",\"state\":\"none\"", -EINVAL },
		{ ",\"state\":\"mounted\"", -EINVAL },
		{ ",\"state\":3", -EINVAL },
		{ ",\"state\":\"ready\",\"zoneid\":-1", -EINVAL },
		{ ",\"state\":\"ready\",\"zoneid\":\"1\"", -EINVAL },
		{ ",\"state\":\"ready\",\"uid\":-2", -EINVAL },
		{ ",\"state\":\"ready\",\"boot_time_ms\":1.5", -EINVAL },
		{ ",\"state\":\"ready\",\"boot_time_ms\":9223372036854775807", -EINVAL },
		{ ",\"state\":\"ready\",\"monitor\":5", -EINVAL },
		{ ",\"state\":\"ready\",\"monitor\":{\"pid\":-5}", -EINVAL },
		{ ",\"state\":\"ready\",\"monitor\":{\"pid\":4294967297}", -EINVAL },
		{ ",\"state\":\"ready\",\"hypervisor\":{\"pid\":1,\"start\":-1}", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *text = text_with(host_boot_id(), rows[i].rest);
		struct run_state rs;
		struct err err = { 0 };
		if (run_state_parse(text, strlen(text), &rs, &err) != rows[i].result)
			fail_msg("%s: %s", text, err.msg);
	}
}

static void
text_that_is_no_run_state_is_an_error(void **state)
{
	static const char *const texts[] = { "", "{", "[]", "null", "{}", "{\"boot_id\":1}",
		"garbage" };
	struct run_state rs;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(run_state_parse(texts[i], strlen(texts[i]), &rs, NULL), -EINVAL);
	root_puts(PATH_RUN_ZONES "/" A ".state", "{\"boot");
	assert_int_equal(run_state_load(A, &rs, NULL, &err), -EINVAL);
	assert_string_equal(err.what, PATH_RUN_ZONES "/" A ".state");

	auto_buf struct buf large = BUF_INIT;
	while (large.len < 70000)
		buf_adds(&large, "                ");
	root_puts(PATH_RUN_ZONES "/" A ".state", large.data);
	assert_int_equal(run_state_load(A, &rs, NULL, NULL), -EFBIG);
}

static void
the_kernel_decides_what_lives(void **state)
{
	const struct proc_id none = { 0 }, gone = { 999999999, 1 };
	struct proc_id alive = living();
	const struct {
		enum run_phase phase;
		struct proc_id monitor, hypervisor;
		const char *zone_state; /* NULL: no part, or none in it */
		bool pid, quarantined;
	} rows[] = {
		{ RUN_READY, alive, none, "ready", false, false },
		{ RUN_READY, alive, alive, "ready", true, false },
		{ RUN_RUNNING, alive, alive, "running", true, false },
		{ RUN_RUNNING, gone, alive, "running", true, false },
		{ RUN_RUNNING, alive, gone, "shutting_down", false, false },
		{ RUN_SHUTTING_DOWN, alive, alive, "shutting_down", true, false },
		{ RUN_SHUTTING_DOWN, alive, none, "shutting_down", false, false },
		{ RUN_RUNNING, gone, gone, NULL, false, false },
		{ RUN_READY, none, none, NULL, false, false },
		{ RUN_QUARANTINED, none, none, NULL, false, true },
		{ RUN_QUARANTINED, alive, none, NULL, false, true },
		{ RUN_QUARANTINED, none, alive, "running", true, true },
		{ RUN_NONE, alive, alive, NULL, false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct run_state rs = { .phase = rows[i].phase,
			.zoneid = 3,
			.monitor = rows[i].monitor,
			.hypervisor = rows[i].hypervisor,
			.boot_time_ms = 1700000000123,
			.restarts = 4 };
		struct run_state living_now;
		json_auto_t *part = run_state_part(&rs, &living_now);
		if (!str_eq(json_member_str(part, "zone_state"), rows[i].zone_state) ||
		    json_member_bool(part, "quarantined", false) != rows[i].quarantined ||
		    (json_object_get(part, "pid") != NULL) != rows[i].pid ||
		    (part != NULL) != (rows[i].zone_state || rows[i].quarantined))
			fail_msg("row %zu", i);
		assert_int_equal(living_now.hypervisor.pid, rows[i].pid ? alive.pid : 0);
		if (!rows[i].zone_state)
			continue;
		assert_int_equal(json_member_int(part, "zoneid", 0), 3);
		assert_int_equal(json_member_int(part, "init_restarts", 0), 4);
		assert_string_equal(
		    json_member_str(part, "boot_timestamp"), "2023-11-14T22:13:20.123Z");
	}
	kill_child();
}

static void
a_reused_pid_is_not_the_process(void **state)
{
	struct run_state rs = { .phase = RUN_RUNNING };

	(void)state;
	assert_int_equal(proc_id_of(getpid(), &rs.hypervisor), 0);
	rs.hypervisor.start_ticks++;
	assert_null(run_state_part(&rs, NULL));
}

static void
zone_ids_count_up_within_a_boot(void **state)
{
	int64_t id;

	(void)state;
	assert_int_equal(host_init(NULL), 0);
	for (int64_t i = 1; i < 4; i++) {
		assert_int_equal(run_state_next_zoneid(&id, NULL), 0);
		assert_int_equal(id, i);
	}
	root_puts(PATH_RUN "/zoneid", "00000000-1111-2222-3333-444444444444 99\n");
	assert_int_equal(run_state_next_zoneid(&id, NULL), 0);
	assert_int_equal(id, 1);
	auto_free char *bad = xasprintf("%s x\n", host_boot_id());
	root_puts(PATH_RUN "/zoneid", bad);
	assert_int_equal(run_state_next_zoneid(&id, NULL), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ROOT_TEST(what_is_saved_is_loaded),
		ROOT_TEST(a_file_of_another_boot_is_none),
		ROOT_TEST(unknown_members_are_ignored_and_known_ones_checked),
		ROOT_TEST(text_that_is_no_run_state_is_an_error),
		ROOT_TEST(the_kernel_decides_what_lives),
		ROOT_TEST(a_reused_pid_is_not_the_process),
		ROOT_TEST(zone_ids_count_up_within_a_boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
