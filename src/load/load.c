/* load.c */
typedef int vmnode_load_load;
