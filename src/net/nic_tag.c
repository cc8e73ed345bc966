/* nic_tag.c */
typedef int vmnode_net_nic_tag;
