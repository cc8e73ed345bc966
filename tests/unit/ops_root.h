/* A private root for tests of operations: made before each test, removed after it. */
#ifndef TESTS_OPS_ROOT_H
#define TESTS_OPS_ROOT_H

#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/conf.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/str.h"
#include "host/zone_dir.h"
#include "load/load.h"
#include "ops/ops.h"
#include "json/json.h"

#define UUID_A "11111111-1111-4111-8111-111111111111"

static char ops_root[64];

static inline void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static inline int
ops_root_setup(void **state)
{
	auto_free char *conf = NULL;
	struct err err = { 0 };
	char path[128], text[160];

	json_setup();
	log_init("test", LOG_FATAL);
	(void)snprintf(ops_root, sizeof(ops_root), "/tmp/vmnode-ops-XXXXXX");
	assert_non_null(mkdtemp(ops_root));
	assert_int_equal(chmod(ops_root, 0755), 0);
	assert_int_equal(paths_init(ops_root, &err), 0);
	(void)snprintf(path, sizeof(path), "%s/etc/vmnode", ops_root);
	assert_int_equal(
	    fs_mkdir_p(path, &(struct fs_owner){ (uid_t)-1, (gid_t)-1, 0755 }, &err), 0);
	conf = path_host(PATH_CONF);
	(void)snprintf(text, sizeof(text), "[vm]\nuid_registry = %s/uids\n", ops_root);
	write_file(conf, text);
	assert_int_equal(conf_load(&err), 0);
	assert_int_equal(host_init(&err), 0);
	(void)snprintf(path, sizeof(path), "%s/kernel", ops_root);
	write_file(path, "a kernel");
	return 0;
}

static inline int
ops_root_teardown(void **state)
{
	unsetenv("VMNODE_FAULT");
	return fs_remove_tree(ops_root, NULL);
}

/* --- an operation as a user's --- */

static inline int
settle_by_load(void *arg, const char *uuid, json_t **ret, struct err *err)
{
	return load_one(uuid, false, ret, err);
}

static inline struct op
user_op(void)
{
	return (struct op){ .settle = settle_by_load };
}

/* A VM with everything that has a step of its own: a disk, a NIC, files, a kernel. */
static inline json_t *
payload_a(void)
{
	char kernel[80];

	(void)snprintf(kernel, sizeof(kernel), "%s/kernel", ops_root);
	return json_pack("{s:s, s:s, s:s, s:b, s:i, s:s, s:[{s:i, s:s}], s:[{s:s, s:s}], s:{s:s}}",
	    "uuid", UUID_A, "brand", "kvm", "alias", "first", "autoboot", 0, "ram", 128,
	    "kernel_image", kernel, "disks", "size", 64, "model", "virtio", "nics", "nic_tag",
	    "user", "model", "virtio", "tags", "role", "web");
}

static inline int
create_a(struct err *err)
{
	json_auto_t *payload = payload_a();
	struct op op = user_op();
	char uuid[UUID_LEN + 1];

	return op_create(&op, payload, uuid, err);
}

static inline int
delete_a(struct err *err)
{
	struct op op = user_op();

	return op_delete(&op, UUID_A, err);
}

static inline json_t *
load_a(bool strict)
{
	json_t *vm = NULL;
	struct err err = { 0 };
	int r = load_one(UUID_A, strict, &vm, &err);

	if (r < 0 && r != -ENOENT)
		fail_msg("%s", err.msg);
	return vm;
}

static inline bool
exists_a(void)
{
	json_auto_t *vm = load_a(false);

	return vm != NULL;
}

/* --- in another process, so that it may be killed --- */

/* The child's exit is -r of the operation. */
static inline pid_t
fork_operation(const char *fault, int (*operation)(struct err *err))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct err err = { 0 };
		int r;

		if (fault)
			setenv("VMNODE_FAULT", fault, 1);
		r = operation(&err);
		_exit(-r);
	}
	return pid;
}

static inline int
wait_for(pid_t pid, int flags)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, flags), pid);
	return status;
}

static inline int
run_with_fault(const char *fault, int (*operation)(struct err *err))
{
	return wait_for(fork_operation(fault, operation), 0);
}

static inline char *
fault_of(const char *op, const char *step, const char *what)
{
	static char text[80];

	(void)snprintf(text, sizeof(text), "%s:%s:%s", op, step, what);
	return text;
}

/* --- nothing is left --- */

static inline int
fail_on_name(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (!path || !strstr(path, UUID_A))
		return 0;
	print_error("left behind: %s\n", path);
	return 1;
}

static inline void
assert_not_in_file(const char *path)
{
	auto_buf struct buf b = BUF_INIT;

	if (fs_read(path, 1 << 20, &b, NULL, NULL) == 0)
		assert_null(strstr(str_or_empty(b.data), UUID_A));
}

static inline void
assert_nothing_left(void)
{
	auto_free char *index = path_host(PATH_ZONE_INDEX);
	char uids[80];

	(void)snprintf(uids, sizeof(uids), "%s/uids", ops_root);
	assert_int_equal(nftw(ops_root, fail_on_name, 16, FTW_PHYS), 0);
	assert_not_in_file(index);
	assert_not_in_file(uids);
}

#endif
