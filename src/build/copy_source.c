#include <fcntl.h>
#include <sys/sysmacros.h>

#include "base/cancel.h"

#include "build/copy_int.h"

void sources_done(Sources *all)
{
	vec_foreach (all, s) {
		free(s->path);
		free(s->shown);
		free(s->parents);
	}
	vec_done(all);
}

/* ---- selection ---- */

/* COPY --parents keeps the directories behind a "/./" pivot, or all of them (36). */
static char *kept_parents(Str word, const char *path)
{
	const char *pivot = memmem(word.ptr, word.len, "/./", 3);
	Str real = str_of(path);
	if (pivot) {
		_cleanup_free_ char *head = path_clean((Str){word.ptr, (size_t)(pivot - word.ptr)});
		const char *skip = head[0] == '/' ? head + 1 : head;
		size_t n = strcmp(skip, ".") == 0 ? 0 : strlen(skip);
		if (real.len >= n && memcmp(real.ptr, skip, n) == 0)
			real = str_slice(real, n, real.len);
		while (real.len && real.ptr[0] == '/')
			real = str_slice(real, 1, real.len);
	}
	ssize_t slash = str_rfind(real, '/');
	return slash < 0 ? xstrdup("") : str_dup(str_slice(real, 0, (size_t)slash));
}

static int add_source(CopyPlan *p, const char *word, const char *path, Sources *ret, Err **err)
{
	_cleanup_free_ char *real = NULL;
	bool is_dir = false;
	if (p->op->context) {
		struct stat st;
		int r = context_resolve(p->op->context, path, &real, err);
		if (r < 0)
			return r;
		if (fstatat(context_fd(p->op->context), *real ? real : ".", &st,
			    AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(err, "'%s'", path);
		is_dir = S_ISDIR(st.st_mode);
	} else {
		TreeNode node;
		bool found = false;
		int r = tree_resolve(
			p->op->from->tree, str_of(path), true, false, &real, &found, &node, NULL);
		if (r < 0 || !found)
			return err_set(
				err, ERR_NOT_FOUND, "'%s' is not in %s", path, p->op->from_name);
		is_dir = node.entry.type == TAR_DIR;
	}
	const char *slash = strrchr(path, '/');
	Source *s = vec_add(ret);
	s->shown = xstrdup(slash ? slash + 1 : path);
	s->path = TAKE_PTR(real);
	s->is_dir = is_dir;
	if (p->op->parents)
		s->parents = kept_parents(str_of(word), path);
	return 0;
}

/* Names directly below a directory of the stack. */
typedef struct Listing {
	Str dir;
	StrVec names;
} Listing;

static int list_name(void *arg, const TreeNode *node, Err **err _unused_)
{
	Listing *l = arg;
	Str path = node->entry.path;
	if (str_eq(path, l->dir))
		return 0;
	strvec_push_str(&l->names, str_slice(path, l->dir.len + (l->dir.len > 0), path.len));
	return 1;
}

/* Like context_glob, over a merged tree. */
static int glob_tree(const Tree *tree, const char *dir, Str pattern, StrVec *ret, Err **err)
{
	Str rest = pattern, component = {0};
	_cleanup_free_ char *real = NULL;
	bool found = false;
	TreeNode node;
	str_cut(&rest, '/', &component);
	if (tree_resolve(tree, str_of(dir), true, false, &real, &found, &node, NULL) < 0 ||
		!found || node.entry.type != TAR_DIR)
		return 0;
	Listing l = {.dir = str_of(real)};
	int r = tree_walk(tree, l.dir, list_name, &l, err);
	for (size_t i = 0; r == 0 && i < l.names.len; i++) {
		bool match = false;
		r = glob_match(component, str_of(l.names.items[i]), &match, err);
		if (r < 0 || !match)
			continue;
		_cleanup_free_ char *path = *dir ? xasprintf("%s/%s", dir, l.names.items[i])
						 : xstrdup(l.names.items[i]);
		if (rest.ptr)
			r = glob_tree(tree, path, rest, ret, err);
		else
			strvec_push(ret, path);
	}
	strvec_done(&l.names);
	return r;
}

/* Every path of the source tree that a pattern with "**" covers (COPY --parents only). */
typedef struct Sweep {
	GlobSet *set;
	StrVec *paths;
} Sweep;

static int sweep_node(void *arg, const TreeNode *node, Err **err _unused_)
{
	Sweep *s = arg;
	if (node->entry.path.len && globset_match(s->set, node->entry.path)) {
		strvec_push_str(s->paths, node->entry.path);
		return 1;
	}
	return 0;
}

static int glob_deep(CopyPlan *p, Str pattern, StrVec *ret, Err **err)
{
	_cleanup_strvec_ StrVec patterns = {0};
	_cleanup_(globset_freep) GlobSet *set = NULL;
	strvec_push_str(&patterns, pattern);
	int r = globset_new(&patterns, &set, err);
	if (r < 0)
		return r;
	if (!p->op->context) {
		Sweep sweep = {set, ret};
		return tree_walk(p->op->from->tree, STR(""), sweep_node, &sweep, err);
	}
	ContextEntries all = {0};
	r = context_walk(p->op->context, "", &all, err);
	vec_foreach (&all, e) {
		const char *last = ret->len ? ret->items[ret->len - 1] : NULL;
		size_t n = last ? strlen(last) : 0;
		bool below = last && strncmp(e->path, last, n) == 0 && e->path[n] == '/';
		if (*e->path && !below && globset_match(set, str_of(e->path)))
			strvec_push(ret, e->path);
	}
	context_entries_done(&all);
	return r;
}

int copy_select(CopyPlan *p, const char *word, Sources *ret, bool *ret_wild, Err **err)
{
	/* "..", "/" and "." are taken as if the source tree were the root (26, 31) */
	_cleanup_free_ char *rooted = path_join(STR("/"), str_of(word));
	_cleanup_free_ char *clean = path_clean(str_of(rooted));
	const char *path = clean[0] == '/' ? clean + 1 : clean;
	_cleanup_strvec_ StrVec matches = {0};
	int r = 0;
	*ret_wild = glob_has_magic(str_of(path));
	if (!*ret_wild) {
		r = add_source(p, word, path, ret, err);
		if (r < 0 && err && err_is(*err, ERR_NOT_FOUND) && cstr_starts(word, "..") &&
			p->op->context)
			err_hint(err,
				"'..' does not lead out of the context: give that directory with "
				"--build-context NAME=DIR and use COPY --from=NAME");
		return r;
	}
	if (p->op->parents && strstr(path, "**"))
		r = glob_deep(p, str_of(path), &matches, err);
	else if (p->op->context)
		r = context_glob(p->op->context, str_of(path), &matches, err);
	else
		r = glob_tree(p->op->from->tree, "", str_of(path), &matches, err);
	for (size_t i = 0; r == 0 && i < matches.len; i++) {
		_cleanup_err_ Err *e = NULL;
		r = add_source(p, word, matches.items[i], ret, &e);
		if (r < 0 && err_is(e, ERR_NOT_FOUND))
			r = 0; /* a match that leads nowhere: ignored, or a broken link */
		else if (r < 0)
			return err_move(err, &e);
	}
	return r;
}

/* ---- gathering ---- */

static Str path_below(Str path, size_t root_len)
{
	return str_slice(path, MIN(path.len, root_len + (root_len > 0)), path.len);
}

typedef struct LinkKey {
	uint64_t dev, ino;
} LinkKey;

/* The first name of an inode is the file, the others are hard links to it (37). */
static bool link_to_first(Map *seen, const void *key, size_t key_len, CopyEntry *e)
{
	char *first = map_get(seen, (Str){key, key_len});
	if (!first) {
		map_put(seen, (Str){key, key_len}, e->path);
		return false;
	}
	e->type = TAR_HARDLINK;
	e->link = first;
	e->body = BODY_NONE;
	return true;
}

static int gather_context_entry(
	CopyPlan *p, ContextEntry *c, Str dest, Str below, Map *links, Err **err)
{
	const struct stat *st = &c->st;
	CopyEntry *e = copy_add(p, dest, below, TAR_FILE);
	e->mode = st->st_mode & 07777;
	e->mtime = st->st_mtim.tv_sec;
	e->context = c;
	switch (st->st_mode & S_IFMT) {
	case S_IFREG: {
		LinkKey key = {st->st_dev, st->st_ino};
		if (st->st_nlink > 1 && link_to_first(links, &key, sizeof(key), e))
			return 0;
		e->size = (uint64_t)st->st_size;
		e->body = BODY_CONTEXT;
		return 0;
	}
	case S_IFDIR:
		e->type = TAR_DIR;
		return 0;
	case S_IFLNK:
		e->type = TAR_SYMLINK;
		e->mode = 0777;
		e->link = c->link;
		return 0;
	case S_IFIFO:
		e->type = TAR_FIFO;
		return 0;
	case S_IFCHR:
	case S_IFBLK:
		e->type = S_ISCHR(st->st_mode) ? TAR_CHAR : TAR_BLOCK;
		e->dev_major = gnu_dev_major(st->st_rdev);
		e->dev_minor = gnu_dev_minor(st->st_rdev);
		return 0;
	default:
		return err_set(
			err, ERR_UNSUPPORTED, "'%s' is of a type that no layer can hold", c->path);
	}
}

static int gather_context(CopyPlan *p, const Source *s, const char *dest, Err **err)
{
	ContextEntries *walk = xnew(ContextEntries);
	_cleanup_map_ Map links = MAP_INIT(NULL);
	vec_push(&p->walks, walk);
	int r = context_walk(p->op->context, s->path, walk, err);
	if (r < 0)
		return r;
	size_t root_len = strlen(s->path);
	vec_reserve(&p->entries, p->entries.len + walk->len);
	for (size_t i = 0; r == 0 && i < walk->len; i++) {
		Str below = path_below(str_of(walk->items[i].path), root_len);
		if (below.len && globset_match(p->excludes, below))
			continue;
		r = gather_context_entry(p, &walk->items[i], str_of(dest), below, &links, err);
	}
	return r;
}

typedef struct TreeGather {
	CopyPlan *plan;
	const char *dest;
	size_t root_len;
	Map links; /* (layer, number) of the real file → first path copied */
	Map named; /* the same keys for every hard link in the subtree, to know which files need `links` */
} TreeGather;

static int note_hardlink(void *arg, const TreeNode *node, Err **err _unused_)
{
	TreeGather *g = arg;
	TreeNode target;
	if (node->entry.type == TAR_HARDLINK &&
		tree_hardlink_target(g->plan->op->from->tree, node, &target)) {
		LinkKey key = {target.layer, target.number};
		map_put(&g->named, (Str){(void *)&key, sizeof(key)}, g);
	}
	return 0;
}

static const TreeNode *keep_node(CopyPlan *p, const TreeNode *node)
{
	TreeNode *ret = arena_alloc(&p->arena, sizeof(*ret));
	*ret = *node;
	return ret;
}

static int gather_node(void *arg, const TreeNode *found, Err **err)
{
	TreeGather *g = arg;
	CopyPlan *p = g->plan;
	Str below = path_below(found->entry.path, g->root_len);
	if (below.len && globset_match(p->excludes, below))
		return 0;
	TreeNode node = *found;
	if (node.entry.type == TAR_HARDLINK &&
		!tree_hardlink_target(p->op->from->tree, found, &node))
		return err_set(err, ERR_CORRUPT, "'" STR_FMT "' in %s is a hard link to nothing",
			STR_ARG(found->entry.path), p->op->from_name);
	CopyEntry *e = copy_add(p, str_of(g->dest), below, node.entry.type);
	e->mode = node.entry.mode;
	e->uid = node.entry.uid;
	e->gid = node.entry.gid;
	e->mtime = node.entry.mtime;
	e->dev_major = node.entry.dev_major;
	e->dev_minor = node.entry.dev_minor;
	e->node = keep_node(p, &node);
	if (node.entry.type == TAR_SYMLINK)
		e->link = arena_str(&p->arena, node.entry.link);
	if (node.entry.type != TAR_FILE)
		return 0;
	LinkKey key = {node.layer, node.number};
	if (map_has(&g->named, (Str){(void *)&key, sizeof(key)}) &&
		link_to_first(&g->links, &key, sizeof(key), e))
		return 0;
	e->size = node.entry.size;
	e->body = BODY_STACK;
	e->digest = node.entry.digest;
	e->has_digest = !digest_is_zero(&node.entry.digest);
	return 0;
}

int copy_gather(CopyPlan *p, const Source *s, const char *dest, Err **err)
{
	if (p->op->context)
		return gather_context(p, s, dest, err);
	TreeGather g = {
		.plan = p,
		.dest = dest,
		.root_len = strlen(s->path),
		.links = MAP_INIT(NULL),
		.named = MAP_INIT(NULL),
	};
	const Tree *tree = p->op->from->tree;
	int r = tree_walk(tree, str_of(s->path), note_hardlink, &g, err);
	if (r == 0)
		r = tree_walk(tree, str_of(s->path), gather_node, &g, err);
	map_done(&g.links);
	map_done(&g.named);
	return r;
}

int copy_gather_parents(CopyPlan *p, const Source *s, const char *dest, Err **err)
{
	Str kept = str_of(s->parents);
	Str path = str_of(s->path);
	size_t skip = path.len; /* length of the part above what is kept */
	ssize_t slash = str_rfind(path, '/');
	Str dir = slash < 0 ? STR("") : str_slice(path, 0, (size_t)slash);
	if (!kept.len || !str_ends(dir, s->parents))
		return 0;
	skip = dir.len - kept.len;
	for (size_t end = 1; end <= kept.len; end++) {
		if (end < kept.len && kept.ptr[end] != '/')
			continue;
		_cleanup_free_ char *source = str_dup(str_slice(dir, 0, skip + end));
		CopyEntry *e = copy_add(p, str_of(dest), str_slice(kept, 0, end), TAR_DIR);
		e->mode = 0755;
		e->mtime = p->now;
		struct stat st;
		TreeNode node;
		if (p->op->context && fstatat(context_fd(p->op->context), source, &st, 0) == 0) {
			e->mode = st.st_mode & 07777;
			e->mtime = st.st_mtim.tv_sec;
		} else if (p->op->from && tree_lookup(p->op->from->tree, str_of(source), &node)) {
			e->mode = node.entry.mode;
			e->uid = node.entry.uid;
			e->gid = node.entry.gid;
			e->mtime = node.entry.mtime;
			e->node = keep_node(p, &node);
		}
	}
	return cancel_check(err);
}
