/*
 * Four views of the same layers must agree, whatever the layers do to one another: the merged tree of the
 * indexes, unpacking one onto the other, overlayfs over the layers unpacked one by one, and what the
 * index refuses is refused by unpacking, too. The layers are random (with fixed seeds): few names, so that they
 * meet often; entries out of order and twice, whiteouts before and behind what they name.
 */
#include "layer_test.h"

enum { ROUNDS = 400, LAYERS = 3, ENTRIES = 7 };

static uint64_t seed;

static unsigned pick(unsigned n)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static char *random_path(void)
{
	static const char *const names[] = {"a", "b", "a.b"};
	Buf path = BUF_INIT(100);
	for (unsigned depth = 1 + pick(3); depth > 0; depth--)
		buf_printf(&path, "%s%s", path.len ? "/" : "", names[pick(3)]);
	return buf_steal(&path);
}

static Buf random_layer(bool opaque)
{
	Buf tar = BUF_INIT(1u << 20);
	for (unsigned i = 0; i < ENTRIES; i++) {
		_cleanup_free_ char *path = random_path(), *marker = NULL;
		char *slash = strrchr(path, '/');
		Raw e = {.name = path, .mtime = 1 + pick(1000)};
		switch (pick(opaque ? 9 : 8)) {
		case 0:
			e.body = "x";
			e.mode = pick(2) ? 0600 : 0755;
			break;
		case 1:
			e.type = '2';
			e.link = pick(2) ? "a" : "/b";
			e.mode = 0777;
			break;
		case 2:
		case 3:
		case 4:
		case 5:
			e.type = '5';
			e.mode = pick(2) ? 0700 : 0755;
			break;
		case 8:
			e.name = marker = xasprintf("%s/.wh..wh..opq", path);
			break;
		default:
			e.name = marker =
				xasprintf("%.*s.wh.%s", slash ? (int)(slash - path + 1) : 0, path,
					slash ? slash + 1 : path);
		}
		raw_add(&tar, &e);
		if (getenv("CRUET_TEST_SHOW"))
			print_message("  %s%s\n", e.name,
				e.type == '5'           ? "/"
					: e.type == '2' ? " (link)"
							: "");
	}
	if (getenv("CRUET_TEST_SHOW"))
		print_message("--\n");
	buf_append(&tar, (char[1024]){0}, 1024);
	return tar;
}

/* Mode and time of directories are left aside: those of one that the layer implies and hides at the same
 * time depend on the order. */
static void drop_dir_meta(char *text)
{
	char *to = text;
	bool skipping = false;
	for (const char *from = text; *from; from++) {
		if (*from == '\n')
			skipping = false;
		if (!skipping)
			*to++ = *from;
		if (cstr_starts(from, "r ") && from - text >= 3 && cstr_starts(from - 3, " dir "))
			skipping = true;
	}
	*to = '\0';
}

static int add_node(void *arg, const TreeNode *node, _unused_ Err **err)
{
	Buf *out = arg;
	const IndexEntry *e = &node->entry;
	if (e->path.len == 0)
		return 0;
	buf_printf(out, STR_FMT " %s %o %u:%u @%ld", STR_ARG(e->path),
		e->type == TAR_DIR               ? "dir"
			: e->type == TAR_SYMLINK ? "link"
						 : "file",
		e->mode, e->uid, e->gid, (long)e->mtime);
	if (e->type == TAR_SYMLINK)
		buf_printf(out, " -> " STR_FMT, STR_ARG(e->link));
	if (e->type == TAR_FILE)
		buf_cstr(out, " 'x'");
	buf_char(out, '\n');
	return 0;
}

static int apply_to(const Buf *tar, int root, unsigned flags, const Tree *lower)
{
	_cleanup_(reader_freep) Reader *in = mem_reader_new(tar->ptr, tar->len);
	ApplyOptions options = {.flags = flags, .lower = lower};
	return apply_layer(in, root, &options, NULL);
}

/* What overlayfs shows of the directories l0 (bottom) … ; NULL when it cannot be mounted. Owned. */
static char *overlay_text(const Temp *dir, unsigned layers)
{
	Buf lower = BUF_INIT(1u << 16);
	for (unsigned i = layers; i-- > 0;)
		buf_printf(&lower, "%s%s/s/l%u", lower.len ? ":" : "lowerdir=", dir->path, i);
	buf_printf(&lower, ":%s/s/empty", dir->path); /* two at least */
	_cleanup_free_ char *merged = xasprintf("%s/merged", dir->path),
			    *options = buf_steal(&lower);
	if (mount("overlay", merged, "overlay", 0, options) < 0)
		return NULL;
	int fd = openat(dir->fd, "merged", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *text = tree_text(fd, true);
	(void)close(fd);
	assert_int_equal(umount2(merged, 0), 0);
	return text;
}

static void fail_views(
	unsigned round, const char *a, const char *left, const char *b, const char *right)
{
	fail_msg("round %u\n%s:\n%s\n%s:\n%s", round, a, left, b, right);
}

/* One round below dir/s; returns whether all layers were accepted. */
static bool play(const Temp *dir, unsigned round, bool opaque)
{
	seed = round;
	Buf tars[LAYERS];
	_cleanup_(tree_freep) Tree *tree = tree_new();
	Index *indexes[LAYERS] = {0};
	_cleanup_close_ int scratch = openat(dir->fd, "s", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(scratch, "flat", 0755), 0);
	assert_int_equal(mkdirat(scratch, "empty", 0755), 0);
	_cleanup_close_ int flat = openat(scratch, "flat", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned n = 0;
	bool accepted = true;
	for (; n < LAYERS && accepted; n++) {
		tars[n] = random_layer(opaque);
		_cleanup_(reader_freep) Reader *in = mem_reader_new(tars[n].ptr, tars[n].len);
		_cleanup_(index_builder_freep) IndexBuilder *b = index_builder_new();
		Digest diff_id;
		uint64_t size;
		accepted = layer_index_tar(in, b, &diff_id, &size, NULL) == 0;
		char name[8];
		snprintf(name, sizeof(name), "l%u", n);
		assert_int_equal(mkdirat(scratch, name, 0755), 0);
		_cleanup_close_ int own = openat(scratch, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int r = apply_to(&tars[n], own, APPLY_OVERLAY, tree);
		int s = apply_to(&tars[n], flat, 0, NULL);
		if (accepted != (r == 0) || accepted != (s == 0))
			fail_msg("round %u, layer %u: index %d, overlay %d, merged %d", round, n,
				accepted, r, s);
		if (accepted) {
			ok(index_builder_index(b, &diff_id, size, &indexes[n], err));
			tree_push(tree, indexes[n]);
		}
	}
	if (accepted) {
		_cleanup_buf_ Buf seen = BUF_INIT(1u << 20);
		buf_cstr(&seen, "");
		ok(tree_walk(tree, STR(""), add_node, &seen, err));
		_cleanup_free_ char *merged = tree_text(flat, true);
		_cleanup_free_ char *overlay = overlay_text(dir, n);
		drop_dir_meta(seen.ptr);
		drop_dir_meta(merged);
		if (overlay)
			drop_dir_meta(overlay);
		if (strcmp(seen.ptr, merged) != 0)
			fail_views(round, "tree", seen.ptr, "merged", merged);
		if (overlay && strcmp(seen.ptr, overlay) != 0)
			fail_views(round, "tree", seen.ptr, "overlay", overlay);
	}
	for (unsigned i = 0; i < n; i++) {
		buf_done(&tars[i]);
		index_free(indexes[i]);
	}
	return accepted;
}

static void play_all(bool opaque)
{
	needs_root();
	_cleanup_temp_ Temp dir = temp_new();
	closep(&(int){temp_dir_fd(&dir, "s")});
	closep(&(int){temp_dir_fd(&dir, "merged")});
	_cleanup_free_ char *scratch = xasprintf("%s/s", dir.path);
	unsigned accepted = 0;
	bool mounted = mount("tmpfs", scratch, "tmpfs", 0, "") == 0;
	if (!mounted)
		print_message("mounting is not allowed here: overlayfs is not compared\n");
	uint64_t rounds = ROUNDS;
	const char *more = getenv("CRUET_TEST_ROUNDS");
	if (more)
		ok(str_to_u64(str_of(more), 1000000, &rounds, err));
	for (unsigned round = 1; round <= rounds; round++) {
		accepted += play(&dir, round, opaque);
		_cleanup_close_ int fd = openat(dir.fd, "s", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		static const char *const made[] = {"flat", "empty", "l0", "l1", "l2"};
		for (size_t i = 0; i < ARRAY_SIZE(made); i++)
			ok(remove_tree(fd, made[i], err));
	}
	if (mounted)
		assert_int_equal(umount2(scratch, MNT_DETACH), 0);
	print_message("%u of %u stacks were accepted\n", accepted, (unsigned)rounds);
	assert_true(accepted > rounds / 8);
}

static void test_whiteouts(_unused_ void **state)
{
	play_all(false);
}

static void test_opaque(_unused_ void **state)
{
	play_all(true);
}

int main(void)
{
	private_mounts();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whiteouts),
		cmocka_unit_test(test_opaque),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
