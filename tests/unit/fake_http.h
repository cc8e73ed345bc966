/*
 * A server that plays a script on a Unix socket: it reads one request per step and sends the step's
 * answer. For tests of clients.
 */
#ifndef TESTS_FAKE_HTTP_H
#define TESTS_FAKE_HTTP_H

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/xmalloc.h"

enum fake_after { FAKE_KEEP, FAKE_CLOSE, FAKE_STALL };

struct fake_step {
	const char *answer;    /* NULL: none */
	enum fake_after after; /* KEEP: the connection stays for the next step; STALL: nothing more
	                          until the client leaves */
	size_t piece;          /* bytes per write; 0: all at once */
};

struct fake_http {
	char *root; /* temporary directory; the socket is root/run/vmnode/vminfod.sock */
	char *path;
	int listener;
	pthread_t thread;
	const struct fake_step *steps;
	unsigned n;
	struct buf requests; /* all of them, one behind the other */
	unsigned connections;
};

/* One request header appended to f->requests; false when the client has left. */
static inline bool
fake_read_request(struct fake_http *f, int fd)
{
	size_t from = f->requests.len;

	while (f->requests.len < from + 4 ||
	       memcmp(f->requests.data + f->requests.len - 4, "\r\n\r\n", 4) != 0) {
		char c;

		if (read(fd, &c, 1) != 1)
			return false;
		buf_addc(&f->requests, c);
	}
	return true;
}

static inline void
fake_send(int fd, const struct fake_step *s)
{
	size_t len = s->answer ? strlen(s->answer) : 0, piece = s->piece ? s->piece : len;

	for (size_t done = 0; done < len;) {
		size_t n = len - done < piece ? len - done : piece;
		ssize_t sent = send(fd, s->answer + done, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		done += (size_t)sent;
	}
}

static inline void *
fake_serve(void *arg)
{
	struct fake_http *f = arg;
	int fd = -1;

	for (unsigned i = 0; i < f->n; i++) {
		char c;

		if (fd < 0) {
			fd = accept(f->listener, NULL, NULL);
			if (fd < 0)
				return NULL;
			f->connections++;
		}
		if (!fake_read_request(f, fd)) { /* this step again, for the next connection */
			(void)close(fd);
			fd = -1;
			i--;
			continue;
		}
		fake_send(fd, &f->steps[i]);
		while (f->steps[i].after == FAKE_STALL && read(fd, &c, 1) > 0)
			;
		if (f->steps[i].after != FAKE_KEEP) {
			(void)close(fd);
			fd = -1;
		}
	}
	if (fd >= 0)
		(void)close(fd);
	return NULL;
}

/* `deep`: a root path far beyond the 107 bytes of a socket address. */
static inline void
fake_start(struct fake_http *f, const struct fake_step *steps, unsigned n, bool deep)
{
	struct fs_owner owner = { (uid_t)-1, (gid_t)-1, 0700 };
	char dir[] = "/tmp/vmnode.XXXXXX";
	char *run;

	*f = (struct fake_http){ .steps = steps, .n = n, .listener = -1 };
	assert_non_null(mkdtemp(dir));
	f->root = deep ? xasprintf("%s/%0200d", dir, 0) : xstrdup(dir);
	if (deep)
		assert_int_equal(mkdir(f->root, 0700), 0);
	run = xasprintf("%s/run/vmnode", f->root);
	assert_int_equal(fs_mkdir_p(run, &owner, NULL), 0);
	f->path = xasprintf("%s/vminfod.sock", run);
	free(run);
	f->listener = fs_unix_listen_path(f->path, 8, &owner);
	assert_true(f->listener >= 0);
	/* The script waits in accept, not in a loop. */
	assert_int_equal(fcntl(f->listener, F_SETFL, 0), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, fake_serve, f), 0);
}

/* The script is over (or is ended); what was seen can be looked at until fake_done. */
static inline void
fake_stop(struct fake_http *f)
{
	(void)shutdown(f->listener, SHUT_RDWR);
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	(void)close(f->listener);
}

static inline void
fake_done(struct fake_http *f)
{
	char *end = strchr(f->root + strlen("/tmp/"), '/');

	if (end)
		*end = '\0';
	(void)fs_remove_tree(f->root, NULL);
	free(f->root);
	free(f->path);
	buf_done(&f->requests);
}

#endif
