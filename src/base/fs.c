/* fs.c */
typedef int vmnode_base_fs;
