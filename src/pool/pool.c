/* pool.c */
typedef int vmnode_pool_pool;
