/*
 * A tar of arbitrary bytes, unpacked: merged form, then overlay form, into a directory beside a file that must
 * stay as it is; nothing else may appear beside it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layer/apply.h"
#include "layer/layerfile.h"
#include "sys/atomic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
	if (!held)
		abort();
}

static void check_outside(int dir)
{
	char text[16] = {0};
	struct stat st;
	must(fstatat(dir, "victim", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode));
	must((st.st_mode & 07777) == 0600 && st.st_mtim.tv_sec == 1000 && st.st_nlink == 1);
	int fd = openat(dir, "victim", O_RDONLY | O_CLOEXEC);
	must(fd >= 0 && read(fd, text, sizeof(text)) == 8 && memcmp(text, "unharmed", 8) == 0);
	(void)close(fd);
	DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	must(d != NULL);
	for (const struct dirent *e = readdir(d); e; e = readdir(d))
		must(strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
			strcmp(e->d_name, "victim") == 0 || strcmp(e->d_name, "root") == 0);
	(void)closedir(d);
}

static void unpack(int dir, const uint8_t *data, size_t size, unsigned flags, const Tree *lower)
{
	must(mkdirat(dir, "root", 0755) == 0);
	int root = openat(dir, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_strvec_ StrVec warnings = {0};
	ApplyOptions options = {
		.flags = flags | APPLY_NO_DEVICES, .lower = lower, .warnings = &warnings};
	/* Twice: the second time onto what the first left. */
	for (int i = 0; i < (flags & APPLY_OVERLAY ? 1 : 2); i++) {
		_cleanup_(reader_freep) Reader *in = mem_reader_new(data, size);
		_cleanup_err_ Err *err = NULL;
		if (apply_layer(in, root, &options, &err) < 0)
			must(err && err->message[0]);
	}
	check_outside(dir);
	(void)close(root);
	must(remove_tree(dir, "root", NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/dev/shm/cruet-fuzz-apply-XXXXXX";
	must(mkdtemp(path) != NULL);
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(dir >= 0);
	int victim = openat(dir, "victim", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	must(victim >= 0 && write(victim, "unharmed", 8) == 8 && fchmod(victim, 0600) == 0 &&
		futimens(victim, times) == 0);
	(void)close(victim);

	_cleanup_(reader_freep) Reader *in = mem_reader_new(data, size);
	_cleanup_(index_builder_freep) IndexBuilder *builder = index_builder_new();
	_cleanup_(index_freep) Index *index = NULL;
	_cleanup_(tree_freep) Tree *tree = tree_new();
	Digest diff_id;
	uint64_t tar_size;
	if (layer_index_tar(in, builder, &diff_id, &tar_size, NULL) == 0) {
		must(index_builder_index(builder, &diff_id, tar_size, &index, NULL) == 0);
		tree_push(tree, index);
	}
	unpack(dir, data, size, geteuid() == 0 ? 0 : APPLY_KEEP_OWNER, NULL);
	unpack(dir, data, size, APPLY_OVERLAY | APPLY_KEEP_OWNER, tree);
	(void)close(dir);
	must(remove_tree(AT_FDCWD, path, NULL) == 0);
	return 0;
}
