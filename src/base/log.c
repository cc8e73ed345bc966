/* log.c */
typedef int vmnode_base_log;
