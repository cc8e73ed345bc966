/* vm_uid.c */
typedef int vmnode_host_vm_uid;
