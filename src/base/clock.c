/* clock.c */
typedef int vmnode_base_clock;
