#include "build/copy_int.h"

#include "build/fetch.h"

/* Where a source goes: `dir` says that the destination is a directory, so that a file keeps its own name. */
typedef struct Destination {
	char *path; /* real path in the stage, no leading '/' */
	bool dir;
	bool exists;
	TreeNode node; /* when exists */
} Destination;

static int destination(CopyPlan *p, Destination *ret, Err **err)
{
	const char *text = p->op->dest;
	Destination d = {0};
	Str word = str_of(text);
	d.dir = word.len == 0 || str_ends(word, "/") || str_ends(word, "/.") ||
		str_eq_cstr(word, ".");
	if (p->op->link) {
		_cleanup_free_ char *rooted = path_join(STR("/"), word);
		d.path = xstrdup(rooted + 1);
	} else {
		int r = tree_resolve(
			p->onto->tree, word, true, true, &d.path, &d.exists, &d.node, err);
		if (r < 0)
			return r;
	}
	if (d.exists && d.node.entry.type == TAR_DIR) {
		d.dir = true;
	} else if (d.exists && d.dir) {
		int r = err_set(err, ERR_EXISTS, "cannot copy to non-directory '/%s'", d.path);
		free(d.path);
		return r;
	}
	*ret = d;
	return 0;
}

static char *below(const char *dir, const char *name)
{
	if (!*name)
		return xstrdup(dir);
	return *dir ? xasprintf("%s/%s", dir, name) : xstrdup(name);
}

/* One selected file or directory (26, 36). */
static int place_source(CopyPlan *p, const Source *s, const Destination *d, Err **err)
{
	_cleanup_free_ char *target = NULL;
	int r = 0;
	if (p->op->parents) {
		r = copy_gather_parents(p, s, d->path, err);
		if (r < 0)
			return r;
		_cleanup_free_ char *dir = below(d->path, s->parents);
		target = below(dir, s->shown);
		return copy_gather(p, s, target, err);
	}
	if (s->is_dir) {
		if (d->exists && d->node.entry.type != TAR_DIR)
			return err_set(
				err, ERR_EXISTS, "cannot copy to non-directory '/%s'", d->path);
		size_t first = p->entries.len;
		r = copy_gather(p, s, d->path, err);
		/* only the contents are copied: the destination keeps its metadata (27), or is made as a parent is */
		if (r == 0 && p->entries.len > first)
			p->entries.items[first].keep_existing = true;
		return r;
	}
	target = d->dir ? below(d->path, s->shown) : xstrdup(d->path);
	return copy_gather(p, s, target, err);
}

/* ADD: an archive among the sources is unpacked into the destination instead of copied (42). */
static int maybe_archive(CopyPlan *p, size_t first, const Destination *d, bool force, Err **err)
{
	bool archive = false;
	if (!p->op->add || p->op->unpack == 0 || p->entries.len != first + 1)
		return 0;
	CopyEntry *e = &p->entries.items[first];
	if (e->type != TAR_FILE || e->size == 0)
		return 0;
	int r = copy_is_archive(p, e, &archive, err);
	if (r < 0)
		return r;
	if (!archive && force)
		return err_set(err, ERR_CORRUPT, "--unpack: '%s' is not a tar archive", e->path);
	if (!archive)
		return 0;
	CopyArchive *a = vec_add(&p->archives);
	a->order = (unsigned)p->entries.len;
	a->dest = arena_str(&p->arena, str_of(d->path));
	a->source = *e;
	a->digest = e->digest;
	a->has_digest = e->has_digest;
	p->entries.len--;
	CopyEntry *dir = copy_add(p, str_of(d->path), STR(""), TAR_DIR);
	dir->mode = 0755;
	dir->mtime = p->now;
	dir->keep_existing = true;
	return 0;
}

static int place_local(
	CopyPlan *p, const char *word, const Destination *d, size_t *matched, bool *wild, Err **err)
{
	Sources sources = {0};
	bool is_wild = false;
	int r = copy_select(p, word, &sources, &is_wild, err);
	*wild |= is_wild;
	*matched += sources.len;
	if (r == 0 && sources.len > 1 && !d->dir && !p->op->parents) {
		bool all_dirs = true;
		vec_foreach (&sources, s)
			all_dirs &= s->is_dir;
		if (!all_dirs) {
			r = err_set(err, ERR_USAGE,
				"'%s' matches %zu sources, but the destination '%s' is no directory",
				word, sources.len, p->op->dest);
			err_hint(err, "end the destination with '/'");
		}
	}
	for (size_t i = 0; r == 0 && i < sources.len; i++) {
		size_t first = p->entries.len;
		r = place_source(p, &sources.items[i], d, err);
		if (r == 0 && !sources.items[i].is_dir)
			r = maybe_archive(p, first, d, p->op->unpack == 1, err);
	}
	sources_done(&sources);
	return r;
}

static int place_heredoc(CopyPlan *p, const char *name, const Destination *d, Err **err)
{
	const Instr *instr = p->op->instr;
	for (size_t i = 0; i < instr->heredocs.len; i++) {
		if (strcmp(instr->heredocs.items[i].name, name) != 0)
			continue;
		CopyEntry *e = copy_add(p, str_of(d->path), str_of(d->dir ? name : ""), TAR_FILE);
		e->mode = 0644;
		e->mtime = p->now;
		e->body = BODY_BYTES;
		e->bytes = str_of(p->op->heredoc_contents.items[i]);
		e->size = e->bytes.len;
		return 0;
	}
	return err_set(err, ERR_PARSE, "there is no heredoc '%s'", name);
}

static bool is_url(const char *word)
{
	return cstr_starts(word, "http://") || cstr_starts(word, "https://");
}

static int place_url(CopyPlan *p, const char *url, const Destination *d, Progress *progress,
	unsigned progress_id, Err **err)
{
	Fetched got = {0};
	int r = p->temp ? 0 : store_temp_new(p->store, &p->temp, err);
	if (r == 0)
		r = fetch_url(url, p->op->checksum, store_temp_fd(p->temp), progress, progress_id,
			&got, err);
	if (r < 0)
		return r;
	size_t first = p->entries.len;
	CopyEntry *e = copy_add(p, str_of(d->path), str_of(d->dir ? got.name : ""), TAR_FILE);
	e->mode = 0600;
	e->mtime = got.last_modified >= 0 ? got.last_modified : p->now;
	e->size = got.size;
	e->body = BODY_FILE;
	e->file = arena_str(&p->arena, str_of(got.file));
	e->digest = got.digest;
	e->has_digest = true;
	free(got.name);
	free(got.file);
	return p->op->unpack == 1 ? maybe_archive(p, first, d, true, err) : 0;
}

/* ---- after all sources are gathered: owners and modes, order, parents, conflicts ---- */

static void apply_flags(CopyPlan *p)
{
	vec_foreach (&p->entries, e) {
		if (p->owner.has_uid)
			e->uid = p->owner.uid;
		if (p->owner.has_gid)
			e->gid = p->owner.gid;
		if (p->mode && e->type != TAR_SYMLINK)
			e->mode = mode_apply(p->mode, e->mode, e->type == TAR_DIR);
		if (p->op->clamp && e->mtime > p->op->epoch)
			e->mtime = p->op->epoch;
	}
}

/* Later of equal paths first, so that the first of a run is the one to keep. */
static int entry_cmp(const void *a, const void *b)
{
	const CopyEntry *x = a, *y = b;
	int c = index_path_cmp(str_of(x->path), str_of(y->path));
	return c ? c : (y->order > x->order) - (y->order < x->order);
}

static bool sorted(const CopyPlan *p)
{
	for (size_t i = 1; i < p->entries.len; i++)
		if (index_path_cmp(str_of(p->entries.items[i - 1].path),
			    str_of(p->entries.items[i].path)) >= 0)
			return false;
	return true;
}

static Str link_key(char *const *path)
{
	return (Str){(const char *)path, sizeof(*path)};
}

/* A file that another source replaces may have hard links that stay: the first of them becomes the file. lost: the
 * files, by the address of their path, which is what their links have. */
static void keep_links(CopyPlan *p, const Map *lost)
{
	if (lost->live == 0)
		return;
	vec_foreach (&p->entries, e) {
		CopyEntry *file =
			e->type == TAR_HARDLINK ? map_get(lost, link_key(&e->link)) : NULL;
		if (!file)
			continue;
		if (file->type == TAR_HARDLINK) { /* there is a new first one */
			e->link = file->path;
			continue;
		}
		char *path = e->path;
		unsigned order = e->order;
		*e = *file;
		e->path = path;
		e->order = order;
		file->type = TAR_HARDLINK;
		file->path = path;
	}
}

static int sort_entries(CopyPlan *p, Err **err)
{
	_cleanup_map_ Map lost = MAP_INIT(free);
	if (sorted(p))
		return 0;
	qsort(p->entries.items, p->entries.len, sizeof(CopyEntry), entry_cmp);
	size_t kept = 0;
	for (size_t i = 0; i < p->entries.len; i++) {
		CopyEntry *e = &p->entries.items[i];
		CopyEntry *last = kept ? &p->entries.items[kept - 1] : NULL;
		if (last && strcmp(last->path, e->path) == 0) {
			if ((last->type == TAR_DIR) != (e->type == TAR_DIR))
				return err_set(err, ERR_EXISTS,
					"two sources make '/%s', one of them a directory", e->path);
			/* made-up parents and destinations do not override what a source says */
			if (last->keep_existing && !e->keep_existing) {
				CopyEntry swap = *last;
				*last = *e;
				*e = swap;
			}
			if (e->type == TAR_FILE)
				map_put(&lost, link_key(&e->path), xmemdup(e, sizeof(*e)));
			continue;
		}
		if (kept != i)
			p->entries.items[kept] = *e;
		kept++;
	}
	p->entries.len = kept;
	keep_links(p, &lost);
	return 0;
}

/* Adds the directories above path that neither the stage nor the plan has (28). known: paths already added. */
static int add_missing_parents(CopyPlan *p, const char *path, Map *known, Err **err)
{
	uint32_t mode = 0755;
	(void)mode_octal(p->mode, &mode);
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		Str dir = {path, (size_t)(slash - path)};
		TreeNode node;
		if (map_has(known, dir))
			continue;
		map_put(known, dir, known);
		if (!p->op->link && tree_lookup(p->onto->tree, dir, &node)) {
			if (node.entry.type != TAR_DIR)
				return err_set(err, ERR_EXISTS, "'/" STR_FMT "' is no directory",
					STR_ARG(dir));
			continue;
		}
		CopyEntry *e = copy_add(p, dir, STR(""), TAR_DIR);
		e->mode = mode;
		e->uid = p->owner.uid;
		e->gid = p->owner.gid;
		e->mtime = p->op->clamp ? MIN(p->now, p->op->epoch) : p->now;
	}
	return 0;
}

static int add_parents(CopyPlan *p, Err **err)
{
	_cleanup_map_ Map known = MAP_INIT(NULL);
	_cleanup_free_ char *last_dir = NULL;
	size_t n = p->entries.len;
	vec_foreach (&p->entries, e)
		if (e->type == TAR_DIR)
			map_put(&known, str_of(e->path), &known);
	for (size_t i = 0; i < n; i++) {
		const char *path = p->entries.items[i].path;
		const char *slash = strrchr(path, '/');
		size_t len = slash ? (size_t)(slash - path) : 0;
		if (last_dir && strlen(last_dir) == len && strncmp(last_dir, path, len) == 0)
			continue;
		int r = add_missing_parents(p, path, &known, err);
		if (r < 0)
			return r;
		free(last_dir);
		last_dir = xstrndup(path, len);
	}
	return 0;
}

/* What the stage has at the entries' paths (33), and the metadata of existing destinations (27). */
static int check_conflicts(CopyPlan *p, Err **err)
{
	const char *absent = NULL; /* nothing of the stage is below this path */
	size_t kept = 0;
	for (size_t i = 0; i < p->entries.len; i++) {
		CopyEntry *e = &p->entries.items[i];
		size_t n = absent ? strlen(absent) : 0;
		bool fresh = absent && strncmp(e->path, absent, n) == 0 && e->path[n] == '/';
		TreeNode node;
		bool exists = !p->op->link && !fresh &&
			tree_lookup(p->onto->tree, str_of(e->path), &node);
		if (!fresh && !exists && !p->op->link && e->type == TAR_DIR)
			absent = e->path;
		if (exists && e->type == TAR_DIR && node.entry.type != TAR_DIR)
			return err_set(
				err, ERR_EXISTS, "cannot copy to non-directory '/%s'", e->path);
		if (exists && e->type != TAR_DIR && node.entry.type == TAR_DIR) {
			int r = err_set(err, ERR_EXISTS,
				"cannot replace the directory '/%s' with a file", e->path);
			err_hint(err, "end the destination with '/' to copy into it");
			return r;
		}
		if (!*e->path) /* the root itself is no entry of a layer */
			continue;
		if (e->keep_existing && exists) {
			e->mode = node.entry.mode;
			e->uid = node.entry.uid;
			e->gid = node.entry.gid;
		} else if (e->keep_existing) {
			uint32_t mode = 0755;
			(void)mode_octal(p->mode, &mode);
			e->mode = mode;
			e->uid = p->owner.uid;
			e->gid = p->owner.gid;
		}
		if (kept != i)
			p->entries.items[kept] = *e;
		kept++;
	}
	p->entries.len = kept;
	return 0;
}

static void warn_parents(CopyPlan *p, Progress *progress)
{
	uint32_t mode = 0;
	if (!mode_octal(p->mode, &mode) || (mode & 0111))
		return;
	vec_foreach (&p->entries, e) {
		if (e->type != TAR_DIR)
			continue;
		progress_warn(progress, p->op->file, p->op->instr->line,
			"--chmod=%s makes the directory '/%s' unsearchable; u=rwX,go=rX keeps directories usable",
			p->op->chmod, e->path);
		return;
	}
}

int copy_place(CopyPlan *p, Progress *progress, unsigned progress_id, Err **err)
{
	Destination d = {0};
	size_t matched = 0;
	bool wild = false;
	int r = destination(p, &d, err);
	if (r == 0 && p->op->sources.len > 1 && !d.dir) {
		r = err_set(err, ERR_USAGE,
			"with more than one source the destination must be a directory");
		err_hint(err, "end '%s' with '/'", p->op->dest);
	}
	for (size_t i = 0; r == 0 && i < p->op->sources.len; i++) {
		const char *word = p->op->sources.items[i];
		if (cstr_starts(word, "<<")) {
			matched++;
			r = place_heredoc(p, word + 2, &d, err);
		} else if (p->op->add && is_url(word)) {
			matched++;
			r = place_url(p, word, &d, progress, progress_id, err);
		} else {
			r = place_local(p, word, &d, &matched, &wild, err);
		}
	}
	free(d.path);
	if (r == 0 && matched == 0)
		progress_warn(progress, p->op->file, p->op->instr->line,
			"no source matches: nothing is copied");
	if (r < 0)
		return r;
	apply_flags(p);
	r = add_parents(p, err);
	if (r == 0)
		r = sort_entries(p, err);
	if (r == 0)
		r = check_conflicts(p, err);
	if (r == 0)
		warn_parents(p, progress);
	return r;
}
