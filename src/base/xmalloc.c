/* xmalloc.c */
typedef int vmnode_base_xmalloc;
