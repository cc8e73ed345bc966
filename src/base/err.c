/* err.c */
typedef int vmnode_base_err;
