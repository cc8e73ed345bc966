/* Run a command N times, one after the other, with stdout and stderr to /dev/null; print each
 * whole-process time in us. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

int
main(int argc, char **argv)
{
	posix_spawn_file_actions_t quiet;
	int n = argc > 2 ? atoi(argv[1]) : 0;

	if (n <= 0) {
		fprintf(stderr, "usage: bench-spawn N PROGRAM [ARGS...]\n");
		return 2;
	}
	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
	for (int i = 0; i < n; i++) {
		int64_t began = clock_mono_ns();
		pid_t pid;
		int status;

		if (posix_spawnp(&pid, argv[2], &quiet, NULL, argv + 2, environ) != 0 ||
		    waitpid(pid, &status, 0) != pid || status != 0) {
			fprintf(stderr, "bench-spawn: %s failed\n", argv[2]);
			return 1;
		}
		printf("%.1f\n", (double)(clock_mono_ns() - began) / 1000);
	}
	return 0;
}
