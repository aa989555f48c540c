/*
 * An index file of arbitrary bytes: refused at open, or every access gives safe values, and the walk over a
 * tree of it ends.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "layer/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Count {
	size_t nodes, bound;
} Count;

static int count_node(void *arg, const TreeNode *node, _unused_ Err **err)
{
	Count *c = arg;
	if (++c->nodes > c->bound)
		abort(); /* a walk that does not end */
	return node->number % 7 == 3;
}

static void use(const Index *index)
{
	uint64_t sum = index_tar_size(index) + index_unpacked_size(index);
	size_t count = index_count(index);
	for (size_t i = 0; i <= count; i++) {
		IndexEntry e;
		index_get(index, i, &e);
		if (i < count &&
			(index_subtree_end(index, i) <= i || index_subtree_end(index, i) > count))
			abort();
		for (size_t k = 0; k < e.path.len; k++)
			sum += (uint8_t)e.path.ptr[k];
		for (size_t k = 0; k < e.link.len; k++)
			sum += (uint8_t)e.link.ptr[k];
		for (uint32_t x = 0; x < e.n_xattrs && x < 64; x++) {
			Str name, value;
			index_xattr(index, &e, x, &name, &value);
			sum += name.len ? (uint8_t)name.ptr[name.len - 1] : 0;
			sum += value.len ? (uint8_t)value.ptr[value.len - 1] : 0;
		}
		(void)index_find(index, e.path);
	}
	if (sum == 42)
		fputc('\n', stderr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[] = "/dev/shm/cruet-fuzz-index-XXXXXX";
	int file = mkostemp(name, O_CLOEXEC);
	if (file < 0 || write(file, data, size) != (ssize_t)size)
		abort();
	_cleanup_(index_freep) Index *index = NULL;
	_cleanup_err_ Err *err = NULL;
	int r = index_open(AT_FDCWD, name, &index, &err);
	(void)unlink(name);
	(void)close(file);
	if (r < 0)
		return 0;
	use(index);
	_cleanup_(tree_freep) Tree *tree = tree_new();
	tree_push(tree, index);
	tree_push(tree, index);
	Count c = {.bound = index_count(index) * 2 + 1};
	if (tree_walk(tree, STR(""), count_node, &c, NULL) < 0)
		abort();
	for (size_t i = 0; i < index_count(index) && i < 64; i++) {
		IndexEntry e;
		index_get(index, i, &e);
		TreeNode node = {.number = i, .entry = e}, target;
		_cleanup_free_ char *where = NULL;
		bool found;
		(void)tree_hardlink_target(tree, &node, &target);
		if (tree_resolve(tree, e.path, true, true, &where, &found, &node, NULL) < 0)
			continue;
	}
	return 0;
}
