#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "unit.h"

#include "base/cleanup.h"
#include "io/peer.h"

/* A connected pair over TCP on the loopback address: [0] the server's end, [1] the client's. */
static void
tcp_pair(int family, int ret[2])
{
	struct sockaddr_in in4 = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_storage name;
	struct sockaddr *addr = family == AF_INET ? (void *)&in4 : (void *)&in6;
	socklen_t len = family == AF_INET ? sizeof(in4) : sizeof(in6), name_len = sizeof(name);
	auto_close int listener = socket(family, SOCK_STREAM, 0);

	assert_int_equal(bind(listener, addr, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (void *)&name, &name_len), 0);
	ret[1] = socket(family, SOCK_STREAM, 0);
	assert_int_equal(connect(ret[1], (void *)&name, name_len), 0);
	ret[0] = accept(listener, NULL, NULL);
	assert_true(ret[0] >= 0);
}

static int
diag(void)
{
	int fd = peer_diag_open(NULL);

	assert_true(fd >= 0);
	return fd;
}

static void
unix_peer_is_named_by_the_kernel(void **state)
{
	int pair[2];
	struct peer p;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	peer_of(-1, pair[0], &p);
	assert_true(p.known && p.local);
	assert_int_equal(p.uid, getuid());
	assert_int_equal(p.pid, getpid());
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void
tcp_peer_is_the_owner_of_its_socket(int family)
{
	auto_close int diag_fd = diag();
	int pair[2];
	struct peer p;

	tcp_pair(family, pair);
	peer_of(diag_fd, pair[0], &p);
	assert_true(p.known);
	assert_false(p.local);
	assert_int_equal(p.uid, getuid());
	assert_false(peer_is_gone(diag_fd, pair[0]));
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void
tcp_peer_over_ipv4(void **state)
{
	(void)state;
	tcp_peer_is_the_owner_of_its_socket(AF_INET);
}

static void
tcp_peer_over_ipv6(void **state)
{
	auto_close int fd = socket(AF_INET6, SOCK_STREAM, 0);
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	(void)state;
	if (fd < 0 || bind(fd, (void *)&in6, sizeof(in6)) < 0)
		skip(); /* a host without IPv6 */
	tcp_peer_is_the_owner_of_its_socket(AF_INET6);
}

static void
closed_tcp_peer_is_nobody_and_gone(void **state)
{
	auto_close int diag_fd = diag();
	int pair[2];
	struct peer p;

	(void)state;
	tcp_pair(AF_INET, pair);
	(void)close(pair[1]);
	peer_of(diag_fd, pair[0], &p);
	assert_false(p.known);
	assert_int_equal(p.uid, (uid_t)-1);
	assert_true(peer_is_gone(diag_fd, pair[0]));
	(void)close(pair[0]);
}

static void
half_closed_tcp_peer_is_still_there(void **state)
{
	auto_close int diag_fd = diag();
	int pair[2];

	(void)state;
	tcp_pair(AF_INET, pair);
	(void)shutdown(pair[1], SHUT_WR);
	assert_false(peer_is_gone(diag_fd, pair[0]));
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void
what_is_no_socket_has_no_peer(void **state)
{
	int fds[2];
	struct peer p;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	peer_of(-1, fds[0], &p);
	assert_false(p.known);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unix_peer_is_named_by_the_kernel),
		cmocka_unit_test(tcp_peer_over_ipv4),
		cmocka_unit_test(tcp_peer_over_ipv6),
		cmocka_unit_test(closed_tcp_peer_is_nobody_and_gone),
		cmocka_unit_test(half_closed_tcp_peer_is_still_there),
		cmocka_unit_test(what_is_no_socket_has_no_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
