/* The reader of host/xml_tree.h: expat's callbacks build the tree. */
#include <errno.h>
#include <expat.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "base/xmalloc.h"
#include "host/xml_tree.h"

struct reader {
	XML_Parser parser;
	struct xml_doc *doc;
	struct xml_node *open; /* innermost open element, borrowed from doc */
	const char *input;
	struct buf text; /* character data not yet made a node */
	int text_line;
	struct buf doctype;
	bool in_doctype;
	unsigned depth, n_nodes;
	const char *refused; /* why we stopped the parser; NULL: we did not */
};

static void
refuse(struct reader *r, const char *why)
{
	if (r->refused)
		return;
	r->refused = why;
	(void)XML_StopParser(r->parser, XML_FALSE);
}

static void
place(struct reader *r, struct xml_node *n, int line)
{
	n->line = line;
	if (++r->n_nodes > XML_MAX_NODES)
		refuse(r, "too many elements");
	if (r->open)
		xml_append(r->open, n);
	else
		xml_doc_append(r->doc, n);
}

static void
flush_text(struct reader *r)
{
	if (r->text.len == 0)
		return;
	place(r, xml_node_new(XML_NODE_TEXT, NULL, r->text.data), r->text_line);
	buf_reset(&r->text);
}

static int
line_now(const struct reader *r)
{
	return (int)XML_GetCurrentLineNumber(r->parser);
}

/*
 * A reference to an entity that only the external DTD could declare is silently dropped from
 * attribute values by expat, and would be lost with the next writing; so the tag is looked at as
 * written.
 */
static bool
has_entity_reference(const char *tag, size_t len)
{
	static const char *const known[] = { "#", "amp;", "lt;", "gt;", "quot;", "apos;" };
	const char *end = tag + len;

	for (const char *p = tag; (p = memchr(p, '&', (size_t)(end - p))); p++) {
		bool found = false;
		for (size_t i = 0; i < ARRAY_LEN(known); i++) {
			size_t n = strlen(known[i]);
			found |= (size_t)(end - p) > n && memcmp(p + 1, known[i], n) == 0;
		}
		if (!found)
			return true;
	}
	return false;
}

static void
on_start(void *arg, const XML_Char *name, const XML_Char **attrs)
{
	struct reader *r = arg;

	if (r->refused)
		return;
	flush_text(r);
	if (++r->depth > XML_MAX_DEPTH) {
		refuse(r, "elements nested too deeply");
		return;
	}
	if (has_entity_reference(r->input + XML_GetCurrentByteIndex(r->parser),
	        (size_t)XML_GetCurrentByteCount(r->parser))) {
		refuse(r, "entity references are not supported");
		return;
	}
	struct xml_node *n = xml_node_new(XML_NODE_ELEMENT, name, NULL);
	/* Attributes the DTD fills in come after the specified ones and are not part of the file.
	 */
	int n_specified = XML_GetSpecifiedAttributeCount(r->parser);
	n->n_attrs = (unsigned)n_specified / 2;
	n->attrs = xcalloc(n->n_attrs < 4 ? 4 : (size_t)n->n_attrs * 2, sizeof(*n->attrs));
	for (unsigned i = 0; i < n->n_attrs; i++)
		n->attrs[i] = (struct xml_attr){ xstrdup(attrs[2 * i]), xstrdup(attrs[2 * i + 1]) };
	place(r, n, line_now(r));
	r->open = n;
}

static void
on_end(void *arg, const XML_Char *name)
{
	struct reader *r = arg;

	(void)name;
	if (r->refused)
		return;
	flush_text(r);
	r->open = r->open->parent;
	r->depth--;
}

static void
on_text(void *arg, const XML_Char *s, int len)
{
	struct reader *r = arg;

	if (r->refused)
		return;
	if (r->text.len == 0)
		r->text_line = line_now(r);
	buf_add(&r->text, s, (size_t)len);
}

static void
on_comment(void *arg, const XML_Char *text)
{
	struct reader *r = arg;

	if (r->refused)
		return;
	if (r->in_doctype) {
		buf_addf(&r->doctype, "<!--%s-->", text);
		return;
	}
	flush_text(r);
	place(r, xml_node_new(XML_NODE_COMMENT, NULL, text), line_now(r));
}

static void
on_instruction(void *arg, const XML_Char *target, const XML_Char *data)
{
	struct reader *r = arg;

	if (r->refused)
		return;
	if (r->in_doctype) {
		buf_addf(&r->doctype, "<?%s %s?>", target, data);
		return;
	}
	flush_text(r);
	place(r, xml_node_new(XML_NODE_PI, target, data), line_now(r));
}

static void
on_declaration(void *arg, const XML_Char *version, const XML_Char *encoding, int standalone)
{
	struct reader *r = arg;
	auto_buf struct buf b = BUF_INIT;

	if (encoding && strcasecmp(encoding, "UTF-8") != 0) {
		refuse(r, "the encoding is not UTF-8");
		return;
	}
	buf_addf(&b, "<?xml version=\"%s\"", version ? version : "1.0");
	if (encoding)
		buf_addf(&b, " encoding=\"%s\"", encoding);
	if (standalone >= 0)
		buf_addf(&b, " standalone=\"%s\"", standalone ? "yes" : "no");
	buf_adds(&b, "?>");
	free(r->doc->decl);
	r->doc->decl = buf_take(&b);
}

/* Everything no other handler takes; of that only the document type is kept, which arrives token by
 * token. */
static void
on_other(void *arg, const XML_Char *s, int len)
{
	struct reader *r = arg;

	if (len == 9 && memcmp(s, "<!DOCTYPE", 9) == 0 && !r->open)
		r->in_doctype = true;
	if (r->in_doctype)
		buf_add(&r->doctype, s, (size_t)len);
}

static void
on_doctype_end(void *arg)
{
	struct reader *r = arg;

	r->in_doctype = false;
	buf_addc(&r->doctype, '>');
	free(r->doc->doctype);
	r->doc->doctype = buf_take(&r->doctype);
}

static void
on_entity_declaration(void *arg, const XML_Char *name, int is_parameter, const XML_Char *value,
    int value_len, const XML_Char *base, const XML_Char *system_id, const XML_Char *public_id,
    const XML_Char *notation)
{
	(void)name, (void)is_parameter, (void)value, (void)value_len, (void)base, (void)system_id,
	    (void)public_id, (void)notation;
	refuse(arg, "entity declarations are not allowed");
}

static void
on_skipped_entity(void *arg, const XML_Char *name, int is_parameter)
{
	(void)name, (void)is_parameter;
	refuse(arg, "entity references are not supported");
}

static void
set_handlers(struct reader *r)
{
	XML_SetUserData(r->parser, r);
	XML_SetElementHandler(r->parser, on_start, on_end);
	XML_SetCharacterDataHandler(r->parser, on_text);
	XML_SetCommentHandler(r->parser, on_comment);
	XML_SetProcessingInstructionHandler(r->parser, on_instruction);
	XML_SetXmlDeclHandler(r->parser, on_declaration);
	XML_SetDefaultHandler(r->parser, on_other);
	XML_SetEndDoctypeDeclHandler(r->parser, on_doctype_end);
	XML_SetEntityDeclHandler(r->parser, on_entity_declaration);
	XML_SetSkippedEntityHandler(r->parser, on_skipped_entity);
	(void)XML_SetParamEntityParsing(r->parser, XML_PARAM_ENTITY_PARSING_NEVER);
}

static int
run(struct reader *r, const char *text, size_t len, int *ret_line, struct err *err)
{
	static const XML_Memory_Handling_Suite memory = { xmalloc, xrealloc, free };

	r->parser = XML_ParserCreate_MM("UTF-8", &memory, NULL);
	set_handlers(r);
	enum XML_Status status = XML_Parse(r->parser, text, (int)len, XML_TRUE);
	int line = line_now(r);
	enum XML_Error code = XML_GetErrorCode(r->parser);
	XML_ParserFree(r->parser);
	if (status == XML_STATUS_OK && !r->refused)
		return 0;
	if (ret_line)
		*ret_line = line;
	return err_set(err, -EINVAL, NULL, "%s",
	    r->refused ? r->refused : str_or_empty(XML_ErrorString(code)));
}

int
xml_parse(const char *text, size_t len, struct xml_doc **ret, int *ret_line, struct err *err)
{
	AUTO(xml_doc) struct xml_doc *doc = NULL;

	if (ret_line)
		*ret_line = 0;
	if (len > XML_MAX_BYTES)
		return err_set(err, -EFBIG, NULL, "larger than %u bytes", XML_MAX_BYTES);
	doc = xcalloc(1, sizeof(*doc));
	struct reader r = { .doc = doc, .input = text };
	int rc = run(&r, text, len, ret_line, err);
	buf_done(&r.text);
	buf_done(&r.doctype);
	if (rc < 0)
		return rc;
	*ret = TAKE(doc);
	return 0;
}
