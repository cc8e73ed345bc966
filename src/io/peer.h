/*
 * Who is at the other end of a local stream socket. Unix: SO_PEERCRED. TCP over loopback: the owner
 * of the peer's socket, asked of the kernel with NETLINK_SOCK_DIAG (sock_diag(7)). Whoever cannot
 * be named with certainty is nobody, never root.
 */
#ifndef IO_PEER_H
#define IO_PEER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct peer {
	bool known; /* false: the rest says nothing */
	bool local; /* over a Unix socket */
	uid_t uid;
	pid_t pid; /* Unix sockets only, else 0 */
};

/* The netlink socket that peer_of() and peer_is_gone() use for TCP. Descriptor (CLOEXEC, the caller
 * closes it) or negative errno. */
int peer_diag_open(struct err *err);

/* Cannot fail: whoever is not found is not known. */
void peer_of(int diag_fd, int fd, struct peer *ret);

/* TCP over loopback: nobody holds the peer's socket any more (it was closed, not only half-closed).
 */
bool peer_is_gone(int diag_fd, int fd);

#endif
