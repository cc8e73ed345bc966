/* str.c */
typedef int vmnode_base_str;
