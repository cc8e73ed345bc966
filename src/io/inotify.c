#include "io/inotify.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/xmalloc.h"

#define READS_PER_TURN 16
#define READ_SIZE      16384

struct inotify {
	uv_poll_t poll;
	int fd;
	inotify_fn *fn;
	void *arg;
	bool closing;
};

static void
dispatch(struct inotify *in, const char *data, size_t len)
{
	size_t off = 0;

	while (off < len && !in->closing) {
		const struct inotify_event *ev = (const void *)(data + off);

		off += sizeof(*ev) + ev->len;
		in->fn(in->arg, ev->wd, ev->mask, ev->len > 0 ? ev->name : "");
	}
}

void
inotify_drain(struct inotify *in)
{
	_Alignas(struct inotify_event) char data[READ_SIZE];
	unsigned i;

	for (i = 0; i < READS_PER_TURN && !in->closing; i++) {
		ssize_t n = read(in->fd, data, sizeof(data));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		dispatch(in, data, (size_t)n);
	}
}

static void
on_readable(uv_poll_t *handle, int status, int events)
{
	(void)status;
	(void)events;
	inotify_drain(handle->data);
}

int
inotify_open(uv_loop_t *loop, inotify_fn *fn, void *arg, struct inotify **ret, struct err *err)
{
	auto_close int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	struct inotify *in;
	int r;

	if (fd < 0)
		return err_errno(err, -errno, "inotify",
		    "cannot watch files (limit fs.inotify.max_user_instances?)");
	in = xcalloc(1, sizeof(*in));
	in->fn = fn;
	in->arg = arg;
	r = uv_poll_init(loop, &in->poll, fd);
	if (r < 0) {
		free(in);
		return err_errno(err, r, "inotify", "cannot watch the inotify descriptor");
	}
	in->fd = take_fd(&fd);
	in->poll.data = in;
	(void)uv_poll_start(&in->poll, UV_READABLE, on_readable);
	*ret = in;
	return 0;
}

int
inotify_add(struct inotify *in, const char *path, uint32_t mask)
{
	int wd = inotify_add_watch(in->fd, path, mask | IN_ONLYDIR);

	return wd < 0 ? -errno : wd;
}

void
inotify_remove(struct inotify *in, int wd)
{
	if (wd >= 0)
		(void)inotify_rm_watch(in->fd, wd);
}

static void
on_closed(uv_handle_t *handle)
{
	struct inotify *in = handle->data;

	(void)close(in->fd);
	free(in);
}

void
inotify_close(struct inotify *in)
{
	if (!in)
		return;
	in->closing = true;
	uv_close((uv_handle_t *)&in->poll, on_closed);
}
