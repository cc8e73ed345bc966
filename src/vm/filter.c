/* filter.c */
typedef int vmnode_vm_filter;
