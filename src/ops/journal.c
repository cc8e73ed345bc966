/* journal.c */
typedef int vmnode_ops_journal;
