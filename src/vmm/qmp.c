/* qmp.c */
typedef int vmnode_vmm_qmp;
