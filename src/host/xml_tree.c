/* xml_tree.c */
typedef int vmnode_host_xml_tree;
