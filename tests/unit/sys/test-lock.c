#include "sys/lock.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "scratch.h"
#include "sys/process.h"

#define STRANGER 54321

/* A child that holds the lock until it is let go: by the pipe's end, or killed. */
typedef struct Holder {
	pid_t pid;
	int let_go;
} Holder;

static Holder hold(LockMode mode)
{
	int ready[2], end[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(end), 0);
	Holder h = {fork(), end[1]};
	if (h.pid == 0) {
		int fd = -1;
		close(end[1]);
		if (lock_take(AT_FDCWD, "lock", mode, &fd, NULL) < 0 ||
			write(ready[1], "x", 1) != 1)
			_exit(1);
		_exit(read(end[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(end[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return h;
}

static int try_it(LockMode mode)
{
	_cleanup_close_ int fd = -1;
	_cleanup_err_ Err *err = NULL;
	int r = lock_try(AT_FDCWD, "lock", mode, &fd, &err);
	assert_null(err);
	assert_int_equal(fd >= 0, r);
	return r;
}

static void modes(void **state _unused_)
{
	static const struct {
		LockMode held, wanted;
		int taken;
	} cases[] = {
		{LOCK_SHARED, LOCK_SHARED, 1},
		{LOCK_SHARED, LOCK_EXCLUSIVE, 0},
		{LOCK_EXCLUSIVE, LOCK_SHARED, 0},
		{LOCK_EXCLUSIVE, LOCK_EXCLUSIVE, 0},
	};
	size_t files = open_files();
	for (size_t i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		Holder h = hold(cases[i / 2].held);
		assert_int_equal(try_it(cases[i / 2].wanted), cases[i / 2].taken);
		/* nothing stays behind, however the holder ends */
		if (i % 2)
			kill(h.pid, SIGKILL);
		close(h.let_go);
		int status;
		assert_int_equal(waitpid(h.pid, &status, 0), h.pid);
		assert_int_equal(try_it(LOCK_EXCLUSIVE), 1);
		/* the same between two of one process, as threads are */
		int fd = -1;
		ok(lock_take(AT_FDCWD, "lock", cases[i / 2].held, &fd, err));
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		assert_int_equal(try_it(cases[i / 2].wanted), cases[i / 2].taken);
		close(fd);
		assert_int_equal(try_it(LOCK_EXCLUSIVE), 1);
	}
	assert_text(names_in("."), "lock");
	assert_int_equal(open_files(), files);
}

static volatile sig_atomic_t ticks;

static void tick(int number _unused_)
{
	ticks++;
}

static void *let_go_later(void *h)
{
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	while (ticks < 5)
		usleep(1000);
	close(((Holder *)h)->let_go);
	return NULL;
}

/* Waits for the holder, through signals that interrupt the call. */
static void waiting(void **state _unused_)
{
	Holder h = hold(LOCK_EXCLUSIVE);
	pthread_t thread;
	int fd = -1;
	struct sigaction action = {.sa_handler = tick};
	struct itimerval each = {{0, 5000}, {0, 5000}}, never = {0};
	ticks = 0;
	assert_int_equal(pthread_create(&thread, NULL, let_go_later, &h), 0);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &each, NULL);
	ok(lock_take(AT_FDCWD, "lock", LOCK_EXCLUSIVE, &fd, err));
	setitimer(ITIMER_REAL, &never, NULL);
	assert_true(ticks >= 5);
	assert_int_equal(try_it(LOCK_SHARED), 0);
	close(fd);
	pthread_join(thread, NULL);
	assert_int_equal(process_wait(h.pid), 0);
}

static void errors(void **state _unused_)
{
	int fd = -1;
	put("file", "");
	assert_int_equal(symlink("file", "link"), 0);
	assert_int_equal(mkdir("dir", 0755), 0);
	fails(ERR_SYS, "open the lock 'none/lock': No such file",
		lock_take(AT_FDCWD, "none/lock", LOCK_SHARED, &fd, err));
	fails(ERR_SYS, "open the lock 'link'", lock_try(AT_FDCWD, "link", LOCK_SHARED, &fd, err));
	fails(ERR_SYS, "open the lock 'dir'", lock_take(AT_FDCWD, "dir", LOCK_SHARED, &fd, err));
	assert_int_equal(fd, -1);
}

/* Who may only read can still keep writers away; who may not even do that is told so. */
static void readers(void **state _unused_)
{
	put("lock", "");
	put("secret", "");
	assert_int_equal(chmod("lock", 0444), 0);
	assert_int_equal(chmod("secret", 0), 0);
	pid_t pid = fork();
	if (pid == 0) {
		int fd = -1;
		Err *err = NULL;
		if (geteuid() == 0 && setresuid(STRANGER, STRANGER, STRANGER) < 0)
			_exit(2);
		if (lock_try(AT_FDCWD, "lock", LOCK_SHARED, &fd, NULL) != 1 ||
			try_it(LOCK_EXCLUSIVE) != 0)
			_exit(3);
		int r = lock_try(AT_FDCWD, "secret", LOCK_SHARED, &fd, &err);
		_exit(r == -ERR_SYS && err->errnum == EACCES ? 0 : 4);
	}
	assert_int_equal(process_wait(pid), 0);
}

static void removing(void **state _unused_)
{
	for (LockMode mode = LOCK_SHARED; mode <= LOCK_EXCLUSIVE; mode++) {
		int fd = -1;
		assert_int_equal(lock_take(AT_FDCWD, "r", mode, &fd, NULL), 0);
		assert_int_equal(lock_remove(AT_FDCWD, "r", NULL), 0);
		assert_int_equal(faccessat(AT_FDCWD, "r", F_OK, 0), 0);
		close(fd);
		assert_int_equal(lock_remove(AT_FDCWD, "r", NULL), 1);
		assert_int_equal(faccessat(AT_FDCWD, "r", F_OK, 0), -1);
	}
}

/* Who waits for a file that is removed then must not work under the dead one. */
static void waiter_gets_the_new_file(void **state _unused_)
{
	int held = -1, fresh = -1;
	assert_int_equal(lock_take(AT_FDCWD, "w", LOCK_EXCLUSIVE, &held, NULL), 0);
	pid_t child = fork();
	if (child == 0) {
		int fd = -1;
		struct stat mine, named;
		close(held);
		bool good = lock_take(AT_FDCWD, "w", LOCK_EXCLUSIVE, &fd, NULL) == 0 &&
			fstat(fd, &mine) == 0 && fstatat(AT_FDCWD, "w", &named, 0) == 0 &&
			mine.st_ino == named.st_ino;
		_exit(good ? 0 : 1);
	}
	usleep(50000);
	assert_int_equal(unlinkat(AT_FDCWD, "w", 0), 0);
	assert_int_equal(lock_take(AT_FDCWD, "w", LOCK_EXCLUSIVE, &fresh, NULL), 0);
	close(held); /* the child wakes up with the file that is gone */
	usleep(50000);
	int status = 0;
	assert_int_equal(waitpid(child, &status, WNOHANG), 0); /* and waits for ours */
	close(fresh);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* Several processes take one lock while another removes its file: never two at once inside. */
static void removal_race(void **state _unused_)
{
	enum { TAKERS = 3, ROUNDS = 400 };
	int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared != MAP_FAILED);
	int *inside = &shared[0], *clashes = &shared[1];
	pid_t children[TAKERS + 1];
	for (int i = 0; i <= TAKERS; i++) {
		children[i] = fork();
		if (children[i] != 0)
			continue;
		for (int n = 0; i == TAKERS; n++)
			(void)!lock_remove(AT_FDCWD, "x", NULL); /* until it is killed */
		for (int n = 0; n < ROUNDS; n++) {
			int fd = -1;
			if (lock_take(AT_FDCWD, "x", LOCK_EXCLUSIVE, &fd, NULL) < 0)
				_exit(1);
			if (__atomic_add_fetch(inside, 1, __ATOMIC_SEQ_CST) != 1)
				__atomic_add_fetch(clashes, 1, __ATOMIC_SEQ_CST);
			sched_yield();
			__atomic_sub_fetch(inside, 1, __ATOMIC_SEQ_CST);
			close(fd);
		}
		_exit(0);
	}
	for (int i = 0; i < TAKERS; i++) {
		int status = 0;
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	kill(children[TAKERS], SIGKILL);
	assert_int_equal(waitpid(children[TAKERS], NULL, 0), children[TAKERS]);
	assert_int_equal(*clashes, 0);
	munmap(shared, 4096);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_begin, scratch_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(modes),
		TEST(waiting),
		TEST(errors),
		TEST(readers),
		TEST(removing),
		TEST(waiter_gets_the_new_file),
		TEST(removal_race),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
