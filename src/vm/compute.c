/* Members that are not a plain copy from their source. */
#include "vm/compute.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/paths.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "vm/text.h"
#include "json/json.h"

#define MIB_BYTES 1048576.0
#define GIB_BYTES 1073741824.0

static json_t *
text_or_null(const char *s)
{
	return s ? text_json(s, strlen(s)) : NULL;
}

json_t *
compute_zonename(const struct prop *p, const struct vm_sources *s, const json_t *obj)
{
	const char *name = json_member_str(s->part[SRC_INDEX], p->name);

	if (!name)
		name = json_member_str(s->part[SRC_XML], p->name);
	return text_or_null(name ? name : s->uuid);
}

json_t *
compute_uuid(const struct prop *p, const struct vm_sources *s, const json_t *obj)
{
	return text_or_null(s->uuid);
}

json_t *
compute_zone_state(const struct prop *p, const struct vm_sources *s, const json_t *obj)
{
	const char *running = json_member_str(s->part[SRC_RUN], p->name);

	if (running)
		return text_or_null(running);
	return json_string(zone_state_names[s->has_row ? s->row_state : ZONE_CONFIGURED]);
}

json_t *
compute_zonepath(const struct prop *p, const struct vm_sources *s, const json_t *obj)
{
	const char *path = json_member_str(s->part[SRC_INDEX], p->name);
	auto_free char *usual = path ? NULL : xasprintf("%s/%s", PATH_POOL_ROOT, s->uuid);

	return text_or_null(path ? path : usual);
}

static enum brand
brand_in(const json_t *obj)
{
	return brand_of(json_member_str(obj, "brand"));
}

json_t *
compute_hvm(const struct prop *p, const struct vm_sources *s, const json_t *obj)
{
	return json_boolean(brands[brand_in(obj)].hvm);
}

json_t *
compute_type(const struct prop *p, const struct vm_sources *s, const json_t *obj)
{
	return json_string(brands[brand_in(obj)].type);
}

/* The three parts of "<state>:<target>:<expiry>", or NULL unless there are exactly three.
 * Right-trimmed. */
static char **
transition_parts(const struct vm_sources *s)
{
	const char *text = json_member_str(s->part[SRC_XML], "transition");
	auto_free char *trimmed = NULL;
	char **parts;
	size_t len;

	if (!text)
		return NULL;
	len = strlen(text);
	while (len > 0 && strchr(" \t\r\n", text[len - 1]))
		len--;
	trimmed = xstrndup(text, len);
	parts = strv_split(trimmed, ':');
	if (strv_len(parts) == 3)
		return parts;
	strv_free(parts);
	return NULL;
}

json_t *
compute_transition(const struct prop *p, const struct vm_sources *s, const json_t *obj)
{
	auto_strv char **parts = transition_parts(s);

	return parts ? NULL : json_incref(json_object_get(s->part[SRC_XML], p->name));
}

json_t *
compute_transition_to(const struct prop *p, const struct vm_sources *s, const json_t *obj)
{
	auto_strv char **parts = transition_parts(s);

	return parts ? text_or_null(parts[1]) : NULL;
}

json_t *
compute_transition_expire(const struct prop *p, const struct vm_sources *s, const json_t *obj)
{
	auto_strv char **parts = transition_parts(s);

	return parts ? text_number(parts[2]) : NULL;
}

json_t *
compute_state(const struct prop *p, const struct vm_sources *s, const json_t *obj)
{
	auto_strv char **parts = transition_parts(s);
	json_auto_t *with_transition = NULL;

	if (!parts)
		return text_or_null(vm_state_of(obj));
	with_transition = json_copy((json_t *)(uintptr_t)obj);
	json_object_set_new(with_transition, "transition_to", text_or_null(parts[1]));
	json_object_set_new(with_transition, "state", text_or_null(parts[0]));
	return text_or_null(vm_state_of(with_transition));
}

json_t *
compute_exit(const struct prop *p, const struct vm_sources *s, const json_t *obj)
{
	const char *exited = json_member_str(s->part[SRC_EXIT], "exit_timestamp");
	const char *booted = json_member_str(s->part[SRC_RUN], "boot_timestamp");

	if (str_eq(json_member_str(obj, "zone_state"), zone_state_names[ZONE_RUNNING]))
		return NULL;
	/* While a VM is being torn down its own exit may not be written yet; an older one is not
	 * it. */
	if (exited && booted && strcmp(exited, booted) < 0)
		return NULL;
	return json_incref(json_object_get(s->part[SRC_EXIT], p->name));
}

/* --- Arrays --- */

struct ordered {
	json_t *element; /* owned until it is in the result */
	int64_t order;
	size_t index;
};

static int
compare_ordered(const void *va, const void *vb)
{
	const struct ordered *a = va, *b = vb;

	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

/* The known members in the order of the table: the diff compares the text of elements. */
static json_t *
element_in_order(const struct prop *p, const json_t *element)
{
	json_t *out = json_object();

	for (const struct prop *m = p->members; m->name; m++) {
		json_t *value = json_object_get(element, m->name);

		if (value)
			json_object_set(out, m->name, value);
	}
	return out;
}

json_t *
compute_array(const struct prop *p, const struct vm_sources *s, const json_t *obj)
{
	const json_t *source = json_object_get(s->part[p->source], p->name), *element;
	size_t n = json_array_size(source), i;
	auto_free struct ordered *sorted = NULL;
	json_t *out;

	if (!source)
		return NULL;
	sorted = xcalloc(n + 1, sizeof(*sorted));
	json_array_foreach (source, i, element) {
		sorted[i] = (struct ordered){ element_in_order(p, element), p->order(element), i };
	}
	qsort(sorted, n, sizeof(*sorted), compare_ordered);
	out = json_array();
	for (i = 0; i < n; i++)
		json_array_append_new(out, sorted[i].element);
	return out;
}

static char *
pool_of(const struct dataset *d)
{
	return xstrndup(d->name, strcspn(d->name, "/"));
}

/* What the volume behind a disk says; `missing` without one. */
static void
add_volume_facts(json_t *disk, const struct dataset *volume)
{
	auto_free char *pool = NULL;

	if (!volume) {
		json_put_bool(disk, "missing", true);
		return;
	}
	pool = pool_of(volume);
	json_put(disk, "zfs_filesystem", text_or_null(volume->name));
	json_put(disk, "zpool", text_or_null(pool));
	json_put(disk, "size", json_number((double)volume->volsize / MIB_BYTES));
	json_put(
	    disk, "compression", text_or_null(volume->compression ? volume->compression : "off"));
	json_put(
	    disk, "refreservation", json_number(ceil((double)volume->refreservation / MIB_BYTES)));
	json_put_int(disk, "block_size", volume->block_size);
}

json_t *
compute_disks(const struct prop *p, const struct vm_sources *s, const json_t *obj)
{
	json_t *disks = compute_array(p, s, obj), *disk;
	size_t i;

	if (!disks)
		return brands[brand_in(obj)].disk_models ? json_array() : NULL;
	json_array_foreach (disks, i, disk) {
		const char *path = json_member_str(disk, p->identity);

		if (path)
			add_volume_facts(disk, s->volume ? s->volume(s->volume_arg, path) : NULL);
	}
	return disks;
}

/* --- The root dataset --- */

json_t *
compute_zfs_filesystem(const struct prop *p, const struct vm_sources *s, const json_t *obj)
{
	return s->root ? text_or_null(s->root->name) : NULL;
}

json_t *
compute_zpool(const struct prop *p, const struct vm_sources *s, const json_t *obj)
{
	auto_free char *pool = s->root ? pool_of(s->root) : NULL;

	return text_or_null(pool);
}

json_t *
compute_quota(const struct prop *p, const struct vm_sources *s, const json_t *obj)
{
	return s->root ? json_number((double)s->root->quota / GIB_BYTES) : NULL;
}
