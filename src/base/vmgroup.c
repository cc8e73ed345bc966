/* vmgroup.c */
typedef int vmnode_base_vmgroup;
