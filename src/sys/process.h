/*
 * Processes and what passes between them: a fork into new namespaces with a pidfd, descriptors over a
 * socket, programs run to their end.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/str.h"

/* fork, with CLONE_NEW… flags. 0 in the child; in the parent its pid, and *ret_pidfd owned. -1 and errno.
 * The caller must have one thread. */
pid_t process_fork(unsigned flags, int *ret_pidfd);
/* Waits for the child, whatever signals arrive; wait(2) status, or -1 and errno. */
int process_wait(pid_t pid);
/* Runs argv[0] (absolute) to its end with stdin and stdout from /dev/null. A status other than 0 is ERR_SYS
 * with the first line the program wrote to stderr. */
int process_run(const StrVec *argv, Err **err) _warn_unused_;

/* As many files may be open as the hard limit has it. Programs started before keep what they had. */
void process_raise_files(void);

typedef struct ProcessTalk {
	const StrVec *argv; /* argv[0] is looked for in $PATH unless it has a slash */
	Str input;          /* its stdin, a file in memory: never touches a disk */
	unsigned seconds;   /* it is killed then: ERR_TIMEOUT */
	Buf *output;        /* its stdout; past its bound the program is killed: ERR_LIMIT */
	Buf *errors;        /* its stderr; past its bound the rest is dropped */
} ProcessTalk;
/* Runs a program to its end. *ret_status as of wait(2), whatever it is. ERR_NOT_FOUND: no such program. Other threads
 * may run. */
int process_talk(const ProcessTalk *t, int *ret_status, Err **err) _warn_unused_;

/* All of the data, however often interrupted; false and errno. */
bool write_all(int fd, const void *data, size_t len);

#define FDS_MAX 8
/* One datagram with descriptors (borrowed). */
int fds_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds, Err **err)
	_warn_unused_;
/* One datagram: its length, 0 at the end, or an error. Exactly n_fds descriptors are expected, all close-on-exec
 * and owned by the caller; any other number is ERR_CORRUPT. */
ssize_t fds_receive(int sock, void *data, size_t len, int *fds, size_t n_fds, Err **err)
	_warn_unused_;
