/* properties.c */
typedef int vmnode_vm_properties;
