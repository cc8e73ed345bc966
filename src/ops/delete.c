/* delete.c */
typedef int vmnode_ops_delete;
