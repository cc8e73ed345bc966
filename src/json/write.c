/* write.c */
typedef int vmnode_json_write;
