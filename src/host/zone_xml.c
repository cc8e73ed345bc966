/* zone_xml.c */
typedef int vmnode_host_zone_xml;
