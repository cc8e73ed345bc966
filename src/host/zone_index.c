/* zone_index.c */
typedef int vmnode_host_zone_index;
