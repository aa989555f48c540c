#include "sys/tcp.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

bool tcp_progress(int fd, uint64_t *ret_taken, uint64_t *ret_waiting)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
		len < offsetof(struct tcp_info, tcpi_notsent_bytes) +
				sizeof(info.tcpi_notsent_bytes))
		return false;
	*ret_taken = info.tcpi_bytes_acked;
	*ret_waiting = (uint64_t)info.tcpi_notsent_bytes + info.tcpi_unacked;
	return true;
}
