/* create.c */
typedef int vmnode_ops_create;
