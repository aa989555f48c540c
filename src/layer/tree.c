/*
 * Merging by look-up. The rules, top layer first:
 *
 *	- a whiteout, or anything that is not a directory, hides that path and all below it in the layers
 *	  beneath; an opaque directory hides all below it there;
 *	- a directory entry gives the metadata; an implied one leaves that to the layers beneath, and is
 *	  0755 of root when none has a directory there.
 *
 * Indexes hold every parent of every entry (implied if need be), hence a layer without an entry for a path has
 * nothing below it either: the walk relies on this to skip hidden subtrees by number.
 */
#include "layer/tree.h"

#include "base/limits.h"
#include "base/vec.h"
#include "layer/pathtable.h"

#define HARDLINK_HOPS 16

struct Tree {
	VEC(const Index *) layers;
};

Tree *tree_new(void)
{
	return xnew(Tree);
}

void tree_push(Tree *t, const Index *layer)
{
	vec_push(&t->layers, layer);
}

size_t tree_layers(const Tree *t)
{
	return t->layers.len;
}

const Index *tree_layer(const Tree *t, size_t layer)
{
	return t->layers.items[layer];
}

Tree *tree_free(Tree *t)
{
	if (t) {
		vec_done(&t->layers);
		free(t);
	}
	return NULL;
}

static bool hides_all(const IndexEntry *e)
{
	return (e->flags & INDEX_WHITEOUT) || e->type != TAR_DIR;
}

static bool get_node(const Tree *t, size_t layer, Str path, TreeNode *ret)
{
	ssize_t n = index_find(t->layers.items[layer], path);
	if (n < 0)
		return false;
	ret->layer = layer;
	ret->number = (size_t)n;
	index_get(t->layers.items[layer], (size_t)n, &ret->entry);
	return true;
}

/* What the layer says about the parents of path: whether path in it, and in the layers below it, can
 * be seen. */
static void look_at_parents(
	const Tree *t, size_t layer, Str path, bool *ret_here, bool *ret_beneath)
{
	*ret_here = *ret_beneath = true;
	for (Str dir = path; path_parent(dir, &dir);) {
		TreeNode node;
		if (!get_node(t, layer, dir, &node))
			continue;
		if (hides_all(&node.entry)) {
			*ret_here = *ret_beneath = false;
			return;
		}
		if (node.entry.flags & INDEX_OPAQUE)
			*ret_beneath = false;
	}
}

static TreeNode bare_root(void)
{
	return (TreeNode){.entry = {.path = STR(""),
				  .link = STR(""),
				  .type = TAR_DIR,
				  .flags = INDEX_IMPLIED,
				  .mode = 0755}};
}

/* Look-up in the lowest n_layers. */
static bool lookup_in(const Tree *t, size_t n_layers, Str path, TreeNode *ret)
{
	bool implied = false;
	for (size_t layer = n_layers; layer-- > 0;) {
		bool here, beneath;
		look_at_parents(t, layer, path, &here, &beneath);
		TreeNode node;
		if (here && get_node(t, layer, path, &node)) {
			bool hides = hides_all(&node.entry);
			if (!hides && (node.entry.flags & INDEX_IMPLIED)) {
				if (!implied)
					*ret = node;
				implied = true;
				if (node.entry.flags & INDEX_OPAQUE)
					return true;
			} else if (implied && hides) {
				return true;
			} else {
				if (!(node.entry.flags & INDEX_WHITEOUT))
					*ret = node;
				return !(node.entry.flags & INDEX_WHITEOUT);
			}
		}
		if (!beneath)
			break;
	}
	return implied;
}

bool tree_lookup(const Tree *t, Str path, TreeNode *ret)
{
	TreeNode node;
	bool found = lookup_in(t, t->layers.len, path, &node);
	if (!found && path.len == 0) {
		node = bare_root();
		found = true;
	}
	if (found)
		*ret = node;
	return found;
}

bool tree_hardlink_target(const Tree *t, const TreeNode *link, TreeNode *ret)
{
	TreeNode node = *link;
	for (unsigned hop = 0; node.entry.type == TAR_HARDLINK; hop++) {
		if (hop == HARDLINK_HOPS)
			return false;
		TreeNode target;
		/* Its own layer first: the link means the file as that layer has it, not what a layer
		 * above put there. */
		if (!(get_node(t, node.layer, node.entry.link, &target) &&
			    !(target.entry.flags & INDEX_WHITEOUT)) &&
			!lookup_in(t, node.layer, node.entry.link, &target))
			return false;
		node = target;
	}
	if (node.entry.type != TAR_FILE)
		return false;
	*ret = node;
	return true;
}

/* ---- resolving ---- */

typedef struct Resolver {
	const Tree *tree;
	Buf at;   /* where we are: clean, without leading '/' */
	Buf rest; /* words still to go */
	size_t rest_pos;
	unsigned links;
} Resolver;

static bool next_word(Resolver *v, Str *ret)
{
	Str all = buf_view(&v->rest);
	size_t from = v->rest_pos;
	while (from < all.len && all.ptr[from] == '/')
		from++;
	size_t to = from;
	while (to < all.len && all.ptr[to] != '/')
		to++;
	v->rest_pos = to;
	*ret = str_slice(all, from, to);
	return to > from;
}

static void go_up(Buf *at)
{
	Str parent;
	if (!path_parent(buf_view(at), &parent))
		return;
	at->len = parent.len;
	if (at->ptr)
		at->ptr[at->len] = '\0';
}

static void go_down(Buf *at, Str word)
{
	if (at->len)
		buf_char(at, '/');
	buf_str(at, word);
}

static bool has_more(const Resolver *v)
{
	Resolver copy = *v;
	Str word;
	return next_word(&copy, &word);
}

/* Puts the link's words before those that remain. */
static int follow(Resolver *v, Str link, Str path, Err **err)
{
	if (++v->links > LIMIT_SYMLINKS)
		return err_set(
			err, ERR_PARSE, "too many levels of links in '" STR_FMT "'", STR_ARG(path));
	Buf words = BUF_INIT((size_t)LIMIT_PATH * 64);
	buf_str(&words, link);
	buf_char(&words, '/');
	buf_str(&words, str_slice(buf_view(&v->rest), v->rest_pos, v->rest.len));
	bool overflow = words.overflow;
	buf_done(&v->rest);
	v->rest = words;
	v->rest_pos = 0;
	if (overflow)
		return err_set(
			err, ERR_LIMIT, "'" STR_FMT "' grows too long by its links", STR_ARG(path));
	if (link.len && link.ptr[0] == '/')
		buf_clear(&v->at);
	else
		go_up(&v->at);
	return 0;
}

/* The words behind a missing directory, taken as they are. */
static void append_rest(Resolver *v)
{
	Str word;
	while (next_word(v, &word)) {
		if (str_eq(word, STR("..")))
			go_up(&v->at);
		else if (!str_eq(word, STR(".")))
			go_down(&v->at, word);
	}
}

static int resolve_words(Resolver *v, Str path, bool follow_last, bool missing_ok, bool *ret_found,
	TreeNode *ret_node, Err **err)
{
	Str word;
	*ret_found = tree_lookup(v->tree, STR(""), ret_node);
	while (next_word(v, &word)) {
		if (str_eq(word, STR(".")))
			continue;
		if (str_eq(word, STR(".."))) {
			go_up(&v->at);
			*ret_found = tree_lookup(v->tree, buf_view(&v->at), ret_node);
			continue;
		}
		go_down(&v->at, word);
		if (v->at.len > LIMIT_PATH)
			return err_set(err, ERR_LIMIT, "path is longer than %u bytes", LIMIT_PATH);
		*ret_found = tree_lookup(v->tree, buf_view(&v->at), ret_node);
		bool last = !has_more(v);
		if (!*ret_found) {
			if (last)
				return 0;
			if (!missing_ok)
				return err_set(err, ERR_NOT_FOUND,
					"there is no directory '/" STR_FMT "'",
					STR_ARG(buf_view(&v->at)));
			append_rest(v);
			/* ".." may have led back to what exists */
			*ret_found = tree_lookup(v->tree, buf_view(&v->at), ret_node);
			return 0;
		}
		if (ret_node->entry.type == TAR_SYMLINK && (!last || follow_last)) {
			int r = follow(v, ret_node->entry.link, path, err);
			if (r < 0)
				return r;
			*ret_found = tree_lookup(v->tree, buf_view(&v->at), ret_node);
		} else if (!last && ret_node->entry.type != TAR_DIR) {
			return err_set(err, ERR_NOT_FOUND, "'/" STR_FMT "' is not a directory",
				STR_ARG(buf_view(&v->at)));
		}
	}
	return 0;
}

int tree_resolve(const Tree *t, Str path, bool follow_last, bool missing_ok, char **ret_path,
	bool *ret_found, TreeNode *ret_node, Err **err)
{
	Resolver v = {.tree = t,
		.at = BUF_INIT((size_t)LIMIT_PATH * 2),
		.rest = BUF_INIT((size_t)LIMIT_PATH * 64)};
	buf_str(&v.rest, path);
	bool found = false;
	TreeNode node = {0};
	int r = v.rest.overflow
		? err_set(err, ERR_LIMIT, "path is longer than %u bytes", LIMIT_PATH)
		: resolve_words(&v, path, follow_last, missing_ok, &found, &node, err);
	if (r == 0 && (v.at.overflow || v.at.len > LIMIT_PATH))
		r = err_set(err, ERR_LIMIT, "path is longer than %u bytes", LIMIT_PATH);
	if (r == 0) {
		if (ret_path)
			*ret_path = v.at.ptr ? buf_steal(&v.at) : xstrdup("");
		if (ret_found)
			*ret_found = found;
		if (ret_node && found)
			*ret_node = node;
	}
	buf_done(&v.at);
	buf_done(&v.rest);
	return r;
}

/* ---- walking ---- */

/* One layer's place in the walk. */
typedef struct Cursor {
	const Index *index;
	size_t layer;
	size_t at, end;
	IndexEntry entry; /* at `at` */
} Cursor;

/* Cursors in a binary heap: lowest path first, of one path the top layer first. */
typedef struct Walk {
	Cursor **heap;
	size_t len;
	Cursor **same; /* those taken off for the current path */
	size_t n_same;
} Walk;

static bool cursor_before(const Cursor *a, const Cursor *b)
{
	int c = index_path_cmp(a->entry.path, b->entry.path);
	return c != 0 ? c < 0 : a->layer > b->layer;
}

static void heap_push(Walk *w, Cursor *c)
{
	size_t i = w->len++;
	for (; i > 0 && cursor_before(c, w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = c;
}

static Cursor *heap_pop(Walk *w)
{
	Cursor *top = w->heap[0];
	Cursor *moved = w->heap[--w->len];
	size_t i = 0;
	for (size_t child; (child = 2 * i + 1) < w->len; i = child) {
		if (child + 1 < w->len && cursor_before(w->heap[child + 1], w->heap[child]))
			child++;
		if (!cursor_before(w->heap[child], moved))
			break;
		w->heap[i] = w->heap[child];
	}
	w->heap[i] = moved;
	return top;
}

static void advance(Walk *w, Cursor *c, bool skip_below)
{
	c->at = skip_below ? index_subtree_end(c->index, c->at) : c->at + 1;
	if (c->at >= c->end)
		return;
	index_get(c->index, c->at, &c->entry);
	heap_push(w, c);
}

/* Takes every cursor at the lowest path off the heap, top layer first. */
static void take_same(Walk *w)
{
	w->n_same = 0;
	do
		w->same[w->n_same++] = heap_pop(w);
	while (w->len && str_eq(w->heap[0]->entry.path, w->same[0]->entry.path));
}

/* Decides what the current path is. *ret_visible: how many of `same` take part in what is below. */
static const Cursor *merge_same(const Walk *w, size_t *ret_visible)
{
	const Cursor *shown = NULL;
	for (size_t i = 0; i < w->n_same; i++) {
		const Cursor *c = w->same[i];
		if (hides_all(&c->entry)) {
			*ret_visible = i;
			if (shown || (c->entry.flags & INDEX_WHITEOUT))
				return shown;
			return c;
		}
		if (!shown ||
			((shown->entry.flags & INDEX_IMPLIED) && !(c->entry.flags & INDEX_IMPLIED)))
			shown = c;
		if (c->entry.flags & INDEX_OPAQUE) {
			*ret_visible = i + 1;
			return shown;
		}
	}
	*ret_visible = w->n_same;
	return shown;
}

static int walk_on(Walk *w, TreeWalkFn fn, void *arg, Err **err)
{
	while (w->len) {
		take_same(w);
		size_t visible;
		const Cursor *shown = merge_same(w, &visible);
		int r = 0;
		if (shown) {
			TreeNode node = {
				.layer = shown->layer, .number = shown->at, .entry = shown->entry};
			r = fn(arg, &node, err);
		}
		if (r < 0)
			return r;
		for (size_t i = 0; i < w->n_same; i++)
			advance(w, w->same[i], r > 0 || i >= visible);
	}
	return 0;
}

int tree_walk(const Tree *t, Str path, TreeWalkFn fn, void *arg, Err **err)
{
	size_t n = t->layers.len;
	_cleanup_free_ Cursor *cursors = xnew_n(Cursor, n ? n : 1);
	_cleanup_free_ Cursor **heap = xnew_n(Cursor *, n ? n : 1);
	_cleanup_free_ Cursor **same = xnew_n(Cursor *, n ? n : 1);
	Walk w = {.heap = heap, .same = same};
	for (size_t layer = n; layer-- > 0;) {
		bool here, beneath;
		look_at_parents(t, layer, path, &here, &beneath);
		const Index *index = t->layers.items[layer];
		ssize_t at = here ? index_find(index, path) : -1;
		if (at >= 0) {
			Cursor *c = &cursors[layer];
			*c = (Cursor){.index = index,
				.layer = layer,
				.at = (size_t)at,
				.end = index_subtree_end(index, (size_t)at)};
			index_get(index, c->at, &c->entry);
			heap_push(&w, c);
		}
		if (!beneath)
			break;
	}
	if (w.len == 0 && path.len == 0) {
		TreeNode root = bare_root();
		int r = fn(arg, &root, err);
		return r < 0 ? r : 0;
	}
	return walk_on(&w, fn, arg, err);
}
