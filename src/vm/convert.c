/* convert.c */
typedef int vmnode_vm_convert;
