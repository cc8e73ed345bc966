/*
 * Time from a change to the line about it at a client, in us, one per line.
 *
 *   bench-latency file N SOCKET FILE   replace FILE, wait for the next event line of vminfod
 *   bench-latency kill SOCKET PID...   kill -9 each process, wait for the next event line of
 * vminfod bench-latency floor-file N DIR     the floor: bare inotify read and one write of 3 KB on
 * loopback TCP bench-latency floor-kill N         the floor: bare poll of a pidfd and one write of
 * 3 KB on loopback TCP
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"

#define LINE_BYTES 3000

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

/* Read until a newline that ends an event line has come (chunk headers end in \r\n and do not
 * count). */
static void
read_line(int fd)
{
	static char data[1 << 22];
	char last = 0;

	for (;;) {
		ssize_t n = read(fd, data, sizeof(data));

		if (n <= 0)
			die("the stream ended");
		for (ssize_t i = 0; i < n; i++) {
			bool ends = data[i] == '\n' && last != '\r';

			last = data[i];
			if (ends)
				return;
		}
	}
}

static int
open_stream(const char *path)
{
	static const char request[] = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";
	int fd = fs_unix_connect_path(path);

	if (fd < 0 || write(fd, request, sizeof(request) - 1) < 0)
		die("connect");
	read_line(fd);
	return fd;
}

static void
report(int64_t began)
{
	printf("%.1f\n", (double)(clock_mono_ns() - began) / 1000);
}

/* Move a prepared file into place. */
static void
replace(const char *path, int i)
{
	char new[4096], text[64];
	int fd, n = snprintf(text, sizeof(text), "{\"n\":%d}", i);

	snprintf(new, sizeof(new), "%s.bench", path);
	fd = open(new, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write(fd, text, (size_t)n) != n || close(fd) < 0)
		die(new);
}

static void
bench_file(int n, int stream, const char *path)
{
	char new[4096];

	snprintf(new, sizeof(new), "%s.bench", path);
	for (int i = 0; i < n; i++) {
		int64_t began;

		replace(path, i);
		usleep(3000); /* longer than the flush throttle: each change starts a quiet time */
		began = clock_mono_ns();
		if (rename(new, path) < 0)
			die("rename");
		read_line(stream);
		report(began);
	}
}

/* A connected pair of loopback TCP sockets. */
static void
tcp_pair(int fds[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&a, &len) < 0)
		die("listen");
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fds[0], (struct sockaddr *)&a, sizeof(a)) < 0)
		die("connect");
	fds[1] = accept(listener, NULL, NULL);
	close(listener);
}

static void
send_line(int fd)
{
	static char line[LINE_BYTES];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	if (write(fd, line, sizeof(line)) != sizeof(line))
		die("write");
}

static void
floor_file(int n, const char *dir)
{
	char path[4096];
	int fds[2], ino = inotify_init1(IN_CLOEXEC);
	pid_t child;

	tcp_pair(fds);
	if (inotify_add_watch(ino, dir, IN_MOVED_TO) < 0)
		die(dir);
	child = fork();
	if (child == 0) {
		char events[65536];

		while (read(ino, events, sizeof(events)) > 0)
			send_line(fds[1]);
		_exit(0);
	}
	snprintf(path, sizeof(path), "%s/floor.json", dir);
	bench_file(n, fds[0], path);
	kill(child, SIGKILL);
	unlink(path);
}

static void
floor_kill(int n)
{
	for (int i = 0; i < n; i++) {
		int fds[2];
		pid_t victim = fork(), watcher;
		int64_t began;

		if (victim == 0) {
			pause();
			_exit(0);
		}
		tcp_pair(fds);
		watcher = fork();
		if (watcher == 0) {
			struct pollfd p = { .fd = (int)syscall(SYS_pidfd_open, victim, 0),
				.events = POLLIN };

			send_line(fds[1]);
			poll(&p, 1, -1);
			send_line(fds[1]);
			_exit(0);
		}
		read_line(fds[0]);
		usleep(3000);
		began = clock_mono_ns();
		kill(victim, SIGKILL);
		read_line(fds[0]);
		report(began);
		waitpid(victim, NULL, 0);
		waitpid(watcher, NULL, 0);
		close(fds[0]);
		close(fds[1]);
	}
}

static void
bench_kill(int stream, int n, char **pids)
{
	for (int i = 0; i < n; i++) {
		int64_t began;

		usleep(3000);
		began = clock_mono_ns();
		if (kill(atoi(pids[i]), SIGKILL) < 0)
			die("kill");
		read_line(stream);
		report(began);
	}
}

int
main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "file") == 0)
		bench_file(atoi(argv[2]), open_stream(argv[3]), argv[4]);
	else if (argc > 3 && strcmp(argv[1], "kill") == 0)
		bench_kill(open_stream(argv[2]), argc - 3, argv + 3);
	else if (argc == 4 && strcmp(argv[1], "floor-file") == 0)
		floor_file(atoi(argv[2]), argv[3]);
	else if (argc == 3 && strcmp(argv[1], "floor-kill") == 0)
		floor_kill(atoi(argv[2]));
	else
		return fprintf(stderr, "bench-latency: see the comment on top of latency.c\n"), 2;
	return 0;
}
