/* conf.c */
typedef int vmnode_base_conf;
