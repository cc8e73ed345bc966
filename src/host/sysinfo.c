/* sysinfo.c */
typedef int vmnode_host_sysinfo;
