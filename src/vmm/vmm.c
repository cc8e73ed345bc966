/* vmm.c */
typedef int vmnode_vmm_vmm;
