#include "private_root.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "base/vmgroup.h"
#include "host/zone_dir.h"
#include "pool/pool.h"

#define A     "aaaaaaaa-0000-4000-8000-000000000001"
#define B     "bbbbbbbb-0000-4000-8000-000000000002"
#define PROPS "/zones/.pool/" A ".json"
#define GIB   ((int64_t)1 << 30)

static const struct pool_driver *pool = &pool_dir;

static int
pool_setup(void **state)
{
	int r = root_setup(state);

	return r < 0 ? r : host_init(NULL);
}
#define POOL_TEST(fn) cmocka_unit_test_setup_teardown(fn, pool_setup, root_teardown)

static struct dataset_rows
rows_of(const char *uuid)
{
	struct dataset_rows rows = { 0 };
	struct err err = { 0 };

	if (pool->vm_rows("zones", uuid, &rows, &err) < 0)
		fail_msg("%s: %s", err.what, err.msg);
	return rows;
}
#define auto_rows __attribute__((cleanup(dataset_rows_done)))

static char *
make_volume(enum volume_format format, int64_t size)
{
	char *path = NULL;
	struct err err = { 0 };

	if (pool->create_volume("zones", A, format, size, 200000, &path, &err) < 0)
		fail_msg("%s: %s", err.what, err.msg);
	return path;
}

static bool
exists(const char *logical)
{
	return root_stamp(logical).ino != 0;
}

static void
the_pool_is_found_by_name(void **state)
{
	const struct pool_driver *found = NULL;
	enum volume_format format;

	(void)state;
	assert_int_equal(pool_find("zones", &found, NULL), 0);
	assert_ptr_equal(found, &pool_dir);
	assert_int_equal(pool_find("tank", &found, NULL), -ENOENT);
	assert_int_equal(volume_format_parse(NULL, &format), 0);
	assert_int_equal(format, VOLUME_QCOW2);
	assert_int_equal(volume_format_parse("raw", &format), 0);
	assert_int_equal(format, VOLUME_RAW);
	assert_int_equal(volume_format_parse("vmdk", &format), -EINVAL);
}

static void
a_vm_without_storage_has_no_rows(void **state)
{
	auto_rows struct dataset_rows rows = rows_of(A);
	static const struct fs_stamp none;

	(void)state;
	assert_int_equal(rows.n, 0);
	assert_true(fs_stamp_equal(&rows.stamp, &none));
}

static void
a_file_system_has_its_properties(void **state)
{
	(void)state;
	assert_int_equal(pool->create_filesystem("zones", A, 10 * GIB, NULL), 0);
	assert_int_equal(pool->create_filesystem("zones", A, 10 * GIB, NULL), -EEXIST);
	auto_rows struct dataset_rows rows = rows_of(A);
	assert_int_equal(rows.n, 1);
	const struct dataset *d = dataset_rows_by_mountpoint(&rows, "/zones/" A);
	assert_string_equal(d->name, "zones/" A);
	assert_int_equal(d->type, DATASET_FILESYSTEM);
	assert_int_equal(d->quota, 10 * GIB);
	assert_string_equal(d->compression, "off");
	assert_in_range(d->creation_s, clock_wall_ms() / 1000 - 60, clock_wall_ms() / 1000);
	assert_int_equal(pool->set_quota("zones", A, 5 * GIB, NULL), 0);
	auto_rows struct dataset_rows after = rows_of(A);
	assert_int_equal(after.rows[0].quota, 5 * GIB);
	assert_false(fs_stamp_equal(&rows.stamp, &after.stamp));
	assert_int_equal(pool->set_quota("zones", B, GIB, NULL), -ENOENT);
}

static void
volumes_have_the_size_in_their_header(void **state)
{
	auto_free char *first = make_volume(VOLUME_QCOW2, 10 * GIB);
	auto_free char *second = make_volume(VOLUME_RAW, 3 * GIB);
	auto_rows struct dataset_rows rows = rows_of(A);

	(void)state;
	assert_string_equal(first, "/zones/" A "-disk0.qcow2");
	assert_string_equal(second, "/zones/" A "-disk1.raw");
	const struct dataset *qcow2 = dataset_rows_by_mountpoint(&rows, first);
	const struct dataset *raw = dataset_rows_by_mountpoint(&rows, second);
	assert_string_equal(qcow2->name, "zones/" A "-disk0");
	assert_int_equal(qcow2->type, DATASET_VOLUME);
	assert_int_equal(qcow2->volsize, 10 * GIB);
	assert_int_equal(qcow2->block_size, 65536);
	assert_string_equal(raw->name, "zones/" A "-disk1");
	assert_int_equal(raw->volsize, 3 * GIB);
	auto_free char *host = path_host(second);
	struct stat st;
	assert_int_equal(stat(host, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(st.st_blocks < 1000);
	if (is_privileged())
		assert_int_equal(st.st_uid, 200000);
}

static void
numbers_of_removed_volumes_are_used_again(void **state)
{
	auto_free char *first = make_volume(VOLUME_RAW, GIB);
	auto_free char *second = make_volume(VOLUME_RAW, GIB);

	(void)state;
	assert_true(exists(second));
	assert_int_equal(pool->remove_volume("zones", A, first, NULL), 0);
	assert_int_equal(pool->remove_volume("zones", A, first, NULL), 0);
	assert_false(exists(first));
	auto_rows struct dataset_rows rows = rows_of(A);
	assert_int_equal(rows.n, 1);
	auto_free char *third = make_volume(VOLUME_QCOW2, GIB);
	assert_string_equal(third, "/zones/" A "-disk0.qcow2");
	/* A file nobody recorded is not overwritten either. */
	root_puts("/zones/" A "-disk2.qcow2", "precious");
	auto_free char *fourth = make_volume(VOLUME_RAW, GIB);
	assert_string_equal(fourth, "/zones/" A "-disk3.raw");
}

static void
only_volumes_of_the_vm_are_removed(void **state)
{
	static const char *const paths[] = { "/zones/" B "-disk0.qcow2", "/zones/" A, "/etc/passwd",
		"/zones/../zones/" A "-disk0.qcow2", "/zones/" A "-disk0.qcow2/../x",
		"/zones/" A "-disk0.iso", "/zones/" A "-disk00.raw", "/zones/" A "-disk.raw",
		"/zones/" A "-disk-1.raw", "" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		assert_int_equal(pool->remove_volume("zones", A, paths[i], NULL), -EINVAL);
	assert_int_equal(pool->remove_volume("zones", "../x", "/zones/x", NULL), -EINVAL);
}

static void
a_recorded_volume_without_file_is_no_row(void **state)
{
	(void)state;
	root_puts(PROPS, "{\"volumes\":[\"" A "-disk0.qcow2\"]}");
	auto_rows struct dataset_rows rows = rows_of(A);
	assert_int_equal(rows.n, 0);
}

static void
what_cannot_be_understood_is_an_error_naming_the_file(void **state)
{
	static const struct {
		const char *props, *volume, *what;
	} rows[] = {
		{ "{", NULL, PROPS },
		{ "[]", NULL, PROPS },
		{ "{\"volumes\":[\"../../etc/passwd\"]}", NULL, PROPS },
		{ "{\"volumes\":[\"" B "-disk0.raw\"]}", NULL, PROPS },
		{ "{\"volumes\":[5]}", NULL, PROPS },
		{ "{\"volumes\":[\"" A "-disk0.qcow2\"]}", "", "/zones/" A "-disk0.qcow2" },
		{ "{\"volumes\":[\"" A "-disk0.qcow2\"]}",
		    "not an image, but as long as its header is", "/zones/" A "-disk0.qcow2" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dataset_rows out = { 0 };
		struct err err = { 0 };
		root_puts(PROPS, rows[i].props);
		if (rows[i].volume)
			root_puts("/zones/" A "-disk0.qcow2", rows[i].volume);
		assert_int_equal(pool->vm_rows("zones", A, &out, &err), -EINVAL);
		assert_int_equal(out.n, 0);
		assert_string_equal(err.what, rows[i].what);
	}
}

static void
the_stamp_follows_facts_and_not_the_guest(void **state)
{
	auto_free char *path = make_volume(VOLUME_QCOW2, GIB);
	auto_free char *host = path_host(path);
	static const unsigned char two_gib[8] = { 0, 0, 0, 0, 0x80 };

	(void)state;
	auto_rows struct dataset_rows before = rows_of(A);
	auto_close int fd = open(host, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "guest data", 10, 1 << 20), 10);
	auto_rows struct dataset_rows written = rows_of(A);
	assert_true(fs_stamp_equal(&before.stamp, &written.stamp));
	assert_int_equal(pwrite(fd, two_gib, 8, 24), 8);
	auto_rows struct dataset_rows resized = rows_of(A);
	assert_int_equal(resized.rows[0].volsize, 2 * GIB);
	assert_false(fs_stamp_equal(&before.stamp, &resized.stamp));
	assert_int_equal(unlink(host), 0);
	auto_rows struct dataset_rows gone = rows_of(A);
	assert_false(fs_stamp_equal(&resized.stamp, &gone.stamp));
}

static void
assert_nothing_left(void)
{
	auto_free char *host = path_host("/zones");
	auto_closedir DIR *dir = opendir(host);
	const struct dirent *e;

	while ((e = readdir(dir)))
		if (strstr(e->d_name, A) || strstr(e->d_name, ".new"))
			fail_msg("%s is left", e->d_name);
	assert_false(exists(PROPS));
}

static void
removing_everything_leaves_nothing(void **state)
{
	auto_free char *other = NULL;

	(void)state;
	assert_int_equal(pool->remove_all("zones", A, NULL), 0);
	assert_int_equal(pool->create_filesystem("zones", A, 0, NULL), 0);
	auto_free char *one = make_volume(VOLUME_QCOW2, GIB);
	auto_free char *two = make_volume(VOLUME_RAW, GIB);
	assert_true(exists(one) && exists(two));
	root_puts("/zones/." A "-disk1.raw.new", "of a killed creation");
	root_puts("/zones/" A "/root/file", "x");
	assert_int_equal(
	    pool->create_volume("zones", B, VOLUME_RAW, GIB, (uid_t)-1, &other, NULL), 0);
	assert_int_equal(pool->remove_all("zones", A, NULL), 0);
	assert_nothing_left();
	assert_true(exists(other));
}

static void
volumes_are_listed_even_when_their_creation_was_killed(void **state)
{
	auto_strv char **paths = NULL;

	(void)state;
	assert_int_equal(pool->remove_all("zones", A, NULL), 0);
	assert_int_equal(pool->create_filesystem("zones", A, 0, NULL), 0);
	auto_free char *one = make_volume(VOLUME_RAW, GIB);
	auto_free char *file = path_host(one);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(pool->volumes("zones", A, &paths, NULL), 0);
	assert_int_equal(strv_len(paths), 1);
	assert_string_equal(paths[0], one);
	assert_int_equal(pool->remove_volume("zones", A, one, NULL), 0);
	strv_free(TAKE(paths));
	assert_int_equal(pool->volumes("zones", A, &paths, NULL), 0);
	assert_int_equal(strv_len(paths), 0);
}

static void
a_broken_property_file_does_not_keep_volumes(void **state)
{
	auto_free char *one = make_volume(VOLUME_RAW, GIB);

	(void)state;
	assert_true(exists(one));
	root_puts("/zones/." A "-disk7.qcow2.new", "of a killed creation");
	root_puts(PROPS, "{\"volu");
	assert_int_equal(pool->remove_all("zones", A, NULL), 0);
	assert_nothing_left();
}

static void
a_symlink_in_place_of_the_directory_is_refused(void **state)
{
	auto_free char *link = path_host("/zones/" A), *victim = path_host("/victim");

	(void)state;
	root_puts("/victim/file", "precious");
	auto_free char *volume = make_volume(VOLUME_RAW, GIB);
	assert_int_equal(symlink(victim, link), 0);
	assert_int_equal(pool->remove_all("zones", A, NULL), -ELOOP);
	assert_true(exists("/victim/file"));
	assert_true(exists(volume));
	auto_rows struct dataset_rows rows = rows_of(A);
	assert_null(dataset_rows_by_mountpoint(&rows, "/zones/" A));
}

/* With a limit on the size of files the tool and our own code fail as on a full disk. */
static void
a_failed_creation_leaves_nothing(void **state)
{
	static const enum volume_format formats[] = { VOLUME_QCOW2, VOLUME_RAW };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			const struct rlimit small = { 4096, 4096 };
			char *path = NULL;
			struct err err = { 0 };
			(void)signal(SIGXFSZ, SIG_IGN);
			(void)setrlimit(RLIMIT_FSIZE, &small);
			int r = pool->create_volume(
			    "zones", A, formats[i], GIB, (uid_t)-1, &path, &err);
			_exit(r < 0 && !path && err.msg[0] ? 0 : 1);
		}
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		auto_rows struct dataset_rows rows = rows_of(A);
		assert_int_equal(rows.n, 0);
		auto_free char *props = root_gets(PROPS);
		assert_null(strstr(props, "disk0"));
		assert_int_equal(pool->remove_all("zones", A, NULL), 0);
		assert_nothing_left();
	}
}

static void
sizes_that_are_none_are_refused(void **state)
{
	static const int64_t sizes[] = { 0, -512, 1, 513 };
	char *path = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		assert_int_equal(
		    pool->create_volume("zones", A, VOLUME_RAW, sizes[i], 0, &path, NULL), -EINVAL);
	assert_null(path);
	assert_false(exists(PROPS));
}

#define WRITERS 8

static void
volumes_made_at_once_get_different_numbers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WRITERS; i++) {
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			char *path = NULL;
			_exit(pool->create_volume(
			          "zones", A, VOLUME_RAW, GIB, (uid_t)-1, &path, NULL) < 0);
		}
	}
	for (unsigned i = 0; i < WRITERS; i++) {
		int status;
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	auto_rows struct dataset_rows rows = rows_of(A);
	assert_int_equal(rows.n, WRITERS);
}

static void
names_in_watched_directories_belong_to_vms(void **state)
{
	static const struct {
		const char *dir, *name;
		bool known;
	} rows[] = {
		{ "/zones", A, true },
		{ "/zones", A "-disk0.qcow2", true },
		{ "/zones", A "-disk12.raw", true },
		{ "/zones/.pool", A ".json", true },
		{ "/zones", A ".json", false },
		{ "/zones", "." A "-disk0.qcow2.new", false },
		{ "/zones/.pool", "." A ".json.abc.new", false },
		{ "/zones/.pool", A, false },
		{ "/zones", ".pool", false },
		{ "/zones", "", false },
		{ "/zones", A "x", false },
		{ "/zones", A "-disk0", false },
		{ "/zones", "AAAAAAAA-0000-4000-8000-000000000001", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char uuid[UUID_LEN + 1] = "";
		int r = pool->uuid_of_name(rows[i].dir, rows[i].name, uuid);
		if (r != (rows[i].known ? 0 : -ENOENT) || !str_eq(uuid, rows[i].known ? A : ""))
			fail_msg("%s/%s", rows[i].dir, rows[i].name);
	}
	for (unsigned i = 0; pool->watch_dirs[i]; i++)
		assert_true(exists(pool->watch_dirs[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pool_is_found_by_name),
		POOL_TEST(a_vm_without_storage_has_no_rows),
		POOL_TEST(a_file_system_has_its_properties),
		POOL_TEST(volumes_have_the_size_in_their_header),
		POOL_TEST(numbers_of_removed_volumes_are_used_again),
		POOL_TEST(only_volumes_of_the_vm_are_removed),
		POOL_TEST(a_recorded_volume_without_file_is_no_row),
		POOL_TEST(what_cannot_be_understood_is_an_error_naming_the_file),
		POOL_TEST(the_stamp_follows_facts_and_not_the_guest),
		POOL_TEST(removing_everything_leaves_nothing),
		POOL_TEST(volumes_are_listed_even_when_their_creation_was_killed),
		POOL_TEST(a_broken_property_file_does_not_keep_volumes),
		POOL_TEST(a_symlink_in_place_of_the_directory_is_refused),
		POOL_TEST(a_failed_creation_leaves_nothing),
		POOL_TEST(sizes_that_are_none_are_refused),
		POOL_TEST(volumes_made_at_once_get_different_numbers),
		POOL_TEST(names_in_watched_directories_belong_to_vms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
