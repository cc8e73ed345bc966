/* context.c */
typedef int vmnode_ops_context;
