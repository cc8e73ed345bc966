/* options.c */
typedef int vmnode_base_options;
