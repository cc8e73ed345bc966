/* inotify.c */
typedef int vmnode_io_inotify;
