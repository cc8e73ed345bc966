/* vminfo.c */
typedef int vmnode_client_vminfo;
