/* start.c */
typedef int vmnode_ops_start;
