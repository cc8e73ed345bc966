/* run_state.c */
typedef int vmnode_host_run_state;
