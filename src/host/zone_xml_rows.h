/* Where the rows of the property table are in the XML of a zone; shared by the reader (zone_xml.c)
 * and the writer (zone_xml_write.c). */
#ifndef HOST_ZONE_XML_ROWS_H
#define HOST_ZONE_XML_ROWS_H

#include <jansson.h>
#include <stdbool.h>

#include "host/xml_tree.h"
#include "vm/properties.h"

/* The value of each row, indexed as in `properties`; NULL: not in the file. Array elements are in
 * document order. Owned by the caller. */
json_t **zone_xml_values(const struct xml_node *root);
void zone_xml_values_free(json_t **values);
DEFINE_AUTO(zone_xml_values, json_t **, zone_xml_values_free)

/* The element is one of the array that row `p` (XML_NETWORK, XML_DEVICE) describes. */
bool zone_xml_is_element_of(const struct xml_node *n, const struct prop *p);
const char *zone_xml_element_name(const struct prop *p); /* "network", "device" */
/* The members of one such element. New reference. */
json_t *zone_xml_element_value(const struct xml_node *n, const struct prop *members);
/* <rctl-value action=> of a resource control; its privilege is always "privileged"
 * (vmobject-load.md 4.3). */
const char *zone_xml_rctl_action(const char *rctl);
bool zone_xml_is_rctl_value(const struct xml_node *n, const char *rctl);

#endif
