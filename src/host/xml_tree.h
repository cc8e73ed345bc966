/* A small XML tree that keeps everything (elements, attributes, text, comments, document type) in
 * order: reading and writing again is the identity, so unknown parts of a zone file survive our
 * edits. expat reads (no external entities), ~60 lines write. Normalised by the first writing:
 * quotes of attributes become double, CDATA becomes escaped text, <a></a> becomes <a/>, white space
 * inside tags and between the parts of the prolog, comments before the document type move behind
 * it. */
#ifndef HOST_XML_TREE_H
#define HOST_XML_TREE_H

#include <stdbool.h>
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
	char *name; /* element or target; owned */
	char *text; /* text, comment, instruction; owned */
	struct xml_attr *attrs;
	unsigned n_attrs;
	struct xml_node **children; /* owned */
	unsigned n_children;
	struct xml_node *parent; /* borrowed, NULL at the top */
	int line;
};
struct xml_doc {
	char *decl;            /* "<?xml ...?>", NULL: none; owned */
	char *doctype;         /* the declaration as written, NULL: none; owned */
	struct xml_node **top; /* comments, instructions and the root element, in order; owned */
	unsigned n_top;
	struct xml_node *root; /* borrowed from top */
};

#define XML_MAX_BYTES (4u << 20)
#define XML_MAX_DEPTH 64
#define XML_MAX_NODES 131072

/* err->msg has the reason; *ret_line (may be NULL) the line. Limits: 4 MiB (-EFBIG), depth 64,
 * 131072 nodes. UTF-8 only. Declarations of entities, and references to any but the five of XML
 * itself, are refused. */
int xml_parse(const char *text, size_t len, struct xml_doc **ret, int *ret_line, struct err *err);
void xml_write(const struct xml_doc *doc, struct buf *b);
void xml_doc_free(struct xml_doc *doc);
DEFINE_AUTO(xml_doc, struct xml_doc *, xml_doc_free)
/* With an XML declaration and an empty root element. */
struct xml_doc *xml_doc_new(const char *doctype, const char *root_name);
/* A comment before the root element; `text` without "--". */
void xml_doc_add_comment(struct xml_doc *doc, const char *text);

const char *xml_attr(const struct xml_node *n, const char *name); /* NULL: absent; borrowed */
void xml_set_attr(struct xml_node *n, const char *name, const char *value); /* value NULL removes */
struct xml_node *
xml_add_child(struct xml_node *parent, const char *name); /* appended; indentation kept readable */
void xml_remove_child(
    struct xml_node *parent, struct xml_node *child); /* with the white space before it; frees */
/* XML can hold the text: UTF-8 without control characters other than tab and line ends. */
bool xml_text_valid(const char *s);

/* For the reader: a node without place, and its way into the tree. */
struct xml_node *xml_node_new(enum xml_kind kind, const char *name, const char *text);
void xml_node_free(struct xml_node *n);
void xml_append(struct xml_node *parent, struct xml_node *child);
void xml_doc_append(struct xml_doc *doc, struct xml_node *node);

#endif
