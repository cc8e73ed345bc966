/* lock.c */
typedef int vmnode_base_lock;
