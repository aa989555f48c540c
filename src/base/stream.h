/*
 * Byte streams: pull (Reader) and push (Writer) objects that chain, e.g. fd → digest → decompress →
 * tar. Each owns what it was given unless it says "borrows"; freeing the outermost frees the chain.
 */
#pragma once

#include <sys/types.h>

#include "base/digest.h"

typedef struct ReaderOps {
	/* >0 bytes read (may be fewer than asked), 0 at the end, <0 error. */
	ssize_t (*read)(Reader *r, void *buf, size_t len, Err **err);
	void (*free)(Reader *r);
	/* As read, without a copy: *ret is the reader's own memory, valid until its next call. May be NULL. */
	ssize_t (*view)(Reader *r, const void **ret, size_t len, Err **err);
} ReaderOps;
struct Reader {
	const ReaderOps *ops;
};

typedef struct WriterOps {
	int (*write)(Writer *w, const void *buf, size_t len, Err **err); /* all or error */
	/* Flushes what is held back and finishes the chain below. Once; no write afterwards. */
	int (*finish)(Writer *w, Err **err);
	void (*free)(Writer *w); /* without a finish before: abandons the output */
} WriterOps;
struct Writer {
	const WriterOps *ops;
};

ssize_t reader_read(Reader *r, void *buf, size_t len, Err **err) _warn_unused_;
/* As reader_read, but *ret tells where the bytes are: in the reader's own memory, valid until its next call, or in
 * spare (len bytes). */
ssize_t reader_view(Reader *r, void *spare, size_t len, const void **ret, Err **err) _warn_unused_;
/* Exactly len bytes; ERR_CORRUPT "ends early" otherwise. */
int reader_read_full(Reader *r, void *buf, size_t len, Err **err) _warn_unused_;
/* As many as there are up to len; returns the count. */
ssize_t reader_read_up_to(Reader *r, void *buf, size_t len, Err **err) _warn_unused_;
/* The whole rest into a Buf within its bound (ERR_LIMIT past it). */
int reader_read_all(Reader *r, Buf *buf, Err **err) _warn_unused_;
int reader_skip(Reader *r, uint64_t len, Err **err) _warn_unused_; /* exactly len */
Reader *reader_free(Reader *r);
DEFINE_FREEP(Reader, reader_free)
int writer_write(Writer *w, const void *buf, size_t len, Err **err) _warn_unused_;
int writer_finish(Writer *w, Err **err) _warn_unused_;
Writer *writer_free(Writer *w);
DEFINE_FREEP(Writer, writer_free)
/* Passes everything on to sink, which stays the caller's: neither finished nor freed through it. */
Writer *writer_borrow(Writer *sink);
/* Copies until the end; adds the count to *ret_total when given. */
int stream_copy(Reader *r, Writer *w, uint64_t *ret_total, Err **err) _warn_unused_;

/* name (copied) is for messages. close_fd: the reader owns fd. */
Reader *fd_reader_new(int fd, bool close_fd, const char *name);
Writer *fd_writer_new(int fd, bool close_fd, const char *name);
Reader *mem_reader_new(const void *data, size_t len); /* borrows data */
Writer *buf_writer_new(Buf *buf);                     /* borrows buf; ERR_LIMIT past its bound */
/* Ends after len bytes; ERR_CORRUPT if the source ends before. Borrows source when !own. */
Reader *limit_reader_new(Reader *source, bool own, uint64_t len);

/* Hashes and counts what passes. Ask after the end (reader) or finish (writer). */
Reader *digest_reader_new(Reader *source);
void digest_reader_result(Reader *r, Digest *ret_digest, uint64_t *ret_size);
Writer *digest_writer_new(Writer *sink); /* sink may be NULL: hash only. Owns sink */
void digest_writer_result(Writer *w, Digest *ret_digest, uint64_t *ret_size);
