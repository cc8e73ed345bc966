/* accel.c */
typedef int vmnode_vmm_accel;
