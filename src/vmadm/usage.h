/* Usage texts, made from the table of commands. */
#ifndef VMADM_USAGE_H
#define VMADM_USAGE_H

#include <stdio.h>

#include "vmadm/vmadm.h"

/* main.c */
extern const struct command *const commands[]; /* ended by NULL; in the order of the usage text */
extern const struct option_row global_options[];
const struct command *command_find(const char *name); /* name or alias; NULL: unknown */

/*
 * The rows of the command, *ret_own of them, then all global ones; a letter that the command uses
 * itself is taken from these. Allocated.
 */
struct option_row *usage_rows(const struct command *c, unsigned *ret_own);
/* All commands. */
void usage_all(FILE *f);
/* "Usage: vmadm stop <uuid> [-F]" of one command. */
void usage_command(FILE *f, const struct command *c);
/* The same with its sentence and its options. */
void usage_help(FILE *f, const struct command *c);

#endif
