/* dir.c */
typedef int vmnode_pool_dir;
