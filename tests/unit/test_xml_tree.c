#include "private_root.h"

#include <errno.h>

#include "base/str.h"
#include "host/xml_tree.h"

#define DECL "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

static char *
rewrite(const char *text, size_t len)
{
	AUTO(xml_doc) struct xml_doc *doc = NULL;
	struct buf b = BUF_INIT;
	struct err err = { 0 };
	int line;

	if (xml_parse(text, len, &doc, &line, &err) < 0)
		fail_msg("line %d: %s: %.*s", line, err.msg, (int)len, text);
	xml_write(doc, &b);
	return buf_take(&b);
}

static void
what_we_write_is_read_and_written_identically(void **state)
{
	static const char *const texts[] = {
		"<zone/>\n",
		DECL "<zone/>\n",
		DECL
		"<!DOCTYPE zone PUBLIC \"-//Sun Microsystems Inc//DTD Zones//EN\" "
		"\"file:///usr/share/lib/xml/dtd/zonecfg.dtd.1\">\n<!-- c -->\n<zone name=\"x\">\n"
		"  <attr name=\"a\" type=\"string\" value=\"v\"/>\n</zone>\n",
		"<!DOCTYPE zone SYSTEM \"x.dtd\">\n<zone/>\n",
		"<!DOCTYPE zone>\n<zone/>\n",
		"<!DOCTYPE zone [<!ELEMENT zone EMPTY><!ATTLIST zone a CDATA \"d\">]>\n<zone/>\n",
		"<!DOCTYPE zone [<!-- d --><?e f?>]>\n<zone/>\n",
		"<?before x?>\n<a/>\n<?after?>\n<!-- last -->\n",
		"<a>text &amp; more &lt;b&gt; \"quoted\" &#13;end<b/>tail</a>\n",
		"<a b=\"&amp;&lt;&gt;&quot;'&#10;&#9;&#13;\"/>\n",
		"<a>\n\t<!-- one -->\n\t<?pi data?>\n\t<b><c><d/></c></b>\n</a>\n",
		"<a>\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80</a>\n",
		"<x:a xmlns:x=\"urn:x\" x:y=\"1\"/>\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		auto_free char *again = rewrite(texts[i], strlen(texts[i]));
		assert_string_equal(again, texts[i]);
	}
}

static void
foreign_forms_are_normalised_once(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "<a b='1' c = \"2\"></a>", "<a b=\"1\" c=\"2\"/>\n" },
		{ "<a><![CDATA[<&>]]></a>", "<a>&lt;&amp;&gt;</a>\n" },
		{ "<a b='\"'/>", "<a b=\"&quot;\"/>\n" },
		{ "<a>&#65;&apos;</a>", "<a>A'</a>\n" },
		{ "<a\r\n b='x\r\ny'>l1\r\nl2</a>\r\n", "<a b=\"x y\">l1\nl2</a>\n" },
		{ "<?xml version='1.0'?><!-- c --><!DOCTYPE a><a/>",
		    "<?xml version=\"1.0\"?>\n<!DOCTYPE a>\n<!-- c -->\n<a/>\n" },
		{ "\xef\xbb\xbf<a/>", "<a/>\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *first = rewrite(rows[i].in, strlen(rows[i].in));
		auto_free char *second = rewrite(first, strlen(first));
		assert_string_equal(first, rows[i].out);
		assert_string_equal(second, first);
	}
}

static void
refused_texts_name_reason_and_line(void **state)
{
	static const struct {
		const char *text, *reason;
		int line;
	} rows[] = {
		{ "", "no element", 1 },
		{ "not xml", "syntax error", 1 },
		{ "<a>\n<b>\n</a>", "mismatched tag", 3 },
		{ "<a x='1' x='2'/>", "duplicate attribute", 1 },
		{ "<a/>\n<b/>", "junk", 2 },
		{ "<a>\n&nope;</a>", "undefined entity", 2 },
		{ "<!DOCTYPE a SYSTEM 'x'>\n<a>&nope;</a>", "entity references", 2 },
		{ "<!DOCTYPE a SYSTEM 'x'>\n<a b='&nope;'/>", "entity references", 2 },
		{ "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "entity declarations", 1 },
		{ "<!DOCTYPE a [<!ENTITY l0 'lol'><!ENTITY l1 '&l0;&l0;&l0;&l0;'>]><a>&l1;</a>",
		    "entity declarations", 1 },
		{ "<!DOCTYPE a [<!ENTITY % p SYSTEM 'file:///etc/passwd'>%p;]><a/>",
		    "entity declarations", 1 },
		{ "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>",
		    "entity declarations", 1 },
		{ "<?xml version='1.0' encoding='ISO-8859-1'?><a/>", "encoding", 1 },
		{ "<a>\xff\xfe</a>", "invalid token", 1 },
		{ "<a>\x01</a>", "invalid token", 1 },
		{ "<a b='&#0;'/>", "character number", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct xml_doc *doc = NULL;
		struct err err = { 0 };
		int line = -1;
		assert_int_equal(
		    xml_parse(rows[i].text, strlen(rows[i].text), &doc, &line, &err), -EINVAL);
		assert_null(doc);
		if (!strstr(err.msg, rows[i].reason) || line != rows[i].line)
			fail_msg("%s: line %d: %s", rows[i].text, line, err.msg);
	}
}

static void
depth_size_and_number_are_limited(void **state)
{
	struct xml_doc *doc = NULL;
	auto_buf struct buf deep = BUF_INIT, large = BUF_INIT, many = BUF_INIT;
	struct err err;

	(void)state;
	for (unsigned i = 0; i < XML_MAX_DEPTH + 1; i++)
		buf_adds(&deep, "<a>");
	for (unsigned i = 0; i < XML_MAX_DEPTH + 1; i++)
		buf_adds(&deep, "</a>");
	assert_int_equal(xml_parse(deep.data, deep.len, &doc, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "deep"));
	assert_int_equal(xml_parse(deep.data + 3, deep.len - 7, &doc, NULL, &err), 0);
	xml_doc_free(doc);

	buf_adds(&many, "<a>");
	for (unsigned i = 0; i < XML_MAX_NODES; i++)
		buf_adds(&many, "<b/>");
	buf_adds(&many, "</a>");
	assert_int_equal(xml_parse(many.data, many.len, &doc, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "many"));

	while (large.len <= XML_MAX_BYTES)
		buf_adds(
		    &large, "                                                                ");
	assert_int_equal(xml_parse(large.data, large.len, &doc, NULL, &err), -EFBIG);
}

static void
new_children_are_indented_like_their_siblings(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "<a/>", "<a>\n  <n>\n    <m/>\n  </n>\n</a>\n" },
		{ "<a>\n\t<b/>\n</a>", "<a>\n\t<b/>\n\t<n>\n    <m/>\n  </n>\n</a>\n" },
		{ "<a><b/></a>", "<a><b/><n>\n    <m/>\n  </n></a>\n" },
		{ "<a>mixed <b/> \n</a>", "<a>mixed <b/> \n<n>\n    <m/>\n  </n></a>\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(xml_doc) struct xml_doc *doc = NULL;
		auto_buf struct buf b = BUF_INIT;
		assert_int_equal(xml_parse(rows[i].in, strlen(rows[i].in), &doc, NULL, NULL), 0);
		(void)xml_add_child(xml_add_child(doc->root, "n"), "m");
		xml_write(doc, &b);
		assert_string_equal(b.data, rows[i].out);
	}
}

static void
adding_and_removing_again_restores_the_text(void **state)
{
	static const char *const texts[] = { "<a/>\n", "<a>\n  <b/>\n</a>\n", "<a><b/></a>\n",
		"<a>\n  <!-- c -->\n</a>\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO(xml_doc) struct xml_doc *doc = NULL;
		auto_buf struct buf b = BUF_INIT;
		assert_int_equal(xml_parse(texts[i], strlen(texts[i]), &doc, NULL, NULL), 0);
		struct xml_node *n = xml_add_child(doc->root, "x");
		struct xml_node *m = xml_add_child(doc->root, "y");
		xml_remove_child(doc->root, n);
		xml_remove_child(doc->root, m);
		xml_write(doc, &b);
		assert_string_equal(b.data, texts[i]);
	}
}

static void
attributes_are_set_in_place_and_removed(void **state)
{
	AUTO(xml_doc) struct xml_doc *doc = xml_doc_new("<!DOCTYPE z>", "z");
	auto_buf struct buf b = BUF_INIT;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		char name[8];
		(void)snprintf(name, sizeof(name), "a%u", i);
		xml_set_attr(doc->root, name, "1");
	}
	for (unsigned i = 2; i < 20; i++) {
		char name[8];
		(void)snprintf(name, sizeof(name), "a%u", i);
		xml_set_attr(doc->root, name, NULL);
	}
	xml_set_attr(doc->root, "a0", "2");
	xml_set_attr(doc->root, "none", NULL);
	xml_doc_add_comment(doc, " c ");
	xml_write(doc, &b);
	assert_string_equal(b.data, DECL "<!DOCTYPE z>\n<!-- c -->\n<z a0=\"2\" a1=\"1\"/>\n");
	assert_null(xml_attr(doc->root, "a2"));
}

static void
text_that_xml_cannot_hold_is_known(void **state)
{
	static const struct {
		const char *text;
		bool valid;
	} rows[] = {
		{ "", true },
		{ "a\tb\nc\rd", true },
		{ "\xc3\xa4\x7f", true },
		{ "\xef\xbf\xbd", true },
		{ "\xef\xbf\xbe", false },
		{ "\xef\xbf\xbf", false },
		{ "\x01", false },
		{ "\x1f", false },
		{ "\xff", false },
		{ "\xed\xa0\x80", false },
		{ "\xef", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (xml_text_valid(rows[i].text) != rows[i].valid)
			fail_msg("row %zu", i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_we_write_is_read_and_written_identically),
		cmocka_unit_test(foreign_forms_are_normalised_once),
		cmocka_unit_test(refused_texts_name_reason_and_line),
		cmocka_unit_test(depth_size_and_number_are_limited),
		cmocka_unit_test(new_children_are_indented_like_their_siblings),
		cmocka_unit_test(adding_and_removing_again_restores_the_text),
		cmocka_unit_test(attributes_are_set_in_place_and_removed),
		cmocka_unit_test(text_that_xml_cannot_hold_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
