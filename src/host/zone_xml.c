#include "host/zone_xml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/paths.h"
#include "base/str.h"
#include "base/xmalloc.h"
#include "host/source_err.h"
#include "host/xml_tree.h"
#include "host/zone_xml_rows.h"
#include "vm/brand.h"
#include "json/json.h"

char *
zone_xml_path(const char *uuid)
{
	return xasprintf(PATH_ZONES_ETC "/%s.xml", uuid);
}

/* --- From elements to rows --- */

/* Rows by their key, made once: zones have hundreds of elements and hosts thousands of zones. */
struct key_index {
	const struct prop **rows; /* sorted by kind and key */
	unsigned n;
};

static int
compare_key(enum prop_xml kind, const char *key, const struct prop *p)
{
	if (kind != p->xml)
		return kind < p->xml ? -1 : 1;
	return strcmp(key, p->key);
}

static int
compare_rows(const void *a, const void *b)
{
	const struct prop *const *x = a, *const *y = b;

	return compare_key((*x)->xml, (*x)->key, *y);
}

static const struct key_index *
key_index(void)
{
	static struct key_index ix;

	if (ix.rows)
		return &ix;
	const struct prop **rows = xcalloc(properties_len + 1, sizeof(*rows));
	for (const struct prop *p = properties; p->name; p++)
		if (p->source == SRC_XML && p->key)
			rows[ix.n++] = p;
	qsort((void *)rows, ix.n, sizeof(*rows), compare_rows);
	ix.rows = rows;
	return &ix;
}

static const struct prop *
row_of(enum prop_xml kind, const char *key)
{
	const struct key_index *ix = key_index();
	unsigned low = 0, high = ix->n;

	while (key && low < high) {
		unsigned middle = low + (high - low) / 2;
		int c = compare_key(kind, key, ix->rows[middle]);
		if (c == 0)
			return ix->rows[middle];
		if (c < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* A later duplicate takes the place of an earlier one. */
static void
put_value(json_t **values, const struct prop *p, const char *text)
{
	if (!p || !text)
		return;
	json_decref(values[p - properties]);
	values[p - properties] = prop_from_xml(p, text);
}

const char *
zone_xml_rctl_action(const char *rctl)
{
	static const char *const without_action[] = { "zone.cpu-shares", "zone.zfs-io-priority",
		NULL };

	return str_in(rctl, without_action) ? "none" : "deny";
}

bool
zone_xml_is_rctl_value(const struct xml_node *n, const char *rctl)
{
	return n->kind == XML_NODE_ELEMENT && str_eq(n->name, "rctl-value") &&
	       str_eq(xml_attr(n, "priv"), "privileged") &&
	       str_eq(xml_attr(n, "action"), zone_xml_rctl_action(rctl));
}

static void
read_rctl(json_t **values, const struct xml_node *n)
{
	const char *name = xml_attr(n, "name");
	const struct prop *p = row_of(XML_RCTL, name);

	for (unsigned i = 0; p && i < n->n_children; i++)
		if (zone_xml_is_rctl_value(n->children[i], name))
			put_value(values, p, xml_attr(n->children[i], "limit"));
}

/* --- Arrays --- */

static const char *
net_attr(const struct xml_node *n, const char *name)
{
	for (unsigned i = n->n_children; i-- > 0;) {
		const struct xml_node *c = n->children[i];
		if (c->kind == XML_NODE_ELEMENT && strcmp(c->name, "net-attr") == 0 &&
		    str_eq(xml_attr(c, "name"), name))
			return xml_attr(c, "value");
	}
	return NULL;
}

const char *
zone_xml_element_name(const struct prop *p)
{
	return p->xml == XML_NETWORK ? "network" : "device";
}

/* Devices of model "passthru" are PCI devices, all others disks (vmobject-load.md 4.5). */
bool
zone_xml_is_element_of(const struct xml_node *n, const struct prop *p)
{
	if (n->kind != XML_NODE_ELEMENT || strcmp(n->name, zone_xml_element_name(p)) != 0)
		return false;
	return p->xml == XML_NETWORK ||
	       str_eq(net_attr(n, "model"), "passthru") == (strcmp(p->name, "pci_devices") == 0);
}

json_t *
zone_xml_element_value(const struct xml_node *n, const struct prop *members)
{
	json_t *obj = json_object();

	for (const struct prop *m = members; m->name; m++) {
		const char *text = NULL;
		if (m->xml == XML_SELF)
			text = xml_attr(n, m->key);
		else if (m->xml == XML_NET_ATTR)
			text = net_attr(n, m->key);
		if (text)
			json_put(obj, m->name, prop_from_xml(m, text));
	}
	return obj;
}

static void
read_element(json_t **values, const struct xml_node *n)
{
	for (const struct prop *p = properties; p->name; p++) {
		if (p->source != SRC_XML || (p->xml != XML_NETWORK && p->xml != XML_DEVICE) ||
		    !zone_xml_is_element_of(n, p))
			continue;
		json_t **array = &values[p - properties];
		if (!*array)
			*array = json_array();
		(void)json_array_append_new(*array, zone_xml_element_value(n, p->members));
	}
}

/* --- The whole zone --- */

json_t **
zone_xml_values(const struct xml_node *root)
{
	json_t **values = xcalloc(properties_len + 1, sizeof(json_t *));

	for (unsigned i = 0; i < root->n_attrs; i++)
		put_value(values, row_of(XML_ZONE, root->attrs[i].name), root->attrs[i].value);
	for (unsigned i = 0; i < root->n_children; i++) {
		const struct xml_node *n = root->children[i];
		if (n->kind != XML_NODE_ELEMENT)
			continue;
		if (strcmp(n->name, "attr") == 0)
			put_value(
			    values, row_of(XML_ATTR, xml_attr(n, "name")), xml_attr(n, "value"));
		else if (strcmp(n->name, "rctl") == 0)
			read_rctl(values, n);
		else if (strcmp(n->name, "network") == 0 || strcmp(n->name, "device") == 0)
			read_element(values, n);
	}
	return values;
}

void
zone_xml_values_free(json_t **values)
{
	if (!values)
		return;
	for (unsigned i = 0; i < properties_len; i++)
		json_decref(values[i]);
	free((void *)values);
}

static json_t *
object_of(const struct xml_node *root, const char *brand)
{
	AUTO(zone_xml_values) json_t **values = zone_xml_values(root);
	json_t *obj = json_object();

	for (unsigned i = 0; i < properties_len; i++)
		if (values[i])
			json_put(obj, properties[i].name, json_incref(values[i]));
	json_put_str(obj, "brand", brand);
	if (!json_object_get(obj, "zonename"))
		json_put_str(obj, "zonename", xml_attr(root, "name"));
	if (!json_object_get(obj, "nics"))
		json_put(obj, "nics", json_array());
	if (!json_object_get(obj, "disks") && brands[brand_of(brand)].hvm)
		json_put(obj, "disks", json_array());
	return obj;
}

int
zone_xml_parse(
    const char *text, size_t len, const char *what, json_t **ret, int *ret_line, struct err *err)
{
	AUTO(xml_doc) struct xml_doc *doc = NULL;
	int r = xml_parse(text, len, &doc, ret_line, err);

	if (r < 0)
		return source_err(err, r, what);
	if (ret_line)
		*ret_line = doc->root->line;
	if (strcmp(doc->root->name, "zone") != 0)
		return err_set(
		    err, -EINVAL, what, "the root element is <%s>, not <zone>", doc->root->name);
	const char *brand = xml_attr(doc->root, "brand");
	if (!brand || !*brand)
		return err_set(err, -EINVAL, what, "the zone element has no brand");
	if (ret_line)
		*ret_line = 0;
	*ret = object_of(doc->root, brand);
	return 0;
}

int
zone_xml_load(
    const char *uuid, json_t **ret, struct fs_stamp *ret_stamp, int *ret_line, struct err *err)
{
	auto_free char *path = zone_xml_path(uuid);
	auto_free char *host = path_host(path);
	auto_buf struct buf text = BUF_INIT;
	struct fs_stamp stamp = { 0 };

	if (ret_line)
		*ret_line = 0;
	int r = uuid_valid(uuid) ? fs_read(host, XML_MAX_BYTES, &text, &stamp, err)
	                         : err_set(err, -EINVAL, "uuid", "\"%s\" is not a uuid", uuid);
	if (ret_stamp)
		*ret_stamp = stamp;
	if (r < 0)
		return source_err(err, r, path);
	return zone_xml_parse(str_or_empty(text.data), text.len, path, ret, ret_line, err);
}
