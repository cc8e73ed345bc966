#include "host/xml_tree.h"

#include <string.h>

#include "base/str.h"
#include "base/xmalloc.h"

#define INDENT "  "

/* Room for one more in an array of n: the capacity is always the power of two at or above n, 4 at
 * least. */
static void *
grow(void *array, unsigned n, size_t size)
{
	if ((n & (n - 1)) != 0)
		return array;
	return xreallocarray(array, n < 2 ? 4 : (size_t)n * 2, size);
}

struct xml_node *
xml_node_new(enum xml_kind kind, const char *name, const char *text)
{
	struct xml_node *n = xcalloc(1, sizeof(*n));

	n->kind = kind;
	n->name = xstrdup0(name);
	n->text = xstrdup0(text);
	return n;
}

void
xml_node_free(struct xml_node *n)
{
	if (!n)
		return;
	for (unsigned i = 0; i < n->n_attrs; i++) {
		free(n->attrs[i].name);
		free(n->attrs[i].value);
	}
	for (unsigned i = 0; i < n->n_children; i++)
		xml_node_free(n->children[i]);
	free(n->attrs);
	free((void *)n->children);
	free(n->name);
	free(n->text);
	free(n);
}

void
xml_doc_free(struct xml_doc *doc)
{
	if (!doc)
		return;
	for (unsigned i = 0; i < doc->n_top; i++)
		xml_node_free(doc->top[i]);
	free((void *)doc->top);
	free(doc->decl);
	free(doc->doctype);
	free(doc);
}

static void
insert_child(struct xml_node *parent, unsigned at, struct xml_node *child)
{
	parent->children = grow((void *)parent->children, parent->n_children, sizeof(child));
	memmove((void *)(parent->children + at + 1), (void *)(parent->children + at),
	    (parent->n_children - at) * sizeof(child));
	parent->children[at] = child;
	parent->n_children++;
	child->parent = parent;
}

void
xml_append(struct xml_node *parent, struct xml_node *child)
{
	insert_child(parent, parent->n_children, child);
}

void
xml_doc_append(struct xml_doc *doc, struct xml_node *node)
{
	doc->top = grow((void *)doc->top, doc->n_top, sizeof(node));
	doc->top[doc->n_top++] = node;
	if (node->kind == XML_NODE_ELEMENT)
		doc->root = node;
}

struct xml_doc *
xml_doc_new(const char *doctype, const char *root_name)
{
	struct xml_doc *doc = xcalloc(1, sizeof(*doc));

	doc->decl = xstrdup("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
	doc->doctype = xstrdup0(doctype);
	xml_doc_append(doc, xml_node_new(XML_NODE_ELEMENT, root_name, NULL));
	return doc;
}

void
xml_doc_add_comment(struct xml_doc *doc, const char *text)
{
	unsigned at = doc->n_top;

	xml_doc_append(doc, xml_node_new(XML_NODE_COMMENT, NULL, text));
	for (; at > 0 && doc->top[at - 1] != doc->root; at--)
		;
	if (at == 0)
		return;
	struct xml_node *comment = doc->top[doc->n_top - 1];
	memmove((void *)(doc->top + at), (void *)(doc->top + at - 1),
	    (doc->n_top - at) * sizeof(comment));
	doc->top[at - 1] = comment;
}

const char *
xml_attr(const struct xml_node *n, const char *name)
{
	for (unsigned i = 0; i < n->n_attrs; i++)
		if (strcmp(n->attrs[i].name, name) == 0)
			return n->attrs[i].value;
	return NULL;
}

static void
remove_attr(struct xml_node *n, unsigned at)
{
	free(n->attrs[at].name);
	free(n->attrs[at].value);
	n->n_attrs--;
	memmove(n->attrs + at, n->attrs + at + 1, (n->n_attrs - at) * sizeof(*n->attrs));
}

void
xml_set_attr(struct xml_node *n, const char *name, const char *value)
{
	for (unsigned i = 0; i < n->n_attrs; i++) {
		if (strcmp(n->attrs[i].name, name) != 0)
			continue;
		if (!value) {
			remove_attr(n, i);
			return;
		}
		char *copy = xstrdup(value);
		free(n->attrs[i].value);
		n->attrs[i].value = copy;
		return;
	}
	if (!value)
		return;
	n->attrs = grow(n->attrs, n->n_attrs, sizeof(*n->attrs));
	n->attrs[n->n_attrs++] = (struct xml_attr){ xstrdup(name), xstrdup(value) };
}

static bool
is_space(const struct xml_node *n)
{
	return n->kind == XML_NODE_TEXT && n->text[strspn(n->text, " \t\r\n")] == '\0';
}

/* Text that is more than white space: nothing may be put between, it would change the content. */
static bool
is_mixed(const struct xml_node *n)
{
	for (unsigned i = 0; i < n->n_children; i++)
		if (n->children[i]->kind == XML_NODE_TEXT && !is_space(n->children[i]))
			return true;
	return false;
}

static struct xml_node *
new_line(unsigned depth)
{
	auto_buf struct buf b = BUF_INIT;

	buf_addc(&b, '\n');
	for (unsigned i = 0; i < depth; i++)
		buf_adds(&b, INDENT);
	return xml_node_new(XML_NODE_TEXT, NULL, b.data);
}

static unsigned
depth_of(const struct xml_node *n)
{
	unsigned depth = 0;

	for (; n->parent; n = n->parent)
		depth++;
	return depth;
}

/* The white space before the first element of the parent, so that a new one looks like the others.
 */
static struct xml_node *
indentation_of(const struct xml_node *parent)
{
	for (unsigned i = 1; i < parent->n_children; i++) {
		if (parent->children[i]->kind == XML_NODE_TEXT)
			continue;
		if (!is_space(parent->children[i - 1]))
			break;
		return xml_node_new(XML_NODE_TEXT, NULL, parent->children[i - 1]->text);
	}
	return new_line(depth_of(parent) + 1);
}

struct xml_node *
xml_add_child(struct xml_node *parent, const char *name)
{
	struct xml_node *child = xml_node_new(XML_NODE_ELEMENT, name, NULL);
	unsigned n = parent->n_children;

	if (n == 0) {
		xml_append(parent, new_line(depth_of(parent) + 1));
		xml_append(parent, child);
		xml_append(parent, new_line(depth_of(parent)));
	} else if (is_space(parent->children[n - 1]) && !is_mixed(parent)) {
		struct xml_node *space = indentation_of(parent);
		insert_child(parent, n - 1, space);
		insert_child(parent, n, child);
	} else {
		xml_append(parent, child);
	}
	return child;
}

static void
drop_child(struct xml_node *parent, unsigned at)
{
	xml_node_free(parent->children[at]);
	parent->n_children--;
	memmove((void *)(parent->children + at), (void *)(parent->children + at + 1),
	    (parent->n_children - at) * sizeof(*parent->children));
}

void
xml_remove_child(struct xml_node *parent, struct xml_node *child)
{
	unsigned at = 0;

	while (at < parent->n_children && parent->children[at] != child)
		at++;
	if (at == parent->n_children)
		return;
	drop_child(parent, at);
	if (at > 0 && is_space(parent->children[at - 1]))
		drop_child(parent, at - 1);
	if (parent->n_children == 1 && is_space(parent->children[0]))
		drop_child(parent, 0);
}

bool
xml_text_valid(const char *s)
{
	if (!utf8_valid(s, strlen(s)))
		return false;
	for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
		if (*p < 0x20 && !strchr("\t\n\r", *p))
			return false;
		/* U+FFFE and U+FFFF are not characters of XML. */
		if (p[0] == 0xEF && p[1] == 0xBF && p[2] >= 0xBE)
			return false;
	}
	return true;
}

/* --- Writing --- */

/* Line ends and tabs in attributes would come back as spaces, a carriage return in text as a line
 * feed. */
static void
write_escaped(struct buf *b, const char *s, bool attribute)
{
	static const struct {
		char c;
		bool text, attribute;
		const char *escaped;
	} rows[] = {
		{ '&', true, true, "&amp;" },
		{ '<', true, true, "&lt;" },
		{ '>', true, true, "&gt;" },
		{ '"', false, true, "&quot;" },
		{ '\r', true, true, "&#13;" },
		{ '\n', false, true, "&#10;" },
		{ '\t', false, true, "&#9;" },
	};

	for (; *s; s++) {
		size_t plain = strcspn(s, "&<>\"\r\n\t");
		buf_add(b, s, plain);
		s += plain;
		if (*s == '\0')
			break;
		const char *escaped = NULL;
		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			if (rows[i].c == *s && (attribute ? rows[i].attribute : rows[i].text))
				escaped = rows[i].escaped;
		if (escaped)
			buf_adds(b, escaped);
		else
			buf_addc(b, *s);
	}
}

static void write_element(const struct xml_node *n, struct buf *b);

static void
write_node(const struct xml_node *n, struct buf *b)
{
	switch (n->kind) {
	case XML_NODE_ELEMENT:
		write_element(n, b);
		return;
	case XML_NODE_TEXT:
		write_escaped(b, n->text, false);
		return;
	case XML_NODE_COMMENT:
		buf_addf(b, "<!--%s-->", n->text);
		return;
	case XML_NODE_PI:
		buf_addf(b, *n->text ? "<?%s %s?>" : "<?%s%s?>", n->name, n->text);
		return;
	}
}

static void
write_element(const struct xml_node *n, struct buf *b)
{
	buf_addf(b, "<%s", n->name);
	for (unsigned i = 0; i < n->n_attrs; i++) {
		buf_addf(b, " %s=\"", n->attrs[i].name);
		write_escaped(b, n->attrs[i].value, true);
		buf_addc(b, '"');
	}
	if (n->n_children == 0) {
		buf_adds(b, "/>");
		return;
	}
	buf_addc(b, '>');
	for (unsigned i = 0; i < n->n_children; i++)
		write_node(n->children[i], b);
	buf_addf(b, "</%s>", n->name);
}

void
xml_write(const struct xml_doc *doc, struct buf *b)
{
	if (doc->decl)
		buf_addf(b, "%s\n", doc->decl);
	if (doc->doctype)
		buf_addf(b, "%s\n", doc->doctype);
	for (unsigned i = 0; i < doc->n_top; i++) {
		write_node(doc->top[i], b);
		buf_addc(b, '\n');
	}
}
