/* qemu.c */
typedef int vmnode_vmm_qemu;
