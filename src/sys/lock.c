#include "sys/lock.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cancel.h"

#define FIRST_WAIT_NSEC 250000L /* doubled six times: up to 16 ms */
#define LAST_TURN       6

static int open_lock(int dirfd, const char *path, Err **err)
{
	int fd = openat(dirfd, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (fd < 0 && (errno == EROFS || errno == EACCES)) {
		/* who may only read can still keep writers away */
		int cause = errno;
		fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		errno = cause;
	}
	return fd >= 0 ? fd : err_sys(err, "open the lock '%s'", path);
}

/* Whether the path is still the file that was locked: lock_remove may have been faster. */
static bool is_current(int dirfd, const char *path, int fd)
{
	struct stat locked, named;
	if (fstat(fd, &locked) < 0)
		return true;
	if (fstatat(dirfd, path, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return errno != ENOENT;
	return locked.st_dev == named.st_dev && locked.st_ino == named.st_ino;
}

static int take(int dirfd, const char *path, int operation, int *ret_fd, Err **err)
{
	for (;;) {
		_cleanup_close_ int fd = open_lock(dirfd, path, err);
		if (fd < 0)
			return fd;
		while (flock(fd, operation) < 0) {
			if (errno == EINTR)
				continue;
			if (errno == EWOULDBLOCK)
				return 0;
			return err_sys(err, "lock '%s'", path);
		}
		if (!is_current(dirfd, path, fd))
			continue;
		*ret_fd = TAKE_FD(fd);
		return 1;
	}
}

/* Signals end flock() only in the thread they happen to be delivered to, so nobody blocks in it. */
int lock_wait(unsigned *turn, Err **err)
{
	struct timespec pause = {.tv_nsec = FIRST_WAIT_NSEC << *turn};
	*turn += *turn < LAST_TURN;
	(void)nanosleep(&pause, NULL);
	return cancel_check(err);
}

int lock_take(int dirfd, const char *path, LockMode mode, int *ret_fd, Err **err)
{
	unsigned turn = 0;
	int r = 0;
	while (r == 0) {
		int taken = lock_try(dirfd, path, mode, ret_fd, err);
		if (taken != 0)
			return MIN(taken, 0);
		r = lock_wait(&turn, err);
	}
	return r;
}

int lock_try(int dirfd, const char *path, LockMode mode, int *ret_fd, Err **err)
{
	return take(dirfd, path, (mode == LOCK_SHARED ? LOCK_SH : LOCK_EX) | LOCK_NB, ret_fd, err);
}

int lock_remove(int dirfd, const char *path, Err **err)
{
	_cleanup_close_ int fd = -1;
	int r = lock_try(dirfd, path, LOCK_EXCLUSIVE, &fd, err);
	if (r == 1 && unlinkat(dirfd, path, 0) < 0)
		return err_sys(err, "remove the lock '%s'", path);
	return r;
}
