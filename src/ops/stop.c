/* stop.c */
typedef int vmnode_ops_stop;
