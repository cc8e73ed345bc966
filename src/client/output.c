#include "client/output.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STDIO_BYTES 65536

void
output_init(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	/* More than any help: nothing is written before output_finish, which sees why it fails. */
	(void)setvbuf(stdout, NULL, _IOFBF, STDIO_BYTES);
}

int
output_write(const struct buf *text)
{
	for (size_t done = 0; done < text->len;) {
		ssize_t n = write(STDOUT_FILENO, text->data + done, text->len - done);

		if (n >= 0) {
			done += (size_t)n;
		} else if (errno == EAGAIN) {
			struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };

			(void)poll(&p, 1, -1);
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

int
output_end(const struct buf *text)
{
	int r = output_write(text);

	if (r == 0 || r == -EPIPE)
		return 0;
	(void)fprintf(stderr, "cannot write the output: %s\n", strerror(-r));
	return 1;
}

int
output_finish(int code)
{
	if (fflush(stdout) == 0 || errno == EPIPE)
		return code;
	(void)fprintf(stderr, "cannot write the output: %s\n", strerror(errno));
	return code ? code : 1;
}

bool
output_wait_gone(int fd)
{
	struct pollfd p[] = { { .fd = STDOUT_FILENO }, { .fd = fd, .events = POLLIN } };
	int r;

	do
		r = poll(p, 2, -1);
	while (r < 0 && errno == EINTR);
	return p[0].revents & (POLLERR | POLLHUP | POLLNVAL);
}
