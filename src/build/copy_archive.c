/*
 * ADD of a tar. The archive decides names, so nothing of it is believed: the tar reader refuses "..", and every
 * parent directory is resolved here against what the stage and the entries before have, with symlinks followed
 * inside the root as extraction in a chroot would do. An entry whose own place holds a symlink replaces it.
 */
#include "build/copy_int.h"

#include "base/limits.h"

#define SNIFF_BYTES 1024

int copy_is_archive(CopyPlan *p, const CopyEntry *e, bool *ret, Err **err)
{
	_cleanup_(reader_freep) Reader *raw = NULL, *plain = NULL;
	*ret = false;
	int r = copy_open_body(p, e, &raw, err);
	if (r < 0)
		return r;
	/* a broken stream behind a good magic is an ordinary file (42) */
	if (decompress_reader_auto(TAKE_PTR(raw), NULL, NULL, &plain, NULL) < 0)
		return 0;
	_cleanup_(tar_reader_freep) TarReader *tar = tar_reader_new(plain);
	TarEntry *entry = NULL;
	*ret = tar_reader_next(tar, &entry, NULL) == 1;
	return 0;
}

/* What the archive has put into the layer so far, on top of the stage. */
typedef struct Unpack {
	CopyPlan *plan;
	const char *dest;
	Map made; /* path → char *: "" = directory, "=" = other non-link, else "@" + symlink target */
	Map later; /* paths that a later source of the instruction replaces by what is no directory */
	LayerWriter *out;
} Unpack;

/* Kind of the node at path: 'd' directory, 'l' link (*ret_link owned), 'f' anything else, 0 absent. */
static char node_kind(const Unpack *u, Str path, char **ret_link)
{
	const char *made = map_get(&u->made, path);
	TreeNode node;
	if (path.len == 0)
		return 'd';
	if (made && made[0] == '@')
		*ret_link = xstrdup(made + 1);
	if (made)
		return made[0] == '@' ? 'l' : made[0] == '=' ? 'f' : 'd';
	/* --link: the layer must not depend on what is below */
	if (u->plan->op->link || !tree_lookup(u->plan->onto->tree, path, &node))
		return 0;
	if (node.entry.type == TAR_SYMLINK)
		*ret_link = str_dup(node.entry.link);
	return node.entry.type == TAR_SYMLINK ? 'l' : node.entry.type == TAR_DIR ? 'd' : 'f';
}

/* Real path of a directory path, links followed inside the root; missing parts are kept as they are. */
static int resolve_dir(const Unpack *u, Str path, char **ret, Err **err)
{
	_cleanup_free_ char *done = xstrdup(""), *todo = str_dup(path);
	unsigned links = 0;
	while (*todo) {
		Str rest = str_of(todo), word = {0};
		_cleanup_free_ char *link = NULL;
		str_cut(&rest, '/', &word);
		char *next = *done ? xasprintf("%s/" STR_FMT, done, STR_ARG(word)) : str_dup(word);
		char *behind = rest.ptr ? str_dup(rest) : xstrdup("");
		if (node_kind(u, str_of(next), &link) == 'l') {
			if (++links > LIMIT_SYMLINKS) {
				free(next);
				free(behind);
				return err_set(err, ERR_CORRUPT,
					"'" STR_FMT "': too many levels of links", STR_ARG(path));
			}
			_cleanup_free_ char *base = xasprintf("/%s", done);
			_cleanup_free_ char *target = path_join(str_of(base), str_of(link));
			free(next);
			free(todo);
			todo = *behind ? xasprintf("%s/%s", target + 1, behind)
				       : xstrdup(target + 1);
			free(behind);
			done[0] = '\0'; /* target is absolute: start again at the root */
			continue;
		}
		free(done);
		free(todo);
		done = next;
		todo = behind;
	}
	*ret = TAKE_PTR(done);
	return 0;
}

static char *under(const char *dir, const char *path)
{
	if (!*path)
		return xstrdup(dir);
	return *dir ? xasprintf("%s/%s", dir, path) : xstrdup(path);
}

/* Place of an entry: parents resolved, last component as it is. */
static int place(const Unpack *u, const char *path, char **ret, Err **err)
{
	_cleanup_free_ char *whole = under(u->dest, path), *dir = NULL;
	char *slash = strrchr(whole, '/');
	if (!slash) {
		*ret = TAKE_PTR(whole);
		return 0;
	}
	int r = resolve_dir(u, (Str){whole, (size_t)(slash - whole)}, &dir, err);
	if (r == 0)
		*ret = under(dir, slash + 1);
	return r;
}

static int add_entry(Unpack *u, Reader *body, const TarEntry *e, Err **err)
{
	const CopyPlan *p = u->plan;
	_cleanup_free_ char *path = NULL, *link = NULL, *old_link = NULL;
	TarEntry t = *e;
	int r = place(u, e->path, &path, err);
	if (r == 0 && e->type == TAR_HARDLINK) {
		r = place(u, e->link, &link, err);
		if (r == 0 && node_kind(u, str_of(link), &old_link) == 0)
			return err_set(err, ERR_CORRUPT,
				"'%s' is a hard link to '%s', which is not there", e->path,
				e->link);
	}
	if (r < 0 || !*path)
		return r;
	if (e->type != TAR_DIR && map_has(&u->later, str_of(path)))
		return 0;
	char kind = node_kind(u, str_of(path), &old_link);
	if (e->type != TAR_DIR && kind == 'd')
		return err_set(
			err, ERR_EXISTS, "cannot replace the directory '/%s' with a file", path);
	/* the archive's own root must not change a destination that is there (42) */
	if (!*e->path && kind == 'd')
		return 0;
	t.path = path;
	if (link)
		t.link = link;
	if (p->owner.has_uid)
		t.uid = p->owner.uid;
	if (p->owner.has_gid)
		t.gid = p->owner.gid;
	if (p->mode && t.type != TAR_SYMLINK)
		t.mode = mode_apply(p->mode, t.mode, t.type == TAR_DIR);
	if (p->op->clamp && t.mtime > p->op->epoch)
		t.mtime = p->op->epoch;
	const char *note = t.type == TAR_DIR ? "" : "=";
	map_put(&u->made, str_of(path),
		t.type == TAR_SYMLINK ? xasprintf("@%s", e->link) : xstrdup(note));
	return layer_writer_add(u->out, &t, t.type == TAR_FILE ? body : NULL, err);
}

/* Body of the tar reader's current entry as a Reader. */
typedef struct BodyReader {
	Reader reader;
	TarReader *tar;
} BodyReader;

static ssize_t body_read(Reader *r, void *buf, size_t len, Err **err)
{
	return tar_reader_body(((BodyReader *)r)->tar, buf, len, err);
}

static void body_free(Reader *r _unused_)
{
}

int copy_unpack_archive(CopyPlan *p, const CopyArchive *a, LayerWriter *out, Err **err)
{
	static const ReaderOps ops = {body_read, body_free};
	ERR_SCOPE(err, "Unpacking '%s'", a->source.path);
	_cleanup_(reader_freep) Reader *raw = NULL, *plain = NULL;
	Unpack u = {.plan = p,
		.dest = a->dest,
		.made = MAP_INIT(free),
		.later = MAP_INIT(NULL),
		.out = out};
	int r = copy_open_body(p, &a->source, &raw, err);
	if (r == 0)
		r = decompress_reader_auto(TAKE_PTR(raw), NULL, NULL, &plain, err);
	if (r < 0)
		return r;
	vec_foreach (&p->entries, e) {
		map_put(&u.made, str_of(e->path),
			e->type == TAR_SYMLINK ? xasprintf("@%s", e->link)
					       : xstrdup(e->type == TAR_DIR ? "" : "="));
		if (e->type != TAR_DIR && e->order > a->order)
			map_put(&u.later, str_of(e->path), e);
	}
	_cleanup_(tar_reader_freep) TarReader *tar = tar_reader_new(plain);
	BodyReader body = {.reader = {&ops}, .tar = tar};
	TarEntry *e = NULL;
	while ((r = tar_reader_next(tar, &e, err)) == 1) {
		r = add_entry(&u, &body.reader, e, err);
		if (r < 0)
			break;
	}
	map_done(&u.made);
	map_done(&u.later);
	return r;
}
