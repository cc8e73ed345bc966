/* http_client.c */
typedef int vmnode_io_http_client;
