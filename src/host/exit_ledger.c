/* exit_ledger.c */
typedef int vmnode_host_exit_ledger;
