/* last_exit.c */
typedef int vmnode_host_last_exit;
