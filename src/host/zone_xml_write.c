/* The writer of host/zone_xml.h: edits the tree of the old file where the object differs from it,
 * so that all else stays. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/own.h"
#include "base/paths.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "host/source_err.h"
#include "host/xml_tree.h"
#include "host/zone_index.h"
#include "host/zone_xml.h"
#include "host/zone_xml_rows.h"
#include "json/json.h"

#define DOCTYPE                                                                                    \
	"<!DOCTYPE zone PUBLIC \"-//Sun Microsystems Inc//DTD Zones//EN\" "                        \
	"\"file:///usr/share/lib/xml/dtd/zonecfg.dtd.1\">"
#define COMMENT "\n    Made by vmnode. Change it with vmadm.\n"

/* --- Values --- */

/* JSON null and an empty array are "not set": neither has a text in XML. */
static const json_t *
stored_value(const json_t *v)
{
	return !v || json_is_null(v) || (json_is_array(v) && json_array_size(v) == 0) ? NULL : v;
}

/* The file says the same already, or says nothing and the row's `empty` means the same. */
static bool
is_same(const struct prop *p, const json_t *have, const json_t *want)
{
	if (!have && !want)
		return true;
	if (have && want)
		return json_equal(have, want);
	if ((p->flags & PROP_HIDE_FALSE) && json_is_false(have ? have : want))
		return true;
	if (have || !(p->flags & PROP_ALWAYS))
		return false;
	json_auto_t *empty = prop_empty(p);
	return json_equal(empty, want);
}

/* The text of a value; NULL in *ret for "not set". */
static int
text_of(const struct prop *p, const json_t *want, char **ret, struct err *err)
{
	*ret = NULL;
	if (!want)
		return 0;
	auto_free char *text = prop_to_xml(p, want);
	if (text && !xml_text_valid(text))
		return err_set(
		    err, -EINVAL, p->name, "%s has a character that cannot be stored", p->name);
	*ret = TAKE(text);
	return 0;
}

/* --- Scalars --- */

static bool
is_named(const struct xml_node *n, const char *element, const char *name)
{
	return n->kind == XML_NODE_ELEMENT && strcmp(n->name, element) == 0 &&
	       str_eq(xml_attr(n, "name"), name);
}

/* The last one, which is the one that counts. */
static struct xml_node *
find_named(const struct xml_node *parent, const char *element, const char *name)
{
	for (unsigned i = parent->n_children; i-- > 0;)
		if (is_named(parent->children[i], element, name))
			return parent->children[i];
	return NULL;
}

static struct xml_node *
need_named(struct xml_node *parent, const char *element, const char *name)
{
	struct xml_node *n = find_named(parent, element, name);

	if (!n) {
		n = xml_add_child(parent, element);
		xml_set_attr(n, "name", name);
	}
	return n;
}

static void
remove_named(struct xml_node *parent, const char *element, const char *name)
{
	struct xml_node *n;

	while ((n = find_named(parent, element, name)))
		xml_remove_child(parent, n);
}

static void
set_zone(struct xml_node *root, const struct prop *p, const char *text)
{
	xml_set_attr(root, p->key, text);
}

static void
set_attr(struct xml_node *root, const struct prop *p, const char *text)
{
	if (!text) {
		remove_named(root, "attr", p->key);
		return;
	}
	struct xml_node *n = need_named(root, "attr", p->key);
	if (!xml_attr(n, "type"))
		xml_set_attr(n, "type", p->type == PROP_BOOL ? "boolean" : "string");
	xml_set_attr(n, "value", text);
}

static struct xml_node *
find_rctl_value(const struct xml_node *rctl, const char *name)
{
	for (unsigned i = rctl->n_children; i-- > 0;)
		if (zone_xml_is_rctl_value(rctl->children[i], name))
			return rctl->children[i];
	return NULL;
}

static bool
has_elements(const struct xml_node *n)
{
	for (unsigned i = 0; i < n->n_children; i++)
		if (n->children[i]->kind == XML_NODE_ELEMENT)
			return true;
	return false;
}

/* A control may have values of other privileges, which are not ours. */
static void
remove_rctl(struct xml_node *root, const char *name)
{
	struct xml_node *value;

	for (unsigned i = root->n_children; i-- > 0;) {
		struct xml_node *rctl = root->children[i];
		if (!is_named(rctl, "rctl", name))
			continue;
		while ((value = find_rctl_value(rctl, name)))
			xml_remove_child(rctl, value);
		if (!has_elements(rctl))
			xml_remove_child(root, rctl);
		/* White space before it may have gone too. */
		if (i > root->n_children)
			i = root->n_children;
	}
}

static void
set_rctl(struct xml_node *root, const struct prop *p, const char *text)
{
	if (!text) {
		remove_rctl(root, p->key);
		return;
	}
	struct xml_node *value = NULL;
	for (unsigned i = root->n_children; !value && i-- > 0;)
		if (is_named(root->children[i], "rctl", p->key))
			value = find_rctl_value(root->children[i], p->key);
	if (!value) {
		value = xml_add_child(need_named(root, "rctl", p->key), "rctl-value");
		xml_set_attr(value, "priv", "privileged");
		xml_set_attr(value, "limit", text);
		xml_set_attr(value, "action", zone_xml_rctl_action(p->key));
	}
	xml_set_attr(value, "limit", text);
}

static void
set_self(struct xml_node *element, const struct prop *p, const char *text)
{
	xml_set_attr(element, p->key, text);
}

static void
set_net_attr(struct xml_node *element, const struct prop *p, const char *text)
{
	if (text)
		xml_set_attr(need_named(element, "net-attr", p->key), "value", text);
	else
		remove_named(element, "net-attr", p->key);
}

typedef void set_fn(struct xml_node *parent, const struct prop *p, const char *text);
static set_fn *const setters[] = {
	[XML_ZONE] = set_zone,
	[XML_ATTR] = set_attr,
	[XML_RCTL] = set_rctl,
	[XML_SELF] = set_self,
	[XML_NET_ATTR] = set_net_attr,
};

/* 1: changed, 0: it was so already. */
static int
sync_value(struct xml_node *parent, const struct prop *p, const json_t *have, const json_t *want,
    struct err *err)
{
	auto_free char *text = NULL;

	have = stored_value(have);
	want = stored_value(want);
	if (p->xml >= ARRAY_LEN(setters) || !setters[p->xml] || is_same(p, have, want))
		return 0;
	int r = text_of(p, want, &text, err);
	if (r < 0)
		return r;
	setters[p->xml](parent, p, text);
	return 1;
}

/* --- Arrays --- */

static int
sync_members(struct xml_node *element, const struct prop *row, const json_t *want, struct err *err)
{
	json_auto_t *have = zone_xml_element_value(element, row->members);
	int changed = 0;

	for (const struct prop *m = row->members; m->name; m++) {
		int r = sync_value(element, m, json_object_get(have, m->name),
		    json_object_get(want, m->name), err);
		if (r < 0)
			return r;
		changed |= r;
	}
	return changed;
}

/* The first element of the array, not yet taken, of the same identity. -1: none. */
static ssize_t
find_element(const json_t *array, const bool *taken, const char *identity, const json_t *value)
{
	const json_t *id = json_object_get(value, identity);
	size_t i;
	const json_t *v;

	json_array_foreach (array, i, v) {
		const json_t *other = json_object_get(v, identity);
		if (!taken[i] && (id == other || (id && other && json_equal(id, other))))
			return (ssize_t)i;
	}
	return -1;
}

/* Elements of the file: those still wanted are edited where they are, the others removed. */
static int
sync_old_elements(
    struct xml_node *root, const struct prop *p, const json_t *want, bool *taken, struct err *err)
{
	int changed = 0;

	for (unsigned i = 0; i < root->n_children; i++) {
		struct xml_node *n = root->children[i];
		if (!zone_xml_is_element_of(n, p))
			continue;
		json_auto_t *have = zone_xml_element_value(n, p->members);
		ssize_t at = find_element(want, taken, p->identity, have);
		if (at < 0) {
			unsigned before = root->n_children;
			xml_remove_child(root, n);
			changed = 1;
			/* Continue behind it: the element and maybe white space before it are gone.
			 */
			unsigned gone = before - root->n_children;
			i = i + 1 >= gone ? i - gone : (unsigned)-1;
			continue;
		}
		taken[at] = true;
		int r = sync_members(n, p, json_array_get(want, (size_t)at), err);
		if (r < 0)
			return r;
		changed |= r;
	}
	return changed;
}

static int
sync_array(struct xml_node *root, const struct prop *p, const json_t *want, struct err *err)
{
	size_t n = json_array_size(want), i;
	auto_free bool *taken = xcalloc(n + 1, sizeof(*taken));
	const json_t *v;

	if (want && !json_is_array(want) && !json_is_null(want))
		return err_set(err, -EINVAL, p->name, "%s must be an array", p->name);
	int changed = sync_old_elements(root, p, want, taken, err);
	if (changed < 0)
		return changed;
	json_array_foreach (want, i, v) {
		if (taken[i])
			continue;
		int r = sync_members(xml_add_child(root, zone_xml_element_name(p)), p, v, err);
		if (r < 0)
			return r;
		changed = 1;
	}
	return changed;
}

/* --- Files --- */

/* Without these there is no zone: an object that does not have them says nothing about them. */
static bool
is_kept(const struct prop *p)
{
	return p->xml == XML_ZONE && (strcmp(p->key, "name") == 0 || strcmp(p->key, "brand") == 0);
}

static int
sync_zone(struct xml_node *root, const json_t *obj, struct err *err)
{
	AUTO(zone_xml_values) json_t **have = zone_xml_values(root);
	int changed = 0;

	for (unsigned i = 0; i < properties_len; i++) {
		const struct prop *p = &properties[i];
		const json_t *want = json_object_get(obj, p->name);
		if (p->source != SRC_XML || (!want && is_kept(p)))
			continue;
		int r = p->xml == XML_NETWORK || p->xml == XML_DEVICE
		            ? sync_array(root, p, want, err)
		            : sync_value(root, p, have[i], want, err);
		if (r < 0)
			return r;
		changed |= r;
	}
	return changed;
}

/* The attributes that every zone has, whatever the table says. */
static int
new_zone(const json_t *obj, struct xml_doc **ret, struct err *err)
{
	const char *name = json_member_str(obj, "zonename"), *brand = json_member_str(obj, "brand");
	const char *zonepath = json_member_str(obj, "zonepath");

	name = name ? name : json_member_str(obj, "uuid");
	if (!name || !brand || !*brand)
		return err_set(
		    err, -EINVAL, name ? "brand" : "uuid", "a zone needs a uuid and a brand");
	auto_free char *path = zonepath ? xstrdup(zonepath) : xasprintf(PATH_POOL_ROOT "/%s", name);
	if (!xml_text_valid(name) || !xml_text_valid(brand) || !xml_text_valid(path))
		return err_set(err, -EINVAL, "zonename",
		    "zonename, zonepath or brand has a character that cannot be stored");
	struct xml_doc *doc = xml_doc_new(DOCTYPE, "zone");
	xml_doc_add_comment(doc, COMMENT);
	xml_set_attr(doc->root, "name", name);
	xml_set_attr(doc->root, "zonepath", path);
	xml_set_attr(doc->root, "autoboot", "false");
	xml_set_attr(doc->root, "brand", brand);
	*ret = doc;
	return 0;
}

/* 1: *ret is the new text; 0: nothing to change, *ret is untouched. */
static int
render(const char *old, size_t old_len, const json_t *obj, struct buf *ret, struct err *err)
{
	AUTO(xml_doc) struct xml_doc *doc = NULL;
	auto_buf struct buf text = BUF_INIT;
	int r = old ? xml_parse(old, old_len, &doc, NULL, err) : new_zone(obj, &doc, err);

	if (r < 0)
		return r;
	if (strcmp(doc->root->name, "zone") != 0)
		return err_set(
		    err, -EINVAL, NULL, "the root element is <%s>, not <zone>", doc->root->name);
	r = sync_zone(doc->root, obj, err);
	if (r < 0 || (r == 0 && old))
		return r;
	xml_write(doc, &text);
	if (text.len > XML_MAX_BYTES)
		return err_set(err, -EFBIG, NULL, "the zone file would be larger than %u bytes",
		    XML_MAX_BYTES);
	buf_add(ret, text.data, text.len);
	return 1;
}

int
zone_xml_render(
    const char *old, size_t old_len, const json_t *obj, struct buf *ret, struct err *err)
{
	int r = render(old, old_len, obj, ret, err);

	if (r == 0)
		buf_add(ret, old, old_len);
	return r < 0 ? r : 0;
}

int
zone_xml_save(const char *uuid, const json_t *obj, struct err *err)
{
	auto_free char *path = zone_xml_path(uuid);
	auto_free char *host = path_host(path);
	struct fs_owner owner = own_of(OWN_CONFIG_FILE, (uid_t)-1);
	auto_buf struct buf old = BUF_INIT;
	auto_buf struct buf text = BUF_INIT;

	if (!uuid_valid(uuid))
		return err_set(err, -EINVAL, "uuid", "\"%s\" is not a uuid", uuid);
	auto_close int lock = zone_index_lock(err);
	if (lock < 0)
		return lock;
	int r = fs_read(host, XML_MAX_BYTES, &old, NULL, err);
	if (r < 0 && r != -ENOENT)
		return r;
	r = render(r == 0 ? str_or_empty(old.data) : NULL, old.len, obj, &text, err);
	if (r <= 0)
		return r;
	return fs_replace(host, text.data, text.len, &owner, err);
}

int
zone_xml_remove(const char *uuid, struct err *err)
{
	auto_free char *path = zone_xml_path(uuid);
	auto_free char *host = path_host(path);

	if (!uuid_valid(uuid))
		return err_set(err, -EINVAL, "uuid", "\"%s\" is not a uuid", uuid);
	auto_close int lock = zone_index_lock(err);
	if (lock < 0)
		return lock;
	return fs_unlink_replaced(host, err);
}

int
zone_xml_touch(const char *uuid, struct err *err)
{
	auto_free char *path = zone_xml_path(uuid);
	auto_free char *host = path_host(path);

	if (utimensat(AT_FDCWD, host, NULL, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(err, -errno, path, "the time stamps of %s cannot be set", path);
	return 0;
}
