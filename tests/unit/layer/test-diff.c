#include "layer_test.h"

#include <sys/socket.h>
#include <sys/un.h>

/* A lower tree, its index, and an upper directory that the test fills like overlayfs does. */
typedef struct Fixture {
	Temp dir;
	Index *index;
	Tree *tree;
	int upper;
	DiffOptions options;
	Buf blob;
	Index *result;
} Fixture;

static Fixture fixture_new(Buf lower)
{
	Fixture f = {.dir = temp_new(), .tree = tree_new(), .index = index_of_tar(&lower)};
	buf_done(&lower);
	tree_push(f.tree, f.index);
	f.upper = temp_dir_fd(&f.dir, "upper");
	return f;
}

static void fixture_done(Fixture *f)
{
	closep(&f->upper);
	tree_free(f->tree);
	index_free(f->index);
	index_free(f->result);
	buf_done(&f->blob);
	temp_done(&f->dir);
}
#define _cleanup_fixture_ _cleanup_(fixture_done)

static int run_diff(Fixture *f, Err **err)
{
	f->result = index_free(f->result);
	buf_done(&f->blob);
	f->blob = BUF_INIT(64u << 20);
	_cleanup_(writer_freep) Writer *sink = buf_writer_new(&f->blob);
	_cleanup_(layer_writer_freep) LayerWriter *w =
		layer_writer_new(COMPRESSION_NONE, COMPRESSION_LEVEL_DEFAULT, NULL, sink, NULL);
	int r = diff_upper(f->upper, f->tree, &f->options, w, err);
	LayerResult result;
	if (r == 0)
		r = layer_writer_finish(w, &result, err);
	if (r < 0)
		return r;
	vec_done(&result.points);
	return layer_writer_index(w, &f->result, err);
}

/* The names in the tar, in order, as they are written. */
static char *tar_names(const Buf *tar)
{
	Buf out = BUF_INIT(1u << 20);
	_cleanup_(reader_freep) Reader *in = mem_reader_new(tar->ptr, tar->len);
	_cleanup_(tar_reader_freep) TarReader *t = tar_reader_new(in);
	TarEntry *e;
	int r;
	_cleanup_err_ Err *error = NULL;
	while ((r = tar_reader_next(t, &e, &error)) > 0) {
		buf_printf(
			&out, "%s%s%s", out.len ? " " : "", e->path, e->type == TAR_DIR ? "/" : "");
		if (e->link)
			buf_printf(&out, "->%s", e->link);
	}
	assert_int_equal(r, 0);
	return out.ptr ? buf_steal(&out) : xstrdup("");
}

static void assert_diff(Fixture *f, const char *expected)
{
	ok(run_diff(f, err));
	_cleanup_free_ char *names = tar_names(&f->blob);
	assert_string_equal(names, expected);
}

/* As overlayfs copies up: content and metadata of the lower entry. */
static void copy_up(const Fixture *f, const char *path, const char *content)
{
	TreeNode node;
	assert_true(tree_lookup(f->tree, str_of(path), &node));
	if (node.entry.type == TAR_DIR) {
		assert_int_equal(mkdirat(f->upper, path, 0755), 0);
	} else {
		put_file(f->upper, path, content);
	}
	if (am_root())
		assert_int_equal(fchownat(f->upper, path, node.entry.uid, node.entry.gid, 0), 0);
	assert_int_equal(fchmodat(f->upper, path, node.entry.mode, 0), 0);
	set_mtime(f->upper, path, node.entry.mtime);
}

static void whiteout(const Fixture *f, const char *path)
{
	assert_int_equal(mknodat(f->upper, path, S_IFCHR | 0600, makedev(0, 0)), 0);
}

static void opaque(const Fixture *f, const char *path, const char *value)
{
	_cleanup_close_ int fd = openat(f->upper, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fsetxattr(fd, "trusted.overlay.opaque", value, strlen(value), 0), 0);
}

#define LOWER                                                                                      \
	RAW_TAR({"etc", '5', .mtime = 100}, {"etc/passwd", .body = "root", .mtime = 100},          \
		{"etc/group", .body = "grp", .mtime = 100}, {"etc/sub", '5', .mtime = 100},        \
		{"etc/sub/file", .body = "x", .mtime = 100}, {"empty", '5', .mtime = 100},         \
		{"usr", '5', .mtime = 100}, {"usr/bin", '5', .mtime = 100},                        \
		{"usr/bin/tool", .body = "tool", .mode = 0755, .mtime = 100},                      \
		{"lnk", '2', .link = "usr", .mtime = 100})

static void test_nothing(_unused_ void **state)
{
	_cleanup_fixture_ Fixture f = fixture_new(LOWER);
	assert_diff(&f, "");
	assert_int_equal(f.blob.len, 1024);
}

static void test_new_files(_unused_ void **state)
{
	_cleanup_fixture_ Fixture f = fixture_new(LOWER);
	put_file(f.upper, "b", "bb");
	assert_int_equal(mkdirat(f.upper, "a", 0750), 0);
	put_file(f.upper, "a/y", "");
	put_file(f.upper, "a/x", "xx");
	put_file(f.upper, "a.z", "z");
	assert_int_equal(mkdirat(f.upper, "a/empty", 0755), 0);
	assert_int_equal(symlinkat("b", f.upper, "link"), 0);
	assert_int_equal(mkfifoat(f.upper, "pipe", 0600), 0);
	assert_diff(&f, "a/ a/empty/ a/x a/y a.z b link->b pipe");
	IndexEntry e;
	index_get(f.result, (size_t)index_find(f.result, STR("a")), &e);
	assert_int_equal(e.mode, 0750);
	index_get(f.result, (size_t)index_find(f.result, STR("a/x")), &e);
	Digest digest;
	digest_of("xx", 2, &digest);
	assert_true(digest_eq(&e.digest, &digest));
}

static void test_copy_up_noise(_unused_ void **state)
{
	needs_root();
	_cleanup_fixture_ Fixture f = fixture_new(LOWER);
	copy_up(&f, "usr", NULL);
	copy_up(&f, "usr/bin", NULL);
	copy_up(&f, "usr/bin/tool", "tool"); /* opened for writing, or chown'ed and back */
	set_mtime(f.upper, "usr/bin", 100);
	set_mtime(f.upper, "usr", 100);
	assert_diff(&f, "");
	/* The same size and time, other content */
	put_file(f.upper, "usr/bin/tool", "TOOL");
	set_mtime(f.upper, "usr/bin/tool", 100);
	set_mtime(f.upper, "usr/bin", 100);
	assert_diff(&f, "usr/ usr/bin/ usr/bin/tool");
	/* the same content, another mode */
	put_file(f.upper, "usr/bin/tool", "tool");
	set_mtime(f.upper, "usr/bin/tool", 100);
	assert_diff(&f, "");
	assert_int_equal(fchmodat(f.upper, "usr/bin/tool", 0711, 0), 0);
	assert_diff(&f, "usr/ usr/bin/ usr/bin/tool");
	assert_int_equal(fchmodat(f.upper, "usr/bin/tool", 0755, 0), 0);
	assert_int_equal(fchownat(f.upper, "usr/bin/tool", 1, 0, 0), 0);
	assert_diff(&f, "usr/ usr/bin/ usr/bin/tool");
	assert_int_equal(fchownat(f.upper, "usr/bin/tool", 0, 0, 0), 0);
	set_mtime(f.upper, "usr/bin/tool", 101);
	assert_diff(&f, "usr/ usr/bin/ usr/bin/tool");
}

static void test_dir_metadata(_unused_ void **state)
{
	needs_root();
	_cleanup_fixture_ Fixture f = fixture_new(LOWER);
	copy_up(&f, "etc", NULL);
	assert_diff(&f, "");
	set_mtime(f.upper, "etc", 200);
	assert_diff(&f, "etc/");
	set_mtime(f.upper, "etc", 100);
	assert_int_equal(fchmodat(f.upper, "etc", 0700, 0), 0);
	assert_diff(&f, "etc/");
	assert_int_equal(fchmodat(f.upper, "etc", 0755, 0), 0);
	_cleanup_close_ int fd = openat(f.upper, "etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fsetxattr(fd, "user.note", "1", 1, 0) == 0)
		assert_diff(&f, "etc/");
}

static void test_whiteouts(_unused_ void **state)
{
	needs_root();
	_cleanup_fixture_ Fixture f = fixture_new(LOWER);
	copy_up(&f, "etc", NULL);
	put_file(f.upper, "etc/aaa", "");
	whiteout(&f, "etc/passwd");
	whiteout(&f, "etc/sub");
	whiteout(&f, "etc/never"); /* was never there: not written */
	whiteout(&f, "lnk");
	assert_diff(&f, ".wh.lnk etc/ etc/.wh.passwd etc/.wh.sub etc/aaa");
	/* In a directory that is new nothing can be removed. */
	assert_int_equal(mkdirat(f.upper, "new", 0755), 0);
	whiteout(&f, "new/x");
	assert_diff(&f, ".wh.lnk etc/ etc/.wh.passwd etc/.wh.sub etc/aaa new/");
}

static void test_replaced(_unused_ void **state)
{
	needs_root();
	_cleanup_fixture_ Fixture f = fixture_new(LOWER);
	put_file(f.upper, "etc", "a file now");
	assert_int_equal(mkdirat(f.upper, "lnk", 0755), 0);
	put_file(f.upper, "lnk/x", "");
	assert_diff(&f, "etc lnk/ lnk/x");
}

static void test_opaque(_unused_ void **state)
{
	needs_root();
	_cleanup_fixture_ Fixture f = fixture_new(LOWER);
	/* rm -r etc; mkdir -p etc/sub: hides what was there, and what is the same counts as new. */
	copy_up(&f, "etc", NULL);
	opaque(&f, "etc", "y");
	copy_up(&f, "etc/sub", NULL);
	copy_up(&f, "etc/group", "grp");
	set_mtime(f.upper, "etc", 100);
	assert_diff(&f, "etc/ etc/.wh..wh..opq etc/group etc/sub/");
	/* overlayfs marks every directory made in a merged one: nothing to hide, no marker */
	assert_int_equal(mkdirat(f.upper, "fresh", 0755), 0);
	opaque(&f, "fresh", "y");
	copy_up(&f, "empty", NULL);
	opaque(&f, "empty", "y");
	assert_diff(&f, "etc/ etc/.wh..wh..opq etc/group etc/sub/ fresh/");
	/* "x" is not opaque (spec 64) */
	opaque(&f, "etc", "x");
	assert_diff(&f, "fresh/");
}

static void test_hardlinks(_unused_ void **state)
{
	needs_root();
	_cleanup_fixture_ Fixture f = fixture_new(LOWER);
	put_file(f.upper, "z", "linked");
	assert_int_equal(linkat(f.upper, "z", f.upper, "m", 0), 0);
	assert_int_equal(mkdirat(f.upper, "a", 0755), 0);
	assert_int_equal(linkat(f.upper, "z", f.upper, "a/first", 0), 0);
	/* A name linked to a file of the lower layer: copied up unchanged, and yet both are written. */
	copy_up(&f, "usr", NULL);
	copy_up(&f, "usr/bin", NULL);
	copy_up(&f, "usr/bin/tool", "tool");
	assert_int_equal(linkat(f.upper, "usr/bin/tool", f.upper, "usr/bin/tool2", 0), 0);
	assert_diff(&f,
		"a/ a/first m->a/first usr/ usr/bin/ usr/bin/tool usr/bin/tool2->usr/bin/tool "
		"z->a/first");
}

static void test_sockets(_unused_ void **state)
{
	_cleanup_fixture_ Fixture f = fixture_new(LOWER);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/upper/sock", f.dir.path);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_diff(&f, "");
}

static void test_whiteout_names(_unused_ void **state)
{
	_cleanup_fixture_ Fixture f = fixture_new(LOWER);
	put_file(f.upper, ".wh.trick", "");
	fails(ERR_UNSUPPORTED, run_diff(&f, err));
}

static void test_skip(_unused_ void **state)
{
	needs_root();
	_cleanup_fixture_ Fixture f = fixture_new(LOWER);
	StrVec skip = {0};
	static const char *const made[] = {"etc/hosts", "etc/resolv.conf", "proc",
		"run/secrets/key", "run/secrets", "run", "dev"};
	for (size_t i = 0; i < ARRAY_SIZE(made); i++)
		strvec_push(&skip, made[i]);
	f.options.skip = &skip;
	copy_up(&f, "etc", NULL);
	put_file(f.upper, "etc/hosts", "");
	put_file(f.upper, "etc/resolv.conf", "");
	assert_int_equal(mkdirat(f.upper, "proc", 0755), 0);
	assert_int_equal(mkdirat(f.upper, "run", 0755), 0);
	assert_int_equal(mkdirat(f.upper, "run/secrets", 0755), 0);
	put_file(f.upper, "run/secrets/key", "");
	set_mtime(f.upper, "etc", 12345); /* the stub changed the time, nothing else did */
	assert_diff(&f, "");
	/* Got content: stays, with its parents. */
	put_file(f.upper, "run/secrets/key", "secret, but written by the program");
	assert_diff(&f, "run/ run/secrets/ run/secrets/key");
	assert_int_equal(unlinkat(f.upper, "run/secrets/key", 0), 0);
	put_file(f.upper, "proc/x", "");
	put_file(f.upper, "etc/hosts", "127.0.0.1");
	assert_diff(&f, "etc/ etc/hosts proc/ proc/x");
	/* Another mode of the parent is a change of its own; a link in a stub's place, too. */
	put_file(f.upper, "etc/hosts", "");
	assert_int_equal(unlinkat(f.upper, "proc/x", 0), 0);
	assert_int_equal(fchmodat(f.upper, "etc", 0700, 0), 0);
	assert_int_equal(symlinkat("x", f.upper, "dev"), 0);
	assert_diff(&f, "dev->x etc/");
	strvec_done(&skip);
}

static void test_clamp(_unused_ void **state)
{
	_cleanup_fixture_ Fixture f = fixture_new(LOWER);
	put_file(f.upper, "early", "");
	put_file(f.upper, "late", "");
	set_mtime(f.upper, "early", 500);
	set_mtime(f.upper, "late", 5000);
	f.options.clamp = true;
	f.options.epoch = 1000;
	assert_diff(&f, "early late");
	IndexEntry e;
	index_get(f.result, (size_t)index_find(f.result, STR("early")), &e);
	assert_int_equal(e.mtime, 500);
	index_get(f.result, (size_t)index_find(f.result, STR("late")), &e);
	assert_int_equal(e.mtime, 1000);
}

/* Copy-up noise is noise with an epoch, too: over a base that is not clamped, and over a layer that was. */
static void test_clamp_noise(_unused_ void **state)
{
	needs_root();
	_cleanup_fixture_ Fixture f = fixture_new(
		RAW_TAR({"base", '5', .mtime = 5000}, {"base/f", .body = "x", .mtime = 5000},
			{"ours", '5', .mtime = 1000}, {"ours/f", .body = "x", .mtime = 1000}));
	f.options.clamp = true;
	f.options.epoch = 1000;
	copy_up(&f, "base", NULL);
	copy_up(&f, "base/f", "x");
	set_mtime(f.upper, "base", 5000);
	copy_up(&f, "ours", NULL);
	copy_up(&f, "ours/f", "x");
	set_mtime(f.upper, "ours/f", 7000); /* the unpacked tree has the time before clamping */
	set_mtime(f.upper, "ours", 7000);
	assert_diff(&f, "");
	set_mtime(f.upper, "base/f", 6000);
	assert_diff(&f, "base/ base/f");
}

static void test_xattrs(_unused_ void **state)
{
	needs_root();
	_cleanup_fixture_ Fixture f = fixture_new(LOWER);
	put_file(f.upper, "f", "x");
	_cleanup_close_ int fd = openat(f.upper, "f", O_RDONLY | O_CLOEXEC);
	if (fsetxattr(fd, "user.note", "hello", 5, 0) < 0) {
		print_message("[  SKIPPED ] no user attributes on this file system\n");
		skip();
	}
	assert_int_equal(fsetxattr(fd, "trusted.secret", "1", 1, 0), 0);
	(void)fsetxattr(fd, "user.overlay.origin", "1", 1, 0);
	/* cap_net_raw+ep with a root id becomes version 2 */
	static const uint8_t v3[24] = {
		1, 0, 0, 3, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
	assert_int_equal(fsetxattr(fd, "security.capability", v3, sizeof(v3), 0), 0);
	assert_diff(&f, "f");
	IndexEntry e;
	index_get(f.result, (size_t)index_find(f.result, STR("f")), &e);
	assert_int_equal(e.n_xattrs, 2);
	Str name, value;
	index_xattr(f.result, &e, 0, &name, &value);
	assert_true(str_eq_cstr(name, "security.capability"));
	assert_int_equal(value.len, 20);
	assert_memory_equal(value.ptr, "\1\0\0\2\0\x20\0\0", 8);
	index_xattr(f.result, &e, 1, &name, &value);
	assert_true(str_eq_cstr(name, "user.note") && str_eq_cstr(value, "hello"));
}

static void test_sparse(_unused_ void **state)
{
	_cleanup_fixture_ Fixture f = fixture_new(LOWER);
	put_file(f.upper, "holes", "");
	_cleanup_close_ int fd = openat(f.upper, "holes", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, 3 << 20), 0);
	assert_diff(&f, "holes");
	assert_int_equal(f.blob.len, (3 << 20) + 512 + 1024);
}

/* Everything a directory can hold → layer → applied elsewhere → the same, to the last second and byte. */
static void test_round_trip(_unused_ void **state)
{
	needs_root();
	_cleanup_fixture_ Fixture f = fixture_new(raw_tar(NULL, 0));
	_cleanup_buf_ Buf source = RAW_TAR({"bin", '2', .link = "usr/bin", .mtime = 3},
		{"usr", '5', .mode = 0755, .mtime = 4},
		{"usr/bin", '5', .mode = 02775, .uid = 1, .gid = 2, .mtime = 5},
		{"usr/bin/su", .body = "su", .mode = 04755, .mtime = 6},
		{"usr/bin/b", '1', .link = "usr/bin/su"}, {"dev", '5', .mtime = 7},
		{"dev/null", '3', .mode = 0666, .major = 1, .minor = 3, .mtime = 8},
		{"dev/sda", '4', .mode = 0660, .gid = 6, .major = 8, .minor = 0, .mtime = 9},
		{"tmp", '5', .mode = 01777, .mtime = 10}, {"tmp/p", '6', .mode = 0640, .mtime = 11},
		{"tmp/\xff\xfe odd \n name", .body = "odd", .mtime = 12},
		{"tmp/a.b", .uid = 65534, .gid = 65534, .mtime = 2000000000},
		{"tmp/a/b", .mtime = 13}, {"tmp/shut", '5', .mode = 0, .mtime = 14},
		{"tmp/shut/in", .mode = 0, .mtime = 15});
	_cleanup_(reader_freep) Reader *in = mem_reader_new(source.ptr, source.len);
	ok(apply_layer(in, f.upper, &(ApplyOptions){0}, err));
	ok(run_diff(&f, err));
	_cleanup_close_ int copy = temp_dir_fd(&f.dir, "copy");
	_cleanup_(reader_freep) Reader *layer = mem_reader_new(f.blob.ptr, f.blob.len);
	ok(apply_layer(layer, copy, &(ApplyOptions){0}, err));
	_cleanup_free_ char *before = tree_text(f.upper, true);
	_cleanup_free_ char *after = tree_text(copy, true);
	assert_true(strlen(before) > 400);
	assert_string_equal(before, after);
	/* and the diff of the copy is the same layer, byte for byte */
	_cleanup_buf_ Buf first = f.blob;
	f.blob = (Buf){0};
	closep(&f.upper);
	f.upper = TAKE_FD(copy);
	ok(run_diff(&f, err));
	assert_int_equal(first.len, f.blob.len);
	assert_memory_equal(first.ptr, f.blob.ptr, first.len);
}

/* The real thing: the kernel fills the upper directory, and what we make of it, applied to the lower
 * tree, is what the overlay showed. */
static void test_kernel(_unused_ void **state)
{
	needs_root();
	_cleanup_fixture_ Fixture f = fixture_new(LOWER);
	_cleanup_buf_ Buf tar = LOWER;
	_cleanup_close_ int lower = temp_dir_fd(&f.dir, "lower");
	_cleanup_(reader_freep) Reader *in = mem_reader_new(tar.ptr, tar.len);
	ok(apply_layer(in, lower, &(ApplyOptions){.flags = APPLY_OVERLAY}, err));
	closep(&(int){temp_dir_fd(&f.dir, "work")});
	closep(&(int){temp_dir_fd(&f.dir, "merged")});
	_cleanup_free_ char *merged = xasprintf("%s/merged", f.dir.path);
	/* upper and work on a tmpfs, since the test directory may be on an overlay itself */
	_cleanup_free_ char *scratch = xasprintf("%s/scratch", f.dir.path);
	closep(&(int){temp_dir_fd(&f.dir, "scratch")});
	_cleanup_free_ char *options = xasprintf("lowerdir=%s/lower,upperdir=%s/u,workdir=%s/w,"
						 "redirect_dir=off,metacopy=off,index=off,xino=off",
		f.dir.path, scratch, scratch);
	if (mount("tmpfs", scratch, "tmpfs", 0, "") < 0) {
		print_message("[  SKIPPED ] mounting is not allowed here\n");
		skip();
	}
	int scratch_fd = openat(f.dir.fd, "scratch", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(scratch_fd, "u", 0755), 0);
	assert_int_equal(mkdirat(scratch_fd, "w", 0755), 0);
	if (mount("overlay", merged, "overlay", 0, options) < 0) {
		(void)close(scratch_fd);
		(void)umount2(scratch, MNT_DETACH);
		print_message("[  SKIPPED ] overlayfs is not possible here\n");
		skip();
	}
	_cleanup_free_ char *script = xasprintf(
		"cd %s && rm etc/passwd && echo new >etc/new && rm -r etc/sub && mkdir -p etc/sub/sub && "
		"mv usr/bin/tool usr/bin/tool.old && ln usr/bin/tool.old hard && touch -d @100 usr/bin && "
		"rm lnk && mkdir lnk && mkdir a && mkdir a/b && echo x>a/b/c && chmod 700 empty && "
		"echo gone >gone && rm gone && chmod 0600 etc/group && chmod 0644 etc/group",
		merged);
	int status = system(script);
	int view = openat(f.dir.fd, "merged", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *expected = tree_text(view, true);
	(void)close(view);
	assert_int_equal(umount2(merged, 0), 0);
	closep(&f.upper);
	f.upper = openat(scratch_fd, "u", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_err_ Err *error = NULL;
	int r = run_diff(&f, &error);
	closep(&f.upper);
	(void)close(scratch_fd);
	assert_int_equal(umount2(scratch, MNT_DETACH), 0);
	assert_int_equal(status, 0);
	assert_int_equal(r, 0);
	_cleanup_free_ char *names = tar_names(&f.blob);
	assert_string_equal(names,
		"a/ a/b/ a/b/c empty/ etc/ etc/.wh.passwd etc/new etc/sub/ "
		"etc/sub/.wh..wh..opq etc/sub/sub/ hard lnk/ usr/ usr/bin/ "
		"usr/bin/.wh.tool usr/bin/tool.old->hard");
	_cleanup_(reader_freep) Reader *layer = mem_reader_new(f.blob.ptr, f.blob.len);
	ok(apply_layer(layer, lower, &(ApplyOptions){0}, err));
	_cleanup_free_ char *applied = tree_text(lower, true);
	assert_string_equal(applied, expected);
}

int main(void)
{
	private_mounts();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_new_files),
		cmocka_unit_test(test_copy_up_noise),
		cmocka_unit_test(test_dir_metadata),
		cmocka_unit_test(test_whiteouts),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_opaque),
		cmocka_unit_test(test_hardlinks),
		cmocka_unit_test(test_sockets),
		cmocka_unit_test(test_whiteout_names),
		cmocka_unit_test(test_skip),
		cmocka_unit_test(test_clamp),
		cmocka_unit_test(test_clamp_noise),
		cmocka_unit_test(test_xattrs),
		cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_kernel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
