/* update.c */
typedef int vmnode_ops_update;
