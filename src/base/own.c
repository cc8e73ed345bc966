/* own.c */
typedef int vmnode_base_own;
