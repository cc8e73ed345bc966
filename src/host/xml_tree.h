/* A small XML tree that keeps everything (elements, attributes, text, comments, document type) in order: reading and writing again is
 * the identity, so unknown parts of a zone file survive our edits. expat reads (no external entities), ~60 lines write. */
#ifndef HOST_XML_TREE_H
#define HOST_XML_TREE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

enum xml_kind { XML_NODE_ELEMENT, XML_NODE_TEXT, XML_NODE_COMMENT, XML_NODE_PI };

struct xml_attr {
	char *name, *value; /* owned */
};
struct xml_node {
	enum xml_kind kind;
	char *name;  /* element or target; owned */
	char *text;  /* text, comment, instruction; owned */
	struct xml_attr *attrs;
	unsigned n_attrs;
	struct xml_node **children; /* owned */
	unsigned n_children;
	int line;
};
struct xml_doc {
	char *doctype;          /* the declaration as written, NULL: none; owned */
	struct xml_node **top;  /* comments and the root element, in order; owned */
	unsigned n_top;
	struct xml_node *root;  /* borrowed from top */
};

/* err->msg has the reason; *ret_line (may be NULL) the line. Limits: 4 MiB, depth 64. Internal entity declarations are refused. */
int xml_parse(const char *text, size_t len, struct xml_doc **ret, int *ret_line, struct err *err);
void xml_write(const struct xml_doc *doc, struct buf *b);
void xml_doc_free(struct xml_doc *doc);
DEFINE_AUTO(xml_doc, struct xml_doc *, xml_doc_free)
struct xml_doc *xml_doc_new(const char *doctype, const char *root_name);

const char *xml_attr(const struct xml_node *n, const char *name); /* NULL: absent; borrowed */
void xml_set_attr(struct xml_node *n, const char *name, const char *value); /* value NULL removes */
struct xml_node *xml_add_child(struct xml_node *parent, const char *name); /* appended; indentation kept readable */
void xml_remove_child(struct xml_node *parent, struct xml_node *child);     /* with the white space before it; frees */

#endif
