typedef int vmnode_host_zone_dir;
