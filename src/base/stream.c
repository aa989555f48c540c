#include "base/stream.h"

#include <unistd.h>

#include "base/cancel.h"

#define COPY_CHUNK (256 * 1024)

ssize_t reader_read(Reader *r, void *buf, size_t len, Err **err)
{
	return r->ops->read(r, buf, len, err);
}

ssize_t reader_view(Reader *r, void *spare, size_t len, const void **ret, Err **err)
{
	if (r->ops->view)
		return r->ops->view(r, ret, len, err);
	*ret = spare;
	return reader_read(r, spare, len, err);
}

ssize_t reader_read_up_to(Reader *r, void *buf, size_t len, Err **err)
{
	size_t got = 0;
	while (got < len) {
		ssize_t n = reader_read(r, (char *)buf + got, len - got, err);
		if (n < 0)
			return n;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

int reader_read_full(Reader *r, void *buf, size_t len, Err **err)
{
	ssize_t n = reader_read_up_to(r, buf, len, err);
	if (n < 0)
		return (int)n;
	if ((size_t)n != len)
		return err_set(err, ERR_CORRUPT, "data ends early: %zu bytes are missing",
			len - (size_t)n);
	return 0;
}

int reader_read_all(Reader *r, Buf *buf, Err **err)
{
	char chunk[16384];
	for (;;) {
		ssize_t n = reader_read(r, chunk, sizeof(chunk), err);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return 0;
		buf_append(buf, chunk, (size_t)n);
		if (buf->overflow)
			return err_set(err, ERR_LIMIT, "data is longer than %zu bytes", buf->max);
	}
}

int reader_skip(Reader *r, uint64_t len, Err **err)
{
	char chunk[16384];
	while (len > 0) {
		size_t want = (size_t)MIN(len, (uint64_t)sizeof(chunk));
		int rc = reader_read_full(r, chunk, want, err);
		if (rc < 0)
			return rc;
		len -= want;
	}
	return 0;
}

Reader *reader_free(Reader *r)
{
	if (r)
		r->ops->free(r);
	return NULL;
}

int writer_write(Writer *w, const void *buf, size_t len, Err **err)
{
	return w->ops->write(w, buf, len, err);
}

int writer_finish(Writer *w, Err **err)
{
	return w->ops->finish(w, err);
}

Writer *writer_free(Writer *w)
{
	if (w)
		w->ops->free(w);
	return NULL;
}

int stream_copy(Reader *r, Writer *w, uint64_t *ret_total, Err **err)
{
	_cleanup_free_ char *chunk = xmalloc(COPY_CHUNK);
	for (;;) {
		ssize_t n = reader_read(r, chunk, COPY_CHUNK, err);
		if (n <= 0)
			return (int)n;
		int rc = writer_write(w, chunk, (size_t)n, err);
		if (rc < 0)
			return rc;
		if (ret_total)
			*ret_total += (uint64_t)n;
	}
}

/* ---- file descriptors ---- */

typedef struct FdStream {
	union {
		Reader reader;
		Writer writer;
	};
	int fd;
	bool close_fd;
	char *name;
} FdStream;

static ssize_t fd_read(Reader *r, void *buf, size_t len, Err **err)
{
	FdStream *s = (FdStream *)r;
	if (cancel_requested())
		return cancel_check(err);
	for (;;) {
		ssize_t n = read(s->fd, buf, len);
		if (n >= 0)
			return n;
		if (errno != EINTR)
			return err_sys(err, "read '%s'", s->name);
	}
}

static void fd_stream_free(FdStream *s)
{
	if (s->close_fd)
		(void)close(s->fd);
	free(s->name);
	free(s);
}

static void fd_reader_free(Reader *r)
{
	fd_stream_free((FdStream *)r);
}

static int fd_write(Writer *w, const void *buf, size_t len, Err **err)
{
	FdStream *s = (FdStream *)w;
	const char *p = buf;
	if (cancel_requested())
		return cancel_check(err);
	while (len > 0) {
		ssize_t n = write(s->fd, p, len);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return err_sys(err, "write '%s'", s->name);
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int nothing_to_finish(Writer *w _unused_, Err **err _unused_)
{
	return 0;
}

static void fd_writer_free(Writer *w)
{
	fd_stream_free((FdStream *)w);
}

static FdStream *fd_stream_new(int fd, bool close_fd, const char *name)
{
	FdStream *s = xnew(FdStream);
	s->fd = fd;
	s->close_fd = close_fd;
	s->name = xstrdup(name);
	return s;
}

Reader *fd_reader_new(int fd, bool close_fd, const char *name)
{
	static const ReaderOps ops = {fd_read, fd_reader_free};
	FdStream *s = fd_stream_new(fd, close_fd, name);
	s->reader.ops = &ops;
	return &s->reader;
}

Writer *fd_writer_new(int fd, bool close_fd, const char *name)
{
	static const WriterOps ops = {fd_write, nothing_to_finish, fd_writer_free};
	FdStream *s = fd_stream_new(fd, close_fd, name);
	s->writer.ops = &ops;
	return &s->writer;
}

/* ---- memory ---- */

typedef struct MemReader {
	Reader reader;
	const char *data;
	size_t len;
} MemReader;

static ssize_t mem_read(Reader *r, void *buf, size_t len, Err **err _unused_)
{
	MemReader *m = (MemReader *)r;
	size_t n = MIN(len, m->len);
	if (n)
		memcpy(buf, m->data, n);
	m->data += n;
	m->len -= n;
	return (ssize_t)n;
}

static void mem_free(Reader *r)
{
	free(r);
}

Reader *mem_reader_new(const void *data, size_t len)
{
	static const ReaderOps ops = {mem_read, mem_free};
	MemReader *m = xnew(MemReader);
	m->reader.ops = &ops;
	m->data = data;
	m->len = len;
	return &m->reader;
}

typedef struct BufWriter {
	Writer writer;
	Buf *buf;
} BufWriter;

static int buf_writer_write(Writer *w, const void *data, size_t len, Err **err)
{
	Buf *buf = ((BufWriter *)w)->buf;
	buf_append(buf, data, len);
	if (buf->overflow)
		return err_set(err, ERR_LIMIT, "data is longer than %zu bytes", buf->max);
	return 0;
}

static void buf_writer_free(Writer *w)
{
	free(w);
}

Writer *buf_writer_new(Buf *buf)
{
	static const WriterOps ops = {buf_writer_write, nothing_to_finish, buf_writer_free};
	BufWriter *w = xnew(BufWriter);
	w->writer.ops = &ops;
	w->buf = buf;
	return &w->writer;
}

/* ---- borrowed ---- */

typedef struct BorrowedWriter {
	Writer writer;
	Writer *sink;
} BorrowedWriter;

static int borrowed_write(Writer *w, const void *data, size_t len, Err **err)
{
	return writer_write(((BorrowedWriter *)w)->sink, data, len, err);
}

Writer *writer_borrow(Writer *sink)
{
	static const WriterOps ops = {borrowed_write, nothing_to_finish, buf_writer_free};
	BorrowedWriter *w = xnew(BorrowedWriter);
	w->writer.ops = &ops;
	w->sink = sink;
	return &w->writer;
}

/* ---- limit ---- */

typedef struct LimitReader {
	Reader reader;
	Reader *source;
	bool own;
	uint64_t left;
} LimitReader;

static ssize_t limit_read(Reader *r, void *buf, size_t len, Err **err)
{
	LimitReader *l = (LimitReader *)r;
	if (l->left == 0 || len == 0)
		return 0;
	ssize_t n = reader_read(l->source, buf, (size_t)MIN((uint64_t)len, l->left), err);
	if (n == 0)
		return err_set(err, ERR_CORRUPT, "data ends early: %llu bytes are missing",
			(unsigned long long)l->left);
	if (n > 0)
		l->left -= (uint64_t)n;
	return n;
}

static void limit_free(Reader *r)
{
	LimitReader *l = (LimitReader *)r;
	if (l->own)
		reader_free(l->source);
	free(l);
}

Reader *limit_reader_new(Reader *source, bool own, uint64_t len)
{
	static const ReaderOps ops = {limit_read, limit_free};
	LimitReader *l = xnew(LimitReader);
	l->reader.ops = &ops;
	l->source = source;
	l->own = own;
	l->left = len;
	return &l->reader;
}

/* ---- digest ---- */

typedef struct DigestStream {
	union {
		Reader reader;
		Writer writer;
	};
	Reader *source;
	Writer *sink;
	Sha256 *hash;
	uint64_t size;
} DigestStream;

static ssize_t digest_read(Reader *r, void *buf, size_t len, Err **err)
{
	DigestStream *d = (DigestStream *)r;
	ssize_t n = reader_read(d->source, buf, len, err);
	if (n > 0) {
		sha256_update(d->hash, buf, (size_t)n);
		d->size += (uint64_t)n;
	}
	return n;
}

static int digest_write(Writer *w, const void *buf, size_t len, Err **err)
{
	DigestStream *d = (DigestStream *)w;
	sha256_update(d->hash, buf, len);
	d->size += len;
	return d->sink ? writer_write(d->sink, buf, len, err) : 0;
}

static int digest_finish(Writer *w, Err **err)
{
	DigestStream *d = (DigestStream *)w;
	return d->sink ? writer_finish(d->sink, err) : 0;
}

static void digest_stream_free(DigestStream *d)
{
	reader_free(d->source);
	writer_free(d->sink);
	sha256_free(d->hash);
	free(d);
}

static void digest_reader_free(Reader *r)
{
	digest_stream_free((DigestStream *)r);
}

static void digest_writer_free(Writer *w)
{
	digest_stream_free((DigestStream *)w);
}

Reader *digest_reader_new(Reader *source)
{
	static const ReaderOps ops = {digest_read, digest_reader_free};
	DigestStream *d = xnew(DigestStream);
	d->reader.ops = &ops;
	d->source = source;
	d->hash = sha256_new();
	return &d->reader;
}

void digest_reader_result(Reader *r, Digest *ret_digest, uint64_t *ret_size)
{
	DigestStream *d = (DigestStream *)r;
	if (ret_digest)
		sha256_final(d->hash, ret_digest);
	if (ret_size)
		*ret_size = d->size;
}

Writer *digest_writer_new(Writer *sink)
{
	static const WriterOps ops = {digest_write, digest_finish, digest_writer_free};
	DigestStream *d = xnew(DigestStream);
	d->writer.ops = &ops;
	d->sink = sink;
	d->hash = sha256_new();
	return &d->writer;
}

void digest_writer_result(Writer *w, Digest *ret_digest, uint64_t *ret_size)
{
	DigestStream *d = (DigestStream *)w;
	if (ret_digest)
		sha256_final(d->hash, ret_digest);
	if (ret_size)
		*ret_size = d->size;
}
