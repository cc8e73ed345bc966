/* validate.c */
typedef int vmnode_vm_validate;
