#include "io/peer.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int
peer_diag_open(struct err *err)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);

	if (fd < 0)
		return err_errno(err, -errno, "sock_diag", "cannot open the netlink socket");
	return fd;
}

struct address {
	int family;
	uint16_t port; /* network order */
	uint32_t ip[4];
};

static bool
address_from(const struct sockaddr_storage *ss, struct address *ret)
{
	const struct sockaddr_in *in4 = (const void *)ss;
	const struct sockaddr_in6 *in6 = (const void *)ss;

	memset(ret, 0, sizeof(*ret));
	ret->family = ss->ss_family;
	if (ss->ss_family == AF_INET) {
		ret->port = in4->sin_port;
		ret->ip[0] = in4->sin_addr.s_addr;
		return true;
	}
	if (ss->ss_family == AF_INET6) {
		ret->port = in6->sin6_port;
		memcpy(ret->ip, &in6->sin6_addr, sizeof(ret->ip));
		return true;
	}
	return false;
}

static bool
addresses_of(int fd, struct address *ours, struct address *theirs)
{
	struct sockaddr_storage a = { 0 }, b = { 0 };
	socklen_t alen = sizeof(a), blen = sizeof(b);

	if (getsockname(fd, (struct sockaddr *)&a, &alen) < 0 ||
	    getpeername(fd, (struct sockaddr *)&b, &blen) < 0)
		return false;
	return address_from(&a, ours) && address_from(&b, theirs);
}

struct diag_request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
};

/* Answers of an earlier question that was given up on are thrown away by their sequence number. */
static int
diag_receive(int diag_fd, uint32_t seq, struct inet_diag_msg *ret)
{
	union {
		struct nlmsghdr header;
		char bytes[2048];
	} answer;

	for (;;) {
		ssize_t n = recv(diag_fd, &answer, sizeof(answer), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!NLMSG_OK(&answer.header, (size_t)n) || answer.header.nlmsg_seq != seq)
			continue;
		if (answer.header.nlmsg_type != SOCK_DIAG_BY_FAMILY)
			return -ENOENT;
		if (answer.header.nlmsg_len < NLMSG_LENGTH(sizeof(*ret)))
			return -EPROTO;
		memcpy(ret, NLMSG_DATA(&answer.header), sizeof(*ret));
		return 0;
	}
}

/* The socket that has `theirs` as its own address and is connected to `ours`. */
static int
diag_find(int diag_fd, const struct address *ours, const struct address *theirs,
    struct inet_diag_msg *ret)
{
	static uint32_t sequence;
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct diag_request q = { 0 };

	q.header.nlmsg_len = sizeof(q);
	q.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	q.header.nlmsg_flags = NLM_F_REQUEST;
	q.header.nlmsg_seq = ++sequence;
	q.body.sdiag_family = (uint8_t)theirs->family;
	q.body.sdiag_protocol = IPPROTO_TCP;
	q.body.idiag_states = ~0u;
	q.body.id.idiag_sport = theirs->port;
	q.body.id.idiag_dport = ours->port;
	memcpy(q.body.id.idiag_src, theirs->ip, sizeof(theirs->ip));
	memcpy(q.body.id.idiag_dst, ours->ip, sizeof(ours->ip));
	q.body.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
	q.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	if (sendto(diag_fd, &q, sizeof(q), 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	return diag_receive(diag_fd, q.header.nlmsg_seq, ret);
}

static bool
is_established(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	       info.tcpi_state == TCP_ESTABLISHED;
}

static void
peer_of_tcp(int diag_fd, int fd, struct peer *ret)
{
	struct inet_diag_msg msg;
	struct address ours, theirs;

	if (!addresses_of(fd, &ours, &theirs) || diag_find(diag_fd, &ours, &theirs, &msg) < 0)
		return;
	/* A closed peer shows uid 0 and inode 0; and one that closes meanwhile could have its port
	 * used by somebody else. */
	if (msg.idiag_inode == 0 || !is_established(fd))
		return;
	ret->known = true;
	ret->uid = msg.idiag_uid;
}

static void
peer_of_unix(int fd, struct peer *ret)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || len != sizeof(cred))
		return;
	ret->known = true;
	ret->uid = cred.uid;
	ret->pid = cred.pid;
}

static int
family_of(int fd)
{
	int domain = AF_UNSPEC;
	socklen_t len = sizeof(domain);

	(void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	return domain;
}

void
peer_of(int diag_fd, int fd, struct peer *ret)
{
	int family = family_of(fd);

	*ret = (struct peer){ .uid = (uid_t)-1, .local = family == AF_UNIX };
	if (family == AF_UNIX)
		peer_of_unix(fd, ret);
	else if (family == AF_INET || family == AF_INET6)
		peer_of_tcp(diag_fd, fd, ret);
}

bool
peer_is_gone(int diag_fd, int fd)
{
	struct inet_diag_msg msg;
	struct address ours, theirs;
	int r;

	if (!addresses_of(fd, &ours, &theirs))
		return true;
	r = diag_find(diag_fd, &ours, &theirs, &msg);
	return r == -ENOENT || (r == 0 && msg.idiag_inode == 0);
}
