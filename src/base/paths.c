/* paths.c */
typedef int vmnode_base_paths;
