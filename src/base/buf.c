/* buf.c */
typedef int vmnode_base_buf;
