#include "host/sysinfo.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/own.h"
#include "base/paths.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "host/source_err.h"
#include "vm/properties.h"
#include "json/json.h"

#define SYSINFO_MAX      (1u << 20)        /* bytes */
#define MACHINE_ID       "/etc/machine-id" /* of the real host, also for a private root */
#define SERVER_UUID_FILE PATH_LIB "/server_uuid"
#define ID_LEN           32

/* --- The uuid of the host --- */

static uint32_t
rotate(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

/* SHA-1 (RFC 3174) of one message of at most 55 bytes, which is all that a uuid of version 5 needs
 * here. */
static void
sha1_block(const unsigned char *data, size_t len, uint32_t h[5])
{
	static const uint32_t k[4] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6 };
	unsigned char block[64] = { 0 };
	uint32_t w[80];

	memcpy(block, data, len);
	block[len] = 0x80;
	block[62] = (unsigned char)(len >> 5);
	block[63] = (unsigned char)(len << 3);
	for (unsigned t = 0; t < 16; t++)
		w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
		       (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
	for (unsigned t = 16; t < 80; t++)
		w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);

	uint32_t a = 0x67452301, b = 0xefcdab89, c = 0x98badcfe, d = 0x10325476, e = 0xc3d2e1f0;
	const uint32_t start[5] = { a, b, c, d, e };
	for (unsigned t = 0; t < 80; t++) {
		const uint32_t f[4] = { (b & c) | (~b & d), b ^ c ^ d, (b & c) | (b & d) | (c & d),
			b ^ c ^ d };
		uint32_t next = rotate(a, 5) + f[t / 20] + e + w[t] + k[t / 20];
		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = next;
	}
	const uint32_t end[5] = { a, b, c, d, e };
	for (unsigned i = 0; i < 5; i++)
		h[i] = start[i] + end[i];
}

/*
 * The machine id must not be told to others as it is (machine-id(5)), and guests see server_uuid.
 * So: the uuid of version 5 of name "vmnode" in the name space of the machine id, as `uuidgen
 * --sha1 --namespace <id> --name vmnode` prints it.
 */
static void
derive_uuid(const unsigned char id[16], char ret[UUID_LEN + 1])
{
	static const char name[] = "vmnode";
	unsigned char message[16 + sizeof(name) - 1];
	uint32_t h[5];

	memcpy(message, id, 16);
	memcpy(message + 16, name, sizeof(name) - 1);
	sha1_block(message, sizeof(message), h);
	h[1] = (h[1] & 0xffff0fff) | 0x5000;
	h[2] = (h[2] & 0x3fffffff) | 0x80000000;
	(void)snprintf(ret, UUID_LEN + 1, "%08x-%04x-%04x-%04x-%04x%08x", h[0], h[1] >> 16,
	    h[1] & 0xffff, h[2] >> 16, h[2] & 0xffff, h[3]);
}

/* 32 hexadecimal digits and a newline. false: there is no usable machine id. */
static bool
read_machine_id(unsigned char ret[16])
{
	auto_buf struct buf text = BUF_INIT;

	if (fs_read(MACHINE_ID, 4096, &text, NULL, NULL) < 0 || text.len < ID_LEN)
		return false;
	for (unsigned i = 0; i < 16; i++) {
		char pair[] = { text.data[2 * i], text.data[2 * i + 1], '\0' };
		if (strspn(pair, "0123456789abcdef") != 2)
			return false;
		ret[i] = (unsigned char)strtoul(pair, NULL, 16);
	}
	return text.data[strspn(text.data, "0")] != '\n' &&
	       (text.len == ID_LEN || text.data[ID_LEN] == '\n');
}

/* Made once and kept, for hosts without machine id. `keep`: it may be written. */
static int
kept_uuid(bool keep, char ret[UUID_LEN + 1], struct err *err)
{
	auto_free char *host = path_host(SERVER_UUID_FILE);
	struct fs_owner owner = own_of(OWN_RUN_FILE, (uid_t)-1);
	auto_buf struct buf text = BUF_INIT;
	int r = fs_read(host, 4096, &text, NULL, err);

	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0) {
		auto_free char *uuid =
		    xstrndup(str_or_empty(text.data), text.len < UUID_LEN ? text.len : UUID_LEN);
		if (!uuid_valid(uuid))
			return err_set(err, -EINVAL, SERVER_UUID_FILE, "not a uuid");
		memcpy(ret, uuid, UUID_LEN + 1);
		return 0;
	}
	ret[0] = '\0';
	if (!keep)
		return 0;
	char line[UUID_LEN + 2];
	uuid_random(ret);
	(void)snprintf(line, sizeof(line), "%s\n", ret);
	return fs_replace(host, line, UUID_LEN + 1, &owner, err);
}

static int
server_uuid(bool keep, char ret[UUID_LEN + 1], struct err *err)
{
	unsigned char id[16];

	if (!read_machine_id(id))
		return kept_uuid(keep, ret, err);
	derive_uuid(id, ret);
	return 0;
}

/* --- Facts --- */

static int64_t
memory_mib(void)
{
	int64_t pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	return pages < 0 || size < 0 ? 0 : pages * size >> 20;
}

static int
collect(bool keep, json_t **ret, struct err *err)
{
	char uuid[UUID_LEN + 1];
	struct utsname host;
	int r = server_uuid(keep, uuid, err);

	if (r < 0)
		return r;
	if (uname(&host) < 0)
		return err_errno(err, -errno, PATH_SYSINFO, "cannot ask the kernel for its names");
	json_t *info = json_object();
	if (uuid[0])
		json_put_str(info, "UUID", uuid);
	json_put_str(info, "Hostname", host.nodename);
	json_put_str(info, "Live Image", host.release);
	json_put_str(info, "Boot ID", host_boot_id());
	json_put_int(info, "Memory MiB", memory_mib());
	json_put_int(info, "CPU Count", sysconf(_SC_NPROCESSORS_ONLN));
	*ret = info;
	return 0;
}

/* -ENOENT when the file is absent. */
static int
read_file(json_t **ret, struct fs_stamp *stamp, struct err *err)
{
	auto_free char *host = path_host(PATH_SYSINFO);
	auto_buf struct buf text = BUF_INIT;
	int r = fs_read(host, SYSINFO_MAX, &text, stamp, err);

	if (r < 0)
		return source_err(err, r, PATH_SYSINFO);
	json_auto_t *v = json_parse(str_or_empty(text.data), text.len, PATH_SYSINFO, err);
	if (!v)
		return source_err(err, -EINVAL, PATH_SYSINFO);
	if (!json_is_object(v))
		return err_set(err, -EINVAL, PATH_SYSINFO, "not a JSON object");
	*ret = TAKE(v);
	return 0;
}

int
sysinfo_write(struct err *err)
{
	static const char *const kept[] = { "Datacenter Name", "Headnode ID" };
	auto_free char *host = path_host(PATH_SYSINFO);
	struct fs_owner owner = own_of(OWN_RUN_FILE, (uid_t)-1);
	auto_buf struct buf text = BUF_INIT;
	json_auto_t *old = NULL, *info = NULL;
	int r = collect(true, &info, err);

	if (r < 0)
		return r;
	/* A file that cannot be understood is made anew: nothing in it but the two names is ours to
	 * keep. */
	(void)read_file(&old, NULL, NULL);
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (json_object_get(old, kept[i]))
			json_put(info, kept[i], json_incref(json_object_get(old, kept[i])));
	if (old && json_equal(old, info))
		return 0;
	json_write(&text, info, 2);
	buf_addc(&text, '\n');
	return fs_replace(host, text.data, text.len, &owner, err);
}

int
sysinfo_load(json_t **ret, struct fs_stamp *ret_stamp, struct err *err)
{
	struct fs_stamp stamp = { 0 };
	int r = read_file(ret, &stamp, err);

	if (ret_stamp)
		*ret_stamp = stamp;
	return r == -ENOENT ? collect(false, ret, err) : r;
}

json_t *
sysinfo_part(const json_t *sysinfo)
{
	json_t *part = json_object();

	for (const struct prop *p = properties; p->name; p++) {
		if (p->source != SRC_SYSINFO || !p->key)
			continue;
		json_t *v = json_object_get(sysinfo, p->key);
		if (v)
			json_put(part, p->name, json_incref(v));
	}
	return part;
}
