#include "layer_test.h"

#include <sys/wait.h>

#include "base/limits.h"

static int apply_tar(const Buf *tar, int root, const ApplyOptions *options, Err **err)
{
	_cleanup_(reader_freep) Reader *in = mem_reader_new(tar->ptr, tar->len);
	return apply_layer(in, root, options, err);
}

static void assert_tree(int fd, bool meta, const char *expected)
{
	_cleanup_free_ char *text = tree_text(fd, meta);
	assert_string_equal(text, expected);
}

/* Layers one after the other into one directory. */
typedef struct MergeCase {
	const char *name;
	Raw first[6], second[6];
	const char *expected;
} MergeCase;

static const MergeCase merges[] = {
	{"parents are made", {{"a/b/c", .body = "x"}}, {{0}}, "a dir\na/b dir\na/b/c file 'x'\n"},
	{"a file replaces a file", {{"f", .body = "1"}}, {{"f", .body = "2"}}, "f file '2'\n"},
	{"twice in one tar: the later one", {{"f", .body = "1"}, {"f", .body = "2"}}, {{0}},
		"f file '2'\n"},
	{"a file replaces a directory", {{"d/x/y"}}, {{"d", .body = "f"}}, "d file 'f'\n"},
	{"a directory replaces a file", {{"d"}}, {{"d", '5'}, {"d/x"}}, "d dir\nd/x file ''\n"},
	{"a directory replaces a link", {{"t/x"}, {"d", '2', .link = "t"}}, {{"d", '5'}, {"d/y"}},
		"d dir\nd/y file ''\nt dir\nt/x file ''\n"},
	{"a directory keeps its content", {{"d", '5'}, {"d/x"}}, {{"d", '5'}},
		"d dir\nd/x file ''\n"},
	{"a file replaces a link, not its target", {{"t", .body = "t"}, {"l", '2', .link = "t"}},
		{{"l", .body = "new"}}, "l file 'new'\nt file 't'\n"},
	{"a hard link's sibling is not modified", {{"a", .body = "1"}, {"b", '1', .link = "a"}},
		{{"b", .body = "2"}}, "a file '1'\nb file '2'\n"},
	{"hard link into the layer below", {{"a", .body = "1"}}, {{"d/b", '1', .link = "a"}},
		"a file '1'\nd dir\nd/b file '1'\n"},
	{"hard link over a directory", {{"a", .body = "1"}, {"d/x"}}, {{"d", '1', .link = "a"}},
		"a file '1'\nd file '1'\n"},
	{"whiteout", {{"d/x"}, {"d/y"}, {"e/z"}}, {{"d/.wh.x"}, {".wh.e"}}, "d dir\nd/y file ''\n"},
	{"whiteout of a link", {{"t/x"}, {"l", '2', .link = "t"}}, {{".wh.l"}},
		"t dir\nt/x file ''\n"},
	{"whiteout of nothing", {{"a"}}, {{".wh.b"}, {"c/.wh.d"}}, "a file ''\nc dir\n"},
	{"whiteout behind an entry of its layer", {{"d/x"}}, {{"d", '5'}, {"d/y"}, {".wh.d"}},
		"d dir\nd/y file ''\n"},
	{"opaque", {{"d/x"}, {"d/s/t"}}, {{"d", '5'}, {"d/.wh..wh..opq"}, {"d/y"}},
		"d dir\nd/y file ''\n"},
	{"opaque behind its entries", {{"d/x"}, {"d/s/t"}}, {{"d/s/new"}, {"d/.wh..wh..opq"}},
		"d dir\nd/s dir\nd/s/new file ''\n"},
	{"opaque root", {{"a"}, {"b/c"}}, {{"b/d"}, {".wh..wh..opq"}}, "b dir\nb/d file ''\n"},
	{"book-keeping of aufs", {{"a"}},
		{{".wh..wh.plnk", '5'}, {".wh..wh.plnk/1.2"}, {".wh..wh.orph"}}, "a file ''\n"},
	{"a fifo", {{"p", '6'}}, {{0}}, "p fifo\n"},
	{"link with any target", {{"l", '2', .link = "/../../etc/passwd"}}, {{0}},
		"l link -> /../../etc/passwd\n"},
};

static size_t count_raw(const Raw *entries, size_t max)
{
	size_t n = 0;
	while (n < max && entries[n].name)
		n++;
	return n;
}

static void test_merged(_unused_ void **state)
{
	ApplyOptions options = {.flags = am_root() ? 0 : APPLY_KEEP_OWNER};
	for (size_t i = 0; i < ARRAY_SIZE(merges); i++) {
		const MergeCase *c = &merges[i];
		_cleanup_temp_ Temp dir = temp_new();
		_cleanup_buf_ Buf first = raw_tar(c->first, count_raw(c->first, 6));
		_cleanup_buf_ Buf second = raw_tar(c->second, count_raw(c->second, 6));
		ok(apply_tar(&first, dir.fd, &options, err));
		ok(apply_tar(&second, dir.fd, &options, err));
		_cleanup_free_ char *text = tree_text(dir.fd, false);
		if (strcmp(text, c->expected) != 0)
			fail_msg("%s:\n%s\nexpected:\n%s", c->name, text, c->expected);
		/* The merged tree says the same, without unpacking. */
		_cleanup_(tree_freep) Tree *tree = tree_new();
		_cleanup_(index_freep) Index *below = index_of_tar(&first),
					     *above = index_of_tar(&second);
		tree_push(tree, below);
		tree_push(tree, above);
		Str rest = str_of(c->expected), line, path;
		while (rest.len && str_cut(&rest, '\n', &line) && str_cut(&line, ' ', &path)) {
			TreeNode node;
			if (path.len && !tree_lookup(tree, path, &node))
				fail_msg("%s: '" STR_FMT "' is not in the tree", c->name,
					STR_ARG(path));
		}
	}
}

/* Each must end in ERR_CORRUPT, and leave everything outside alone. */
static const Raw hostile[][4] = {
	{{"../evil"}},
	{{"a/../../evil"}},
	{{"a", '2', .link = "../outside"}, {"a/evil"}},
	{{"a", '2', .link = "../outside"}, {"a/.wh.victim"}},
	{{"a", '2', .link = "../outside"}, {"a/.wh..wh..opq"}},
	{{"a", '2', .link = "../outside"}, {"a/d", '5'}},
	{{"a/b", '2', .link = "../../outside"}, {"a/b/c/d", '5'}},
	{{"f"}, {"f/x"}},
	{{"h", '1', .link = "../outside/victim"}},
	{{"h", '1', .link = "none"}},
	{{"h", '1', .link = "h"}},
	{{"d", '5'}, {"h", '1', .link = "d"}},
	{{"a", '2', .link = "../outside"}, {"h", '1', .link = "a/victim"}},
	{{"d/x"}, {"d", '1', .link = "d/x"}},
	{{".wh."}},
	{{"d/.wh.."}},
	{{"d/.wh..."}},
	{{".wh.d/x"}},
	{{"", '2', .link = "../outside"}},
};

static void check_hostile(unsigned flags)
{
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		_cleanup_temp_ Temp dir = temp_new();
		_cleanup_close_ int outside = temp_dir_fd(&dir, "outside");
		_cleanup_close_ int root = temp_dir_fd(&dir, "root");
		put_file(outside, "victim", "unharmed");
		_cleanup_buf_ Buf tar = raw_tar(hostile[i], count_raw(hostile[i], 4));
		ApplyOptions options = {.flags = flags | (am_root() ? 0 : APPLY_KEEP_OWNER)};
		_cleanup_err_ Err *error = NULL;
		int r = apply_tar(&tar, root, &options, &error);
		if (r != -ERR_CORRUPT)
			fail_msg("tar %zu: %d (%s)", i, r, error ? error->message : "accepted");
		assert_tree(outside, false, "victim file 'unharmed'\n");
		assert_int_equal(faccessat(dir.fd, "evil", F_OK, 0), -1);
	}
}

static void test_hostile_merged(_unused_ void **state)
{
	check_hostile(0);
}

static void test_hostile_overlay(_unused_ void **state)
{
	check_hostile(APPLY_OVERLAY);
}

/* Links of a lower layer are not passed through either: a directory takes their place. */
static void test_links_below(_unused_ void **state)
{
	_cleanup_temp_ Temp dir = temp_new();
	_cleanup_close_ int outside = temp_dir_fd(&dir, "outside");
	_cleanup_close_ int root = temp_dir_fd(&dir, "root");
	put_file(outside, "victim", "unharmed");
	ApplyOptions options = {.flags = am_root() ? 0 : APPLY_KEEP_OWNER};
	_cleanup_buf_ Buf first =
		RAW_TAR({"l", '2', .link = "../outside"}, {"m", '2', .link = "../outside"});
	_cleanup_buf_ Buf second = RAW_TAR({"l/evil"}, {"m/.wh.victim"}, {"m/.wh..wh..opq"});
	ok(apply_tar(&first, root, &options, err));
	ok(apply_tar(&second, root, &options, err));
	assert_tree(root, false, "l dir\nl/evil file ''\nm dir\n");
	assert_tree(outside, false, "victim file 'unharmed'\n");
	_cleanup_buf_ Buf third = RAW_TAR({"n", '1', .link = "k/victim"});
	assert_int_equal(symlinkat("../outside", root, "k"), 0);
	fails(ERR_CORRUPT, apply_tar(&third, root, &options, err));
}

static void test_metadata(_unused_ void **state)
{
	needs_root();
	_cleanup_temp_ Temp dir = temp_new();
	_cleanup_close_ int root = temp_dir_fd(&dir, "root");
	set_mtime(dir.fd, "root", 77);
	_cleanup_buf_ Buf tar = RAW_TAR({"d", '5', .mode = 02751, .uid = 3, .gid = 4, .mtime = 100},
		{"d/f", .body = "x", .mode = 06755, .uid = 1, .gid = 2, .mtime = 200},
		{"d/h", '1', .link = "d/f"},
		{"l", '2', .link = "d/f", .uid = 5, .gid = 6, .mtime = 300},
		{"n", '3', .mode = 0620, .gid = 5, .mtime = 400, .major = 1, .minor = 3},
		{"p", '6', .mode = 0600, .mtime = 500}, {"i/x", .mtime = 1},
		{"s", '5', .mode = 0555, .mtime = 600}, {"s/in", .mtime = 700});
	ok(apply_tar(&tar, root, &(ApplyOptions){0}, err));
	assert_tree(root, true,
		"d dir 2751 3:4 @100\nd/f file 6755 1:2 @200 'x' nlink 2\nd/h file 6755 1:2 @200 'x' nlink 2\n"
		"i dir 755 0:0 @0\ni/x file 644 0:0 @1 ''\nl link 777 5:6 @300 -> d/f\n"
		"n char 620 0:5 @400 1:3\np fifo 600 0:0 @500\ns dir 555 0:0 @600\ns/in file 644 0:0 @700 ''\n");
	struct stat st;
	assert_int_equal(fstat(root, &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, 77); /* the tar did not mention the root */
	/* A second layer in an old directory: its time stays; mentioned, it changes. */
	_cleanup_buf_ Buf second =
		RAW_TAR({"d/new", .mtime = 9}, {"s/.wh.in"}, {"", '5', .mode = 0711, .mtime = 900});
	ok(apply_tar(&second, root, &(ApplyOptions){0}, err));
	assert_int_equal(fstatat(root, "d", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 100);
	assert_int_equal(st.st_mode & 07777, 02751);
	assert_int_equal(fstatat(root, "d/new", &st, 0), 0);
	assert_int_equal(st.st_gid, 0); /* not of the setgid directory */
	assert_int_equal(fstatat(root, "s", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 600);
	assert_int_equal(fstat(root, &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, 900);
	assert_int_equal(st.st_mode & 07777, 0711);
}

static void assert_xattr(int dirfd, const char *path, const char *name, const char *expected)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char value[64] = {0};
	ssize_t n = fgetxattr(fd, name, value, sizeof(value) - 1);
	if (!expected) {
		assert_int_equal(n, -1);
		return;
	}
	if (n < 0)
		fail_msg("'%s' has no '%s'", path, name);
	assert_string_equal(value, expected);
}

static void test_xattrs(_unused_ void **state)
{
	needs_root();
	_cleanup_temp_ Temp dir = temp_new();
	_cleanup_buf_ Buf tar =
		RAW_TAR({"f", .xattr = "user.note=hello"}, {"d", '5', .xattr = "user.note=dir"},
			{"e", '5', .xattr = "trusted.overlay.opaque=y"},
			{"g", '5', .xattr = "user.overlay.opaque=y"},
			{"h", .xattr = "trusted.overlay.redirect=/etc"},
			{"s", .xattr = "security.selinux=x"});
	_cleanup_strvec_ StrVec warnings = {0};
	ok(apply_tar(
		&tar, dir.fd, &(ApplyOptions){.flags = APPLY_OVERLAY, .warnings = &warnings}, err));
	if (warnings.len) {
		print_message("[  SKIPPED ] %s\n", warnings.items[0]);
		skip();
	}
	assert_xattr(dir.fd, "f", "user.note", "hello");
	assert_xattr(dir.fd, "d", "user.note", "dir");
	assert_xattr(dir.fd, "e", "trusted.overlay.opaque", NULL);
	assert_xattr(dir.fd, "g", "user.overlay.opaque", NULL);
	assert_xattr(dir.fd, "h", "trusted.overlay.redirect", NULL);
	assert_xattr(dir.fd, "s", "security.selinux", NULL);
	/* A directory entry over a directory replaces its attributes. */
	_cleanup_buf_ Buf second = RAW_TAR({"d", '5', .xattr = "user.other=1"});
	ok(apply_tar(&second, dir.fd, &(ApplyOptions){0}, err));
	assert_xattr(dir.fd, "d", "user.note", NULL);
	assert_xattr(dir.fd, "d", "user.other", "1");
}

/* ---- overlay form ---- */

static int lower_body(void *arg, const TreeNode *node, Reader **ret, _unused_ Err **err)
{
	const Buf *tar = arg;
	*ret = mem_reader_new(tar->ptr + node->entry.body_offset, node->entry.size);
	return 0;
}

static void test_overlay(_unused_ void **state)
{
	needs_root();
	_cleanup_temp_ Temp dir = temp_new();
	_cleanup_buf_ Buf lower = RAW_TAR({"d", '5', .mode = 0700, .uid = 7, .mtime = 50},
		{"d/x", .body = "body of x", .mode = 0640, .uid = 8, .mtime = 60}, {"e/f"}, {"g"},
		{"hl", '1', .link = "d/x"}, {"sl", '2', .link = "d", .mtime = 70}, {"o/p"});
	_cleanup_(index_freep) Index *index = index_of_tar(&lower);
	_cleanup_(tree_freep) Tree *tree = tree_new();
	tree_push(tree, index);
	ApplyOptions options = {.flags = APPLY_OVERLAY,
		.lower = tree,
		.lower_open = lower_body,
		.lower_arg = &lower};
	_cleanup_buf_ Buf upper = RAW_TAR({"d/new", .mtime = 1}, {"d/link", '1', .link = "hl"},
		{"sym", '1', .link = "sl"}, {".wh.e"}, {".wh.nothing"}, {"o/.wh.p"}, {".wh.g"},
		{"g", '5', .mtime = 2});
	ok(apply_tar(&upper, dir.fd, &options, err));
	assert_tree(dir.fd, true,
		"d dir 700 7:0 @50\nd/link file 640 8:0 @60 'body of x'\nd/new file 644 0:0 @1 ''\n"
		"e whiteout\ng dir 755 0:0 @2\no dir 755 0:0 @0\no/p whiteout\n"
		"sym link 777 0:0 @70 -> d\n");
	assert_xattr(dir.fd, "g", "trusted.overlay.opaque", "y");
	assert_xattr(dir.fd, "d", "trusted.overlay.opaque", NULL);
	_cleanup_buf_ Buf broken = RAW_TAR({"x", '1', .link = "d"});
	fails(ERR_CORRUPT, apply_tar(&broken, dir.fd, &options, err));
	_cleanup_buf_ Buf device = RAW_TAR({"x", '1', .link = "e"}); /* a whiteout by now */
	fails(ERR_CORRUPT, apply_tar(&device, dir.fd, &options, err));
}

static void test_overlay_opaque(_unused_ void **state)
{
	needs_root();
	_cleanup_temp_ Temp dir = temp_new();
	_cleanup_buf_ Buf lower = RAW_TAR({"d/x"}, {"e/x"}, {"f/x"});
	_cleanup_(index_freep) Index *index = index_of_tar(&lower);
	_cleanup_(tree_freep) Tree *tree = tree_new();
	tree_push(tree, index);
	ApplyOptions options = {.flags = APPLY_OVERLAY | APPLY_USERXATTR, .lower = tree};
	_cleanup_buf_ Buf upper = RAW_TAR({"d", '5'}, {"d/.wh..wh..opq"}, {"e/.wh..wh..opq"},
		{".wh.f"}, {"f/y"}, {"zero", '3', .major = 0, .minor = 0});
	_cleanup_strvec_ StrVec warnings = {0};
	options.warnings = &warnings;
	ok(apply_tar(&upper, dir.fd, &options, err));
	assert_tree(dir.fd, false, "d dir\ne dir\nf dir\nf/y file ''\n");
	assert_xattr(dir.fd, "d", "user.overlay.opaque", "y");
	assert_xattr(dir.fd, "e", "user.overlay.opaque", "y");
	assert_xattr(dir.fd, "f", "user.overlay.opaque", "y");
	assert_int_equal(warnings.len, 1); /* the device 0:0 */
}

/* ---- limits and odds ---- */

static void test_devices_skipped(_unused_ void **state)
{
	_cleanup_temp_ Temp dir = temp_new();
	Buf tar = BUF_INIT(8u << 20);
	for (unsigned i = 0; i < 2000; i++) {
		char name[32];
		snprintf(name, sizeof(name), "dev%u", i);
		raw_add(&tar,
			&(Raw){.name = name, .type = i % 2 ? '3' : '4', .major = i, .minor = 1});
	}
	raw_add(&tar, &(Raw){.name = "file"});
	buf_append(&tar, (char[1024]){0}, 1024);
	ApplyOptions options = {.flags = APPLY_NO_DEVICES | APPLY_KEEP_OWNER};
	ok(apply_tar(&tar, dir.fd, &options, err));
	assert_tree(dir.fd, false, "file file ''\n");
	buf_done(&tar);
}

static void test_deep(_unused_ void **state)
{
	/* Deeper than the stack of open directories. */
	_cleanup_temp_ Temp dir = temp_new();
	Buf tar = BUF_INIT(8u << 20);
	char path[128] = "";
	for (unsigned depth = 0; depth < 49; depth++) {
		size_t at = strlen(path);
		snprintf(path + at, sizeof(path) - at, "%sd", at ? "/" : "");
		raw_add(&tar, &(Raw){.name = path, .type = '5', .mtime = 10 + depth});
	}
	raw_add(&tar, &(Raw){.name = "d/d/f"});
	buf_append(&tar, (char[1024]){0}, 1024);
	ApplyOptions options = {.flags = APPLY_KEEP_OWNER};
	ok(apply_tar(&tar, dir.fd, &options, err));
	struct stat st;
	assert_int_equal(fstatat(dir.fd, path, &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 58);
	assert_int_equal(fstatat(dir.fd, "d/d", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 11);
	buf_done(&tar);
}

static void test_truncated(_unused_ void **state)
{
	_cleanup_buf_ Buf tar = RAW_TAR({"a", .body = "hello"}, {"b", .body = "world"});
	for (size_t len = 513; len < 1024; len += 100) {
		_cleanup_temp_ Temp dir = temp_new();
		_cleanup_(reader_freep) Reader *in = mem_reader_new(tar.ptr, len);
		ApplyOptions options = {.flags = APPLY_KEEP_OWNER};
		fails(ERR_CORRUPT, apply_layer(in, dir.fd, &options, err));
	}
}

/* ---- without privileges ---- */

static int child_status(void (*fn)(const Temp *), const Temp *dir)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		fn(dir);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* An ordinary user: owners are not set, closed directories are filled all the same. */
static void as_user(const Temp *dir)
{
	if (am_root() && (setgid(1000) < 0 || setuid(1000) < 0))
		_exit(10);
	int root = openat(dir->fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	Buf first = RAW_TAR({"ro", '5', .mode = 0555, .uid = 0}, {"ro/f", .mode = 0444},
		{"shut", '5', .mode = 0111});
	Buf second = RAW_TAR({"ro/g"}, {"shut/f"}, {"ro/.wh.f"});
	ApplyOptions options = {.flags = APPLY_KEEP_OWNER | APPLY_NO_DEVICES};
	if (apply_tar(&first, root, &options, NULL) < 0)
		_exit(11);
	if (apply_tar(&second, root, &options, NULL) < 0)
		_exit(12);
	struct stat st;
	if (fstatat(root, "ro", &st, 0) < 0 || (st.st_mode & 07777) != 0555)
		_exit(13);
	if (fstatat(root, "shut", &st, 0) < 0 || (st.st_mode & 07777) != 0111)
		_exit(14);
	if (fstatat(root, "ro/f", &st, 0) == 0 || fstatat(root, "shut/f", &st, 0) < 0)
		_exit(15);
	/* so that the parent can remove it */
	if (fchmodat(root, "ro", 0755, 0) < 0 || fchmodat(root, "shut", 0755, 0) < 0)
		_exit(16);
}

static void test_as_user(_unused_ void **state)
{
	_cleanup_temp_ Temp dir = temp_new();
	_cleanup_close_ int root = temp_dir_fd(&dir, "root");
	assert_int_equal(fchmodat(AT_FDCWD, dir.path, 0755, 0), 0);
	if (am_root())
		assert_int_equal(fchown(root, 1000, 1000), 0);
	assert_int_equal(child_status(as_user, &dir), 0);
}

/* One mapped id, as for a user without subuid ranges: one warning each, and the files are there. */
static void in_userns(const Temp *dir)
{
	if (unshare(CLONE_NEWUSER) < 0)
		_exit(77);
	int map = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	if (map < 0 || write(map, "0 0 1", 5) != 5)
		_exit(77);
	Buf tar = RAW_TAR({"a", .uid = 1000, .gid = 1000}, {"b", .uid = 1001},
		{"n", '3', .major = 1, .minor = 3}, {"m", '3', .major = 1, .minor = 5});
	StrVec warnings = {0};
	ApplyOptions options = {.flags = APPLY_OVERLAY | APPLY_USERXATTR, .warnings = &warnings};
	if (apply_tar(&tar, dir->fd, &options, NULL) < 0)
		_exit(11);
	if (warnings.len != 2)
		_exit(12);
}

static void test_in_userns(_unused_ void **state)
{
	needs_root();
	_cleanup_temp_ Temp dir = temp_new();
	int status = child_status(in_userns, &dir);
	if (status == 77) {
		print_message("[  SKIPPED ] user namespaces are not allowed here\n");
		skip();
	}
	assert_int_equal(status, 0);
	assert_tree(dir.fd, false, "a file ''\nb file ''\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merged),
		cmocka_unit_test(test_hostile_merged),
		cmocka_unit_test(test_hostile_overlay),
		cmocka_unit_test(test_links_below),
		cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_xattrs),
		cmocka_unit_test(test_overlay),
		cmocka_unit_test(test_overlay_opaque),
		cmocka_unit_test(test_devices_skipped),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_as_user),
		cmocka_unit_test(test_in_userns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
