/* slices.c */
typedef int vmnode_json_slices;
