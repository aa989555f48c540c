#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/atomic.h"
#include "sys/lock.h"

static char place[] = "/tmp/cruet-test-lock-XXXXXX";
static int dir = -1;

static int make_place(void **state _unused_)
{
	if (!mkdtemp(place))
		return -1;
	dir = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -1 : 0;
}

static int remove_place(void **state _unused_)
{
	close(dir);
	return remove_tree(AT_FDCWD, place, NULL);
}

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

/* What another process gets. */
static int try_elsewhere(const char *path, LockMode mode)
{
	pid_t child = fork();
	if (child == 0) {
		int fd = -1, r = lock_try(dir, path, mode, &fd, NULL);
		_exit(r < 0 ? 9 : r);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_modes(void **state _unused_)
{
	static const struct {
		LockMode held, wanted;
		int got;
	} table[] = {{LOCK_SHARED, LOCK_SHARED, 1}, {LOCK_SHARED, LOCK_EXCLUSIVE, 0},
		{LOCK_EXCLUSIVE, LOCK_SHARED, 0}, {LOCK_EXCLUSIVE, LOCK_EXCLUSIVE, 0}};
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		int fd = -1;
		assert_int_equal(lock_take(dir, "a", table[i].held, &fd, NULL), 0);
		assert_int_equal(try_elsewhere("a", table[i].wanted), table[i].got);
		/* threads of one process exclude one another as well */
		int second = -1;
		assert_int_equal(lock_try(dir, "a", table[i].wanted, &second, NULL), table[i].got);
		closep(&second);
		close(fd);
		assert_int_equal(try_elsewhere("a", LOCK_EXCLUSIVE), 1);
	}
}

static void test_errors(void **state _unused_)
{
	_cleanup_err_ Err *e = NULL;
	int fd = -1;
	assert_int_equal(lock_take(dir, "no/such", LOCK_SHARED, &fd, &e), -ERR_SYS);
	assert_int_equal(fd, -1);
	assert_int_equal(symlinkat("elsewhere", dir, "link"), 0);
	assert_int_equal(lock_try(dir, "link", LOCK_SHARED, &fd, NULL), -ERR_SYS);
	assert_int_equal(faccessat(dir, "elsewhere", F_OK, 0), -1);
}

static void test_remove(void **state _unused_)
{
	for (LockMode mode = LOCK_SHARED; mode <= LOCK_EXCLUSIVE; mode++) {
		int fd = -1;
		assert_int_equal(lock_take(dir, "r", mode, &fd, NULL), 0);
		assert_int_equal(lock_remove(dir, "r", NULL), 0);
		assert_int_equal(faccessat(dir, "r", F_OK, 0), 0);
		close(fd);
		assert_int_equal(lock_remove(dir, "r", NULL), 1);
		assert_int_equal(faccessat(dir, "r", F_OK, 0), -1);
	}
}

/* Who waits for a file that is removed then must not work under the dead one. */
static void test_waiter_gets_the_new_file(void **state _unused_)
{
	int held = -1, fresh = -1;
	assert_int_equal(lock_take(dir, "w", LOCK_EXCLUSIVE, &held, NULL), 0);
	pid_t child = fork();
	if (child == 0) {
		int fd = -1;
		struct stat mine, named;
		close(held);
		bool good = lock_take(dir, "w", LOCK_EXCLUSIVE, &fd, NULL) == 0 &&
			fstat(fd, &mine) == 0 && fstatat(dir, "w", &named, 0) == 0 &&
			mine.st_ino == named.st_ino;
		_exit(good ? 0 : 1);
	}
	pause_ms(50);
	assert_int_equal(unlinkat(dir, "w", 0), 0);
	assert_int_equal(lock_take(dir, "w", LOCK_EXCLUSIVE, &fresh, NULL), 0);
	close(held); /* the child wakes up with the file that is gone */
	pause_ms(50);
	int status = 0;
	assert_int_equal(waitpid(child, &status, WNOHANG), 0); /* and waits for ours */
	close(fresh);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* Several processes take one lock while another removes its file: never two at once inside. */
static void test_removal_race(void **state _unused_)
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
			(void)!lock_remove(dir, "x", NULL); /* until it is killed */
		for (int n = 0; n < ROUNDS; n++) {
			int fd = -1;
			if (lock_take(dir, "x", LOCK_EXCLUSIVE, &fd, NULL) < 0)
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_waiter_gets_the_new_file),
		cmocka_unit_test(test_removal_race),
	};
	return cmocka_run_group_tests(tests, make_place, remove_place);
}
