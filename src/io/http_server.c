/* http_server.c */
typedef int vmnode_io_http_server;
