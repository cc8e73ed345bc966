#include "io/pidfd.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/xmalloc.h"

#define EXITS_PER_TURN 256

struct pidfds {
	uv_poll_t poll;
	int epfd;
	pidfd_fn *fn;
	void *arg;
	struct watched {
		int fd; /* -1: free */
		void *who;
	} * watched; /* indexed by descriptor */
	unsigned cap;
	bool closing;
};

static void
on_exits(uv_poll_t *handle, int status, int events)
{
	struct pidfds *p = handle->data;
	unsigned i;

	(void)status;
	(void)events;
	/* One at a time: the callback may remove a process whose event would be in the same batch.
	 */
	for (i = 0; i < EXITS_PER_TURN && !p->closing; i++) {
		struct epoll_event ev;
		void *who;
		int fd;

		if (epoll_wait(p->epfd, &ev, 1, 0) != 1)
			return;
		fd = ev.data.fd;
		who = p->watched[fd].who;
		pidfds_remove(p, fd);
		p->fn(p->arg, fd, who);
	}
}

int
pidfds_open(uv_loop_t *loop, pidfd_fn *fn, void *arg, struct pidfds **ret, struct err *err)
{
	auto_close int epfd = epoll_create1(EPOLL_CLOEXEC);
	struct pidfds *p;
	int r;

	if (epfd < 0)
		return err_errno(err, -errno, "epoll", "cannot make an epoll set");
	p = xcalloc(1, sizeof(*p));
	p->fn = fn;
	p->arg = arg;
	r = uv_poll_init(loop, &p->poll, epfd);
	if (r < 0) {
		free(p);
		return err_errno(err, r, "epoll", "cannot watch the epoll set");
	}
	p->epfd = take_fd(&epfd);
	p->poll.data = p;
	(void)uv_poll_start(&p->poll, UV_READABLE, on_exits);
	*ret = p;
	return 0;
}

static void
remember(struct pidfds *p, int fd, void *who)
{
	unsigned i, cap = p->cap ? p->cap : 64;

	while (cap <= (unsigned)fd)
		cap *= 2;
	if (cap != p->cap) {
		p->watched = xreallocarray(p->watched, cap, sizeof(*p->watched));
		for (i = p->cap; i < cap; i++)
			p->watched[i] = (struct watched){ .fd = -1 };
		p->cap = cap;
	}
	p->watched[fd] = (struct watched){ .fd = fd, .who = who };
}

int
pidfds_add(struct pidfds *p, const struct proc_id *id, void *who)
{
	auto_close int fd = proc_open(id);
	struct epoll_event ev = { .events = EPOLLIN };

	if (fd < 0)
		return fd;
	ev.data.fd = fd;
	if (epoll_ctl(p->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	remember(p, fd, who);
	return take_fd(&fd);
}

void
pidfds_remove(struct pidfds *p, int fd)
{
	if (fd < 0 || (unsigned)fd >= p->cap || p->watched[fd].fd != fd)
		return;
	p->watched[fd] = (struct watched){ .fd = -1 };
	(void)epoll_ctl(p->epfd, EPOLL_CTL_DEL, fd, NULL);
	(void)close(fd);
}

static void
on_closed(uv_handle_t *handle)
{
	struct pidfds *p = handle->data;

	(void)close(p->epfd);
	free(p->watched);
	free(p);
}

void
pidfds_close(struct pidfds *p)
{
	if (!p)
		return;
	p->closing = true;
	uv_close((uv_handle_t *)&p->poll, on_closed);
}
