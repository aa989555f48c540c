/*
 * Memory and ownership helpers. Small allocations abort when memory is out: a command-line program
 * has nothing better to do. Sizes that come from foreign data are capped by the caller first.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(f)           _attribute_cleanup_(f)
#define _attribute_cleanup_(f) __attribute__((cleanup(f), unused)) /* clang 14 calls it unused */
#define _printf_(a, b)         __attribute__((format(printf, a, b)))
#define _warn_unused_          __attribute__((warn_unused_result))
#define _noreturn_             __attribute__((noreturn))
#define _unused_               __attribute__((unused))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)     ((a) < (b) ? (a) : (b))
#define MAX(a, b)     ((a) > (b) ? (a) : (b))

void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
void *xreallocarray(void *p, size_t n, size_t size);
void *xmemdup(const void *p, size_t size);
char *xstrdup(const char *s);              /* NULL in, NULL out */
char *xstrndup(const char *s, size_t len); /* at most len bytes, up to the first NUL */
char *xasprintf(const char *fmt, ...) _printf_(1, 2);
#define xnew(T)      ((T *)xcalloc(1, sizeof(T)))
#define xnew_n(T, n) ((T *)xcalloc((n), sizeof(T)))

static inline void freep(void *p)
{
	free(*(void **)p);
	*(void **)p = NULL;
}

static inline void closep(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

#define _cleanup_free_  _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)

/* Hands an owned local over: yields its value and leaves NULL / -1 behind for the cleanup. */
#define TAKE_PTR(p)                                                                                \
	({                                                                                         \
		__typeof__(p) *_take_pp = &(p);                                                    \
		__typeof__(p) _take_p = *_take_pp;                                                 \
		*_take_pp = NULL;                                                                  \
		_take_p;                                                                           \
	})
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int *_take_fdp = &(fd);                                                            \
		int _take_fd = *_take_fdp;                                                         \
		*_take_fdp = -1;                                                                   \
		_take_fd;                                                                          \
	})

/* Declares `<free_fn>p` for _cleanup_: DEFINE_FREEP(Tree, tree_free) gives tree_freep(Tree **). */
#define DEFINE_FREEP(T, free_fn)                                                                   \
	static inline void free_fn##p(T **p)                                                       \
	{                                                                                          \
		*p = (T *)free_fn(*p);                                                             \
	}
