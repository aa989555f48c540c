#include "build/copy_int.h"

#include <sys/xattr.h>

#include "base/cancel.h"
#include "base/limits.h"

#define SMALL_FILE     (1u << 20) /* bodies up to this are read whole */
#define XATTR_LIST_MAX (64u << 10)
/* COPY of more files than this out of layers that were never unpacked unpacks them first: inflating a block a file
 * would cost more. */
#define UNPACK_ABOVE 256

/* ---- extended attributes of context files ---- */

static bool wanted_xattr(const char *name)
{
	return strcmp(name, "security.capability") == 0 ||
		(cstr_starts(name, "user.") && !cstr_starts(name, "user.overlay."));
}

static int xattr_cmp(const void *a, const void *b)
{
	return strcmp(((const TarXattr *)a)->name, ((const TarXattr *)b)->name);
}

/* Best effort (38): what cannot be read is left out. */
static void read_xattrs(int fd, TarEntry *t)
{
	_cleanup_free_ char *names = xmalloc(XATTR_LIST_MAX);
	_cleanup_free_ char *value = xmalloc(LIMIT_XATTR_SIZE);
	ssize_t len = flistxattr(fd, names, XATTR_LIST_MAX);
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
		const char *name = names + at;
		ssize_t n = wanted_xattr(name) ? fgetxattr(fd, name, value, LIMIT_XATTR_SIZE) : -1;
		if (n < 0)
			continue;
		t->xattrs = xreallocarray(t->xattrs, t->n_xattrs + 1, sizeof(TarXattr));
		t->xattrs[t->n_xattrs++] = (TarXattr){.name = xstrdup(name),
			.value = xmemdup(value, (size_t)n),
			.value_len = (size_t)n};
	}
	if (t->n_xattrs)
		qsort(t->xattrs, t->n_xattrs, sizeof(TarXattr), xattr_cmp);
}

static void node_xattrs(const CopyPlan *p, const CopyEntry *e, TarEntry *t)
{
	const IndexEntry *entry = &e->node->entry;
	const Index *index = tree_layer(p->op->from->tree, e->node->layer);
	t->xattrs = xnew_n(TarXattr, entry->n_xattrs);
	for (uint32_t i = 0; i < entry->n_xattrs; i++) {
		Str name, value;
		index_xattr(index, entry, i, &name, &value);
		t->xattrs[t->n_xattrs++] = (TarXattr){.name = str_dup(name),
			.value = xmemdup(value.ptr, value.len),
			.value_len = value.len};
	}
}

static void xattrs_done(TarEntry *t)
{
	for (size_t i = 0; i < t->n_xattrs; i++) {
		free(t->xattrs[i].name);
		free(t->xattrs[i].value);
	}
	free(t->xattrs);
	t->xattrs = NULL;
	t->n_xattrs = 0;
}

static bool has_node_xattrs(const CopyEntry *e)
{
	return e->node && !e->keep_existing && e->type != TAR_HARDLINK &&
		e->node->entry.n_xattrs > 0;
}

/* ---- digest ---- */

static int hash_body(CopyPlan *p, CopyEntry *e, Err **err)
{
	_cleanup_(reader_freep) Reader *raw = NULL;
	int r = copy_open_body(p, e, &raw, err);
	if (r < 0)
		return r;
	_cleanup_(reader_freep) Reader *body = digest_reader_new(TAKE_PTR(raw));
	char chunk[65536];
	ssize_t n = 0;
	do
		n = reader_read(body, chunk, sizeof(chunk), err);
	while (n > 0);
	if (n < 0)
		return (int)n;
	digest_reader_result(body, &e->digest, NULL);
	e->has_digest = true;
	return 0;
}

static void take_context_digest(CopyEntry *e)
{
	if (e->body == BODY_CONTEXT && e->context->has_digest) {
		e->digest = e->context->digest;
		e->has_digest = true;
	}
}

static int hash_all(CopyPlan *p, Err **err)
{
	VEC(ContextEntry *) todo = {0};
	vec_foreach (&p->entries, e) {
		if (e->body == BODY_CONTEXT)
			vec_push(&todo, e->context);
	}
	vec_foreach (&p->archives, a) {
		if (a->source.body == BODY_CONTEXT)
			vec_push(&todo, a->source.context);
	}
	int r = todo.len ? context_hash(p->op->context, todo.items, todo.len, err) : 0;
	vec_done(&todo);
	for (size_t i = 0; r == 0 && i < p->entries.len; i++) {
		CopyEntry *e = &p->entries.items[i];
		take_context_digest(e);
		if (e->type == TAR_FILE && !e->has_digest)
			r = hash_body(p, e, err);
	}
	for (size_t i = 0; r == 0 && i < p->archives.len; i++) {
		CopyArchive *a = &p->archives.items[i];
		take_context_digest(&a->source);
		if (!a->source.has_digest)
			r = hash_body(p, &a->source, err);
	}
	return r;
}

static void key_text(Buf *b, Str text)
{
	uint32_t len = (uint32_t)text.len;
	buf_append(b, &len, sizeof(len));
	buf_str(b, text);
}

static void key_xattrs(CopyPlan *p, const CopyEntry *e, Buf *b)
{
	TarEntry t = {0};
	if (e->body == BODY_CONTEXT && e->context->has_xattrs) {
		_cleanup_close_ int fd = -1;
		if (context_open_file(p->op->context, e->context, &fd, NULL) == 0)
			read_xattrs(fd, &t);
	} else if (has_node_xattrs(e)) {
		node_xattrs(p, e, &t);
	}
	for (size_t i = 0; i < t.n_xattrs; i++) {
		key_text(b, str_of(t.xattrs[i].name));
		key_text(b, (Str){t.xattrs[i].value, t.xattrs[i].value_len});
	}
	xattrs_done(&t);
}

/* One entry as bytes, every variable part framed with its length. No mtime (77); that of a download counts (79). */
static void key_entry(CopyPlan *p, const CopyEntry *e, Buf *b)
{
	struct {
		uint64_t uid, gid;
		int64_t mtime;
		uint32_t type, mode, major, minor;
	} fixed = {
		.uid = e->uid,
		.gid = e->gid,
		.mtime = e->body == BODY_FILE ? e->mtime : 0,
		.type = e->type,
		.mode = e->mode,
		.major = e->dev_major,
		.minor = e->dev_minor,
	};
	buf_clear(b);
	buf_append(b, &fixed, sizeof(fixed));
	key_text(b, str_of(e->path));
	key_text(b, str_of(e->link ? e->link : ""));
	buf_append(b, e->digest.bytes, sizeof(e->digest.bytes));
	key_xattrs(p, e, b);
}

int copy_digest(CopyPlan *p, Digest *ret, Err **err)
{
	int r = hash_all(p, err);
	if (r < 0)
		return r;
	_cleanup_(sha256_freep) Sha256 *h = sha256_new();
	_cleanup_buf_ Buf b = BUF_INIT(SIZE_MAX / 2);
	sha256_field_u64(h, p->entries.len);
	sha256_field_u64(h, p->archives.len);
	sha256_field_u64(h, p->op->link);
	vec_foreach (&p->entries, e) {
		key_entry(p, e, &b);
		sha256_update(h, b.ptr, b.len);
	}
	vec_foreach (&p->archives, a) {
		key_entry(p, &a->source, &b);
		sha256_update(h, b.ptr, b.len);
		sha256_field(h, str_of(a->dest));
		sha256_field_u64(h, a->order);
		sha256_field_u64(h,
			p->owner.given ? (uint64_t)p->owner.uid << 32 | p->owner.gid : UINT64_MAX);
		sha256_field(h, str_of(p->op->chmod ? p->op->chmod : ""));
	}
	sha256_final(h, ret);
	return 0;
}

/* ---- layer ---- */

/* Reads a small body whole; the file must have exactly the size the entry says. */
static int read_small(Reader *body, const CopyEntry *e, char *buf, Err **err)
{
	ssize_t n = reader_read_up_to(body, buf, e->size, err);
	if (n < 0)
		return (int)n;
	if ((uint64_t)n != e->size)
		return err_set(err, ERR_SYS, "'%s' changed while it was read", e->path);
	return 0;
}

static int emit_context_file(
	CopyPlan *p, CopyEntry *e, TarEntry *t, char *small, LayerWriter *out, Err **err)
{
	_cleanup_close_ int fd = -1;
	Digest digest;
	Context *c = p->op->context;
	int r = context_open_file(c, e->context, &fd, err);
	if (r < 0)
		return r;
	if (!e->context->has_digest || e->context->has_xattrs)
		read_xattrs(fd, t);
	_cleanup_(reader_freep) Reader *body = fd_reader_new(fd, false, e->context->path);
	if (e->size <= SMALL_FILE) {
		r = read_small(body, e, small, err);
		if (r == 0)
			r = layer_writer_add_bytes(out, t, (Str){small, (size_t)e->size}, err);
	} else {
		r = layer_writer_add(out, t, body, err);
	}
	xattrs_done(t);
	if (r < 0)
		return r;
	layer_writer_last_digest(out, &digest);
	return context_learn(c, e->context, fd, &digest, err);
}

static int emit_entry(CopyPlan *p, CopyEntry *e, char *small, LayerWriter *out, Err **err)
{
	TarEntry t = {
		.path = e->path,
		.link = e->link,
		.type = e->type,
		.mode = e->mode,
		.uid = e->uid,
		.gid = e->gid,
		.size = e->type == TAR_FILE ? e->size : 0,
		.mtime = e->mtime,
		.dev_major = e->dev_major,
		.dev_minor = e->dev_minor,
	};
	if (e->body == BODY_CONTEXT)
		return emit_context_file(p, e, &t, small, out, err);
	if (has_node_xattrs(e))
		node_xattrs(p, e, &t);
	_cleanup_(reader_freep) Reader *body = NULL;
	int r = copy_open_body(p, e, &body, err);
	if (r == 0)
		r = layer_writer_add(out, &t, body, err);
	xattrs_done(&t);
	if (r == 0 && e->type == TAR_FILE && !e->has_digest) {
		layer_writer_last_digest(out, &e->digest);
		e->has_digest = true;
	}
	return r;
}

static int unpack_if_many(CopyPlan *p, Err **err)
{
	size_t files = 0;
	vec_foreach (&p->entries, e)
		files += e->body == BODY_STACK;
	if (files <= UNPACK_ABOVE)
		return 0;
	_cleanup_strvec_ StrVec lowers = {0};
	return layer_stack_trees(p->op->from, p->store, p->pool, NULL, &lowers, err);
}

int copy_execute(CopyPlan *p, LayerWriter *out, Err **err)
{
	_cleanup_free_ char *small = xmalloc(SMALL_FILE);
	int r = unpack_if_many(p, err);
	for (size_t i = 0; r == 0 && i < p->entries.len; i++) {
		r = cancel_check(err);
		if (r == 0)
			r = emit_entry(p, &p->entries.items[i], small, out, err);
	}
	for (size_t i = 0; r == 0 && i < p->archives.len; i++)
		r = copy_unpack_archive(p, &p->archives.items[i], out, err);
	return r;
}
