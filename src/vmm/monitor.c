/* monitor.c */
typedef int vmnode_vmm_monitor;
