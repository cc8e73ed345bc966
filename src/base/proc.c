/* proc.c */
typedef int vmnode_base_proc;
