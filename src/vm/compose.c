/* compose.c */
typedef int vmnode_vm_compose;
