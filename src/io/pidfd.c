/* pidfd.c */
typedef int vmnode_io_pidfd;
