/* Standard output of the commands: whole texts with write(2), so that an event is out at once, and
 * a reader that left is no error. */
#ifndef CLIENT_OUTPUT_H
#define CLIENT_OUTPUT_H

#include <stdbool.h>

#include "base/buf.h"

/* Ignore SIGPIPE: a reader that left is then -EPIPE. Children started later get the default again.
 */
void output_init(void);
/* 0; -EPIPE: nobody reads any more; other negative errno. */
int output_write(const struct buf *text);
/* The same as exit code of a command: 0, also when nobody reads any more; 1 after a line on stderr.
 */
int output_end(const struct buf *text);
/* The reader has gone, as far as the kernel can tell. Waits until then or until `fd` (-1: none) is
 * readable. */
bool output_wait_gone(int fd);

/*
 * The last step of main: what was printed with stdio (help, versions) has to arrive, too. The exit
 * code, or 1 after a sentence on stderr.
 */
int output_finish(int code);

#endif
