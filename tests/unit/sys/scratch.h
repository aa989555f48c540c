/* A directory of its own for each test, and what is in it. */
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../check.h"
#include "base/str.h"

static char scratch_path[64];

static inline int scratch_begin(void **state)
{
	(void)state;
	snprintf(scratch_path, sizeof(scratch_path), "/tmp/cruet-test-XXXXXX");
	return mkdtemp(scratch_path) && chmod(scratch_path, 0755) == 0 && chdir(scratch_path) == 0
		? 0
		: -1;
}

static inline int scratch_end(void **state)
{
	(void)state;
	_cleanup_free_ char *command =
		xasprintf("chmod -R u+rwx %s; rm -rf %s", scratch_path, scratch_path);
	return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static inline void put(const char *path, const char *content)
{
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(content, f) >= 0 && fclose(f) == 0);
}

static inline void assert_content(const char *path, const char *expected)
{
	char text[4096];
	FILE *f = fopen(path, "re");
	if (!f)
		fail_msg("%s is not there", path);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	(void)fclose(f);
	assert_string_equal(text, expected);
}

static inline int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in the directory, sorted, with blanks between; owned. */
static inline char *names_in(const char *path)
{
	_cleanup_strvec_ StrVec names = {0};
	DIR *d = opendir(path);
	assert_non_null(d);
	for (struct dirent *e = readdir(d); e; e = readdir(d))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			strvec_push(&names, e->d_name);
	(void)closedir(d);
	if (names.len)
		qsort(names.items, names.len, sizeof(char *), by_name);
	return strvec_join(&names, " ");
}

static inline unsigned mode_of(const char *path)
{
	struct stat st;
	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static inline size_t open_files(void)
{
	size_t n = 0;
	DIR *d = opendir("/proc/self/fd");
	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}
