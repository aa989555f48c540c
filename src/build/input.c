/*
 * What a build starts from: tags and arguments are checked first, then the context is found (a directory, or
 * a tar or a bare Dockerfile on standard input), the Dockerfile and its ignore file are read. Nothing has run
 * when any of this fails.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "base/readahead.h"
#include "build/build_int.h"
#include "dockerfile/ignore.h"
#include "layer/apply.h"
#include "sys/root.h"

#define SNIFF_SIZE 512 /* one tar header */

/* Gives back what was read to look at it, then the rest. */
typedef struct PeekReader {
	Reader base;
	Reader *rest; /* owned */
	char head[SNIFF_SIZE];
	size_t len, pos;
} PeekReader;

static ssize_t peek_read(Reader *r, void *buf, size_t len, Err **err)
{
	PeekReader *p = (PeekReader *)r;
	if (p->pos == p->len)
		return reader_read(p->rest, buf, len, err);
	size_t n = MIN(len, p->len - p->pos);
	memcpy(buf, p->head + p->pos, n);
	p->pos += n;
	return (ssize_t)n;
}

static void peek_free(Reader *r)
{
	reader_free(((PeekReader *)r)->rest);
	free(r);
}

static int peek_new(Reader *rest, PeekReader **ret, Err **err)
{
	static const ReaderOps ops = {peek_read, peek_free};
	PeekReader *p = xnew(PeekReader);
	p->base.ops = &ops;
	p->rest = rest;
	ssize_t n = reader_read_up_to(rest, p->head, sizeof(p->head), err);
	if (n < 0) {
		peek_free(&p->base);
		return (int)n;
	}
	p->len = (size_t)n;
	*ret = p;
	return 0;
}

static bool looks_like_tar(const PeekReader *p)
{
	if (compression_sniff(p->head, p->len) != COMPRESSION_NONE)
		return true;
	return p->len == SNIFF_SIZE && memcmp(p->head + 257, "ustar", 5) == 0;
}

static int read_dockerfile(Reader *in, Buf *ret, Err **err)
{
	int r = reader_read_all(in, ret, err);
	if (r < 0)
		err_prefix(err, "Dockerfile");
	return r;
}

static int extract(Build *b, Reader *tar, Err **err)
{
	ERR_SCOPE(err, "Context on standard input");
	_cleanup_close_ int fd =
		openat(store_temp_fd(b->input), "context", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "open 'context'");
	ApplyOptions options = {.flags = APPLY_KEEP_OWNER | APPLY_NO_DEVICES | APPLY_NO_WHITEOUTS};
	return apply_layer(tar, fd, &options, err);
}

/* Context "-": the directory it is unpacked to, or an empty one beside a bare Dockerfile. */
static int input_stdin(Build *b, Buf *dockerfile, Err **err)
{
	PeekReader *peek = NULL;
	_cleanup_(reader_freep) Reader *in = NULL;
	if (b->options->file && strcmp(b->options->file, "-") == 0)
		return err_set(err, ERR_USAGE,
			"standard input cannot be both the context and the Dockerfile");
	int r = store_temp_new(b->store, &b->input, err);
	if (r == 0)
		r = mkdir_p(store_temp_fd(b->input), "context", 0755, err);
	if (r == 0)
		r = peek_new(fd_reader_new(STDIN_FILENO, false, "standard input"), &peek, err);
	if (r < 0)
		return r;
	b->context.dir = xasprintf("%s/context", store_temp_path(b->input));
	in = &peek->base;
	if (!looks_like_tar(peek)) {
		if (b->options->file)
			return err_set(err, ERR_USAGE,
				"standard input is no tar: '%s' cannot be in it", b->options->file);
		return read_dockerfile(in, dockerfile, err);
	}
	Reader *plain = NULL;
	r = decompress_reader_auto(TAKE_PTR(in), NULL, NULL, &plain, err);
	if (r < 0)
		return r;
	in = read_ahead_new(plain);
	return extract(b, in, err);
}

static int input_directory(Build *b, Err **err)
{
	const char *dir = b->options->context ? b->options->context : ".";
	struct stat st;
	if (strstr(dir, "://") || cstr_starts(dir, "git@")) {
		int r = err_set(err, ERR_UNSUPPORTED, "context '%s' is an address", dir);
		err_hint(err,
			"fetch it first: git clone, then build the directory; or pipe a tar "
			"into 'cruet build -'");
		return r;
	}
	if (stat(dir, &st) < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(err, ERR_NOT_FOUND, "context '%s' does not exist", dir);
	if (stat(dir, &st) < 0)
		return err_sys(err, "context '%s'", dir);
	if (!S_ISDIR(st.st_mode)) {
		int r = err_set(err, ERR_USAGE, "context '%s' is not a directory", dir);
		err_hint(err, "name the Dockerfile with -f, and give its directory as the context");
		return r;
	}
	b->context.dir = xstrdup(dir);
	return 0;
}

/* The Dockerfile's path, or that of its ignore file. In an unpacked context links stay inside. */
static int open_input(Build *b, const char *file, int *ret_fd, Err **err)
{
	if (b->input) {
		_cleanup_close_ int root = open(b->context.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (root < 0)
			return err_sys(err, "open '%s'", b->context.dir);
		return root_open(root, file, O_RDONLY | O_CLOEXEC, 0, ret_fd, err);
	}
	*ret_fd = open(file, O_RDONLY | O_CLOEXEC);
	if (*ret_fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(err, ERR_NOT_FOUND, "'%s' does not exist", file);
	return *ret_fd < 0 ? err_sys(err, "open '%s'", file) : 0;
}

static int missing_dockerfile(const Build *b, const char *shown, Err **err)
{
	_cleanup_free_ char *other = xasprintf("%s/Containerfile", b->context.dir);
	int r = err_set(err, ERR_NOT_FOUND, "there is no Dockerfile '%s'", shown);
	if (access(other, F_OK) == 0)
		err_hint(err, "there is a Containerfile: name it with -f %s", other);
	else
		err_hint(err, "name it with -f FILE, or use - to read it from standard input");
	return r;
}

static int input_file(Build *b, Buf *text, char **ret_path, Err **err)
{
	const char *file = b->options->file;
	_cleanup_close_ int fd = -1;
	_cleanup_err_ Err *e = NULL;
	if (file && strcmp(file, "-") == 0) {
		*ret_path = xstrdup("Dockerfile");
		_cleanup_(reader_freep) Reader *in =
			fd_reader_new(STDIN_FILENO, false, "standard input");
		return read_dockerfile(in, text, err);
	}
	if (file)
		*ret_path = xstrdup(file);
	else if (b->input || strcmp(b->context.dir, ".") == 0)
		*ret_path = xstrdup("Dockerfile");
	else
		*ret_path = xasprintf("%s/Dockerfile", b->context.dir);
	int r = open_input(b, *ret_path, &fd, &e);
	if (r < 0 && !file && err_is(e, ERR_NOT_FOUND)) {
		/* as BuildKit does */
		_cleanup_free_ char *lower = xstrdup(*ret_path);
		lower[strlen(lower) - strlen("Dockerfile")] = 'd';
		r = open_input(b, lower, &fd, NULL);
		if (r == 0) {
			free(*ret_path);
			*ret_path = TAKE_PTR(lower);
		}
	}
	if (r < 0)
		return err_is(e, ERR_NOT_FOUND) ? missing_dockerfile(b, *ret_path, err)
						: err_move(err, &e);
	_cleanup_(reader_freep) Reader *in = fd_reader_new(TAKE_FD(fd), true, *ret_path);
	return read_dockerfile(in, text, err);
}

static int read_ignore(Build *b, const char *path, bool *ret_found, Err **err)
{
	_cleanup_buf_ Buf text = BUF_INIT(LIMIT_DOCKERFILE_SIZE);
	_cleanup_err_ Err *e = NULL;
	int fd = -1;
	if (open_input(b, path, &fd, &e) < 0)
		return err_is(e, ERR_NOT_FOUND) ? 0 : err_move(err, &e);
	_cleanup_(reader_freep) Reader *in = fd_reader_new(fd, true, path);
	int r = reader_read_all(in, &text, err);
	if (r < 0) {
		err_prefix(err, "'%s'", path);
		return r;
	}
	*ret_found = true;
	return ignore_parse(buf_view(&text), path, &b->context.patterns, err);
}

/* The first of the two that exists: "<Dockerfile>.dockerignore", ".dockerignore" of the context (1.5). */
static int input_ignore(Build *b, const char *dockerfile, Err **err)
{
	char *paths[] = {
		xasprintf("%s.dockerignore", dockerfile),
		b->input ? xstrdup(".dockerignore") : xasprintf("%s/.dockerignore", b->context.dir),
	};
	int r = 0;
	bool found = false;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		if (r == 0 && !found)
			r = read_ignore(b, paths[i], &found, err);
		free(paths[i]);
	}
	return r;
}

static int parse_tags(Build *b, Err **err)
{
	const StrVec *tags = &b->options->tags;
	for (size_t i = 0; i < tags->len; i++) {
		Reference ref = {0};
		int r = reference_parse(str_of(tags->items[i]), &ref, err);
		if (r == 0 && ref.has_digest)
			r = err_set(err, ERR_USAGE,
				"tag '%s' names a digest, which only the "
				"content can give",
				tags->items[i]);
		if (r < 0) {
			reference_done(&ref);
			return r;
		}
		strvec_take(&b->names, reference_full(&ref));
		reference_done(&ref);
	}
	return 0;
}

static int check_options(Build *b, Err **err)
{
	const BuildOptions *o = b->options;
	if (o->network && strcmp(o->network, "host") != 0 && strcmp(o->network, "none") != 0 &&
		strcmp(o->network, "default") != 0)
		return err_set(err, ERR_USAGE, "the network is host or none, not '%s'", o->network);
	for (size_t i = 0; i < o->labels.len; i++)
		if (!*o->labels.items[i] || o->labels.items[i][0] == '=')
			return err_set(err, ERR_USAGE, "label '%s' has no key", o->labels.items[i]);
	for (size_t i = 0; i < o->add_hosts.len; i++)
		if (!strpbrk(o->add_hosts.items[i], ":="))
			return err_set(
				err, ERR_USAGE, "host '%s' is not NAME:IP", o->add_hosts.items[i]);
	if (!o->platform) {
		platform_host(&b->platform);
		return 0;
	}
	return platform_parse(str_of(o->platform), &b->platform, err);
}

/* --build-arg wins; the environment's value also becomes a build argument, so that "ARG SOURCE_DATE_EPOCH" sees it. */
static int input_epoch(Build *b, Err **err)
{
	const char *name = "SOURCE_DATE_EPOCH";
	const char *text = build_args_get(&b->args, name);
	if (!text && getenv(name)) {
		_cleanup_strvec_ StrVec given = {0};
		strvec_push(&given, name);
		int r = build_args_init(&b->args, &given, b->args.escape, err);
		if (r < 0)
			return r;
		text = build_args_get(&b->args, name);
	}
	return epoch_parse(text, &b->epoch, err);
}

int build_input(Build *b, Err **err)
{
	_cleanup_buf_ Buf text = BUF_INIT(LIMIT_DOCKERFILE_SIZE);
	_cleanup_free_ char *path = NULL;
	int r = check_options(b, err);
	if (r == 0)
		r = parse_tags(b, err);
	if (r == 0)
		r = build_args_init(&b->args, &b->options->build_args, '\\', err);
	if (r == 0)
		r = input_epoch(b, err);
	if (r < 0)
		return r;
	bool from_stdin = b->options->context && strcmp(b->options->context, "-") == 0;
	r = from_stdin ? input_stdin(b, &text, err) : input_directory(b, err);
	if (r == 0 && from_stdin && text.ptr)
		path = xstrdup("Dockerfile");
	else if (r == 0)
		r = input_file(b, &text, &path, err);
	if (r == 0)
		r = dockerfile_parse(buf_view(&text), path, &b->dockerfile, err);
	if (r == 0)
		r = input_ignore(b, path, err);
	if (r < 0)
		return r;
	b->args.escape = b->dockerfile->escape;
	vec_foreach (&b->dockerfile->warnings, w)
		progress_warn(b->progress, b->dockerfile->path, w->line, "%s", w->text);
	return 0;
}
