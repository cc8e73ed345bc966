/* diff.c */
typedef int vmnode_vm_diff;
