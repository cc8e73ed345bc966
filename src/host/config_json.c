/* config_json.c */
typedef int vmnode_host_config_json;
