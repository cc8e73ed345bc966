/* peer.c */
typedef int vmnode_io_peer;
