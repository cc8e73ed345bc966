/*
 * The property table: ONE row per member of a VM object or payload. It drives validation and
 * conversion of payloads, reading and writing of the zone XML and the config files, composition,
 * list columns, filters, sort keys, redaction, the result of `validate`, completion and the manual
 * page. Adding a property is adding a row.
 *
 * Rows stand in the order in which members appear in a composed object (vmobject-load.md 23).
 */
#ifndef VM_PROPERTIES_H
#define VM_PROPERTIES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vm/brand.h"

/* Payload types (vm-properties.md 2). */
enum prop_type {
	PROP_STRING,
	PROP_INT,
	PROP_BOOL,
	PROP_UUID,
	PROP_LIST,    /* array of strings */
	PROP_MAP,     /* flat object: values are text, numbers or booleans */
	PROP_OBJECTS, /* array of objects with `members` rows */
	PROP_TIME,    /* ISO 8601 UTC, ms; never in a payload */
	PROP_JSON,    /* read-only, any JSON */
	PROP_TYPE_COUNT
};

/* Where the value comes from; the parts of struct vm_sources have the same names. */
enum prop_source {
	SRC_INDEX,  /* zone index row */
	SRC_XML,    /* zone XML */
	SRC_CONFIG, /* config/<file>.json */
	SRC_RUN,    /* run state, checked against the kernel */
	SRC_EXIT,   /* lastexited */
	SRC_FILES,  /* mtimes */
	SRC_SYSINFO,
	SRC_DATASET,  /* root dataset */
	SRC_COMPUTED, /* from the members before it */
	SRC_PAYLOAD,  /* exists in payloads only */
	SRC_COUNT
};

/*
 * Where in the zone XML (SRC_XML), or in its nested elements for rows of `members`. Reader and
 * writer (host/zone_xml) loop over the rows; they know element names, this table knows everything
 * else. With K = row->key:
 *
 *   XML_ZONE     attribute K of the root element                     prop_from_xml / prop_to_xml
 *   XML_ATTR     <attr name="K" type="string" value="..."/> below it; the last of several counts
 *   XML_RCTL     <rctl name="K"> below it; the value is `limit` of its first <rctl-value>
 *   XML_NETWORK  each <network> below it is one element of the array, made of row->members; K is
 * "network" XML_DEVICE   each <device> below it likewise; K is "device" XML_SELF     (members)
 * attribute K of that element XML_NET_ATTR (members) <net-attr name="K" value="..."/> in that
 * element
 *
 * Reading: a row whose text is absent, or for which prop_from_xml gives NULL, is left out of the
 * object. Arrays come in document order; composition sorts them. Writing: a member that is absent,
 * or for which prop_to_xml gives NULL, has its attribute or element removed. Elements of arrays are
 * matched with existing XML elements by row->identity. Whatever no row names is kept.
 */
enum prop_xml {
	XML_NONE,
	XML_ZONE,     /* attribute of the zone element */
	XML_ATTR,     /* <attr name= type= value=> */
	XML_RCTL,     /* <rctl name=><rctl-value priv= limit= action=>; key "zone.cpu-cap" */
	XML_NETWORK,  /* the array of <network> elements */
	XML_DEVICE,   /* the array of <device> elements */
	XML_SELF,     /* members: an attribute of the element itself */
	XML_NET_ATTR, /* members: <net-attr name= value=> */
};

/* Conversion between XML text and JSON value (vmobject-load.md 2). */
enum prop_conv { CONV_TEXT, CONV_BOOL, CONV_NUM, CONV_MIB, CONV_B64, CONV_LIST };

/* Effect of an update (vm-properties.md 1). */
enum prop_update {
	UPDATE_NO,   /* not updatable: dropped from the payload */
	UPDATE_META, /* informational, at once */
	UPDATE_LIVE, /* a running VM changes at once */
	UPDATE_BOOT, /* stored, effective at the next boot */
	UPDATE_VERB  /* through add_, update_, remove_, set_ verbs only */
};

enum {
	PROP_LISTABLE =
	    1 << 0, /* column, sort key and filter key; maps and arrays: their nested names */
	PROP_CREATE = 1 << 1,     /* accepted by create */
	PROP_RECEIVE = 1 << 2,    /* accepted by receive only */
	PROP_SECRET = 1 << 3,     /* hidden from other users; never logged */
	PROP_REQUIRED = 1 << 4,   /* create fails without it */
	PROP_ALWAYS = 1 << 5,     /* shown with `empty` when no source has it */
	PROP_HIDE_FALSE = 1 << 6, /* a boolean that disappears when false */
	PROP_FILTER = 1 << 7,     /* members, and maps: legal nested filter key */
	PROP_PATH = 1 << 8,       /* absolute host path of a regular file */
	PROP_KEEP_ZERO = 1 << 9,  /* 0 is a value, not "unset" */
	PROP_VIRTUAL =
	    1 << 10, /* made for list and lookup only (vm_with_virtual), never stored or served */
};

struct vm_sources;

struct prop {
	const char *name;
	enum prop_type type;
	const char *unit; /* "MiB", "GiB", "bytes" ...; NULL: none */
	unsigned brands;  /* BRAND_BIT mask on which payloads may have it */
	unsigned flags;
	enum prop_update update;
	int64_t min, max; /* PROP_INT; both 0: no limits */
	const char
	    *def; /* value that create fills in, as JSON text; PROP_TIME: "now"; NULL: none */
	const char *empty; /* PROP_ALWAYS: what is shown without a value, as JSON text */
	enum prop_source source;
	enum prop_xml xml;
	const char *key; /* name there: attr name, "metadata.json", ... */
	enum prop_conv conv;
	const char *const *values; /* PROP_STRING: legal values, NULL-terminated; NULL: any */
	/* Extra rule for a payload value of the right type. 0 or err_set(..., name, sentence). May
	 * be NULL. */
	int (*validate)(const struct prop *p, const json_t *value, struct err *err);
	/* The one spelling of a valid text value, appended to nothing: allocated. NULL: any valid
	 * text is canonical. */
	char *(*canon)(const char *text);
	/* How composition gets the value when it is not just the member of the same name in the
	 * part of `source`: a new reference, or NULL for absent. `obj` has all members of earlier
	 * rows. */
	json_t *(*compute)(const struct prop *p, const struct vm_sources *s, const json_t *obj);
	const char *needs;          /* PROP_VIRTUAL: the member it is made from */
	const char *heading;        /* list column; NULL: the name in upper case */
	int width;                  /* list column; 0: 20 */
	const struct prop *members; /* PROP_OBJECTS: rows, ended by a NULL name */
	const char *identity;       /* PROP_OBJECTS: member that names an element ("mac", "path") */
	const char *noun;           /* PROP_OBJECTS: one element in sentences ("NIC") */
	int64_t (*order)(const json_t
	        *element); /* PROP_OBJECTS: sort number of an element in composed objects */
	const char *help;  /* one sentence */
};

extern const struct prop properties[]; /* ended by a NULL name */
extern const unsigned properties_len;

const struct prop *
prop_find(const char *name); /* binary search over an index made once; NULL: unknown */
const struct prop *prop_member(const struct prop *p, const char *name);

/*
 * A field as list, filters and fields= name it: "ram", "nics.0.ip", "nics.*.ip", "tags.x". Resolved
 * against the table. Source: vmadm.md 2.3.
 */
struct prop_path {
	const struct prop *prop;
	const struct prop *member; /* arrays: row of the member, NULL if the table has none */
	int index;                 /* arrays: element, -1 for '*', -2 when there is none */
	char *key; /* maps: key; arrays: member name; owned; NULL for plain fields */
};
int prop_path_parse(const char *text, struct prop_path *ret); /* 0 or -ENOENT */
void prop_path_done(struct prop_path *p);
/* May it be a column or sort key; a filter key? */
bool prop_path_is_column(const struct prop_path *p);
bool prop_path_is_filter(const struct prop_path *p);

/* --- Conversion and rules (convert.c) --- */

/* May payloads of this brand have it: a create payload (also in elements of arrays), an update? */
bool prop_in_create(const struct prop *p, enum brand brand);
bool prop_in_update(const struct prop *p, enum brand brand);
/* What PROP_ALWAYS shows without a value; new reference. */
json_t *prop_empty(const struct prop *p);
/* Set `obj`'s member to what an unset property looks like (removed, 0, or its `empty`). */
void prop_unset(const struct prop *p, json_t *obj);

/* A payload value as its canonical JSON value (vm-properties.md 2), new reference in *ret; JSON
 * null in *ret means "unset". -EINVAL with err->what = name for a value of the wrong kind or
 * outside the limits. */
int prop_normalise(const struct prop *p, const json_t *value, json_t **ret, struct err *err);
/* The same from command line text ("ram=512"). */
int prop_from_text(const struct prop *p, const char *text, json_t **ret, struct err *err);
/* XML text to JSON value (new reference, NULL: none) and back (allocated). */
json_t *prop_from_xml(const struct prop *p, const char *text);
char *prop_to_xml(const struct prop *p, const json_t *value);

/* Is the member hidden from users who may not read everything? THE redaction rule. */
bool prop_is_secret(const char *top_level_name);

#endif
