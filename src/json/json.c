/* json.c */
typedef int vmnode_json_json;
