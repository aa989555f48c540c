/* Layers and images made through image/, in a store of the test's own. */
#pragma once

#include "../store/store_test.h"
#include "image/ingest.h"
#include "image/transfer.h"

/* A file with this text, or a directory when body is NULL. */
typedef struct TestFile {
	const char *path, *body;
} TestFile;

static inline void write_file(LayerWriter *w, const TestFile *f)
{
	TarEntry e = {.path = (char *)(uintptr_t)f->path,
		.type = f->body ? TAR_FILE : TAR_DIR,
		.mode = f->body ? 0644 : 0755,
		.size = f->body ? strlen(f->body) : 0};
	ok(layer_writer_add_bytes(w, &e, str_of(f->body), err));
}

static inline void put_layer(
	const TestFile *files, size_t n, Compression c, Descriptor *ret, Digest *ret_diff_id)
{
	_cleanup_(new_layer_freep) NewLayer *layer = NULL;
	ok(new_layer_begin(store, c, COMPRESSION_LEVEL_DEFAULT, NULL, &layer, err));
	for (size_t i = 0; i < n; i++)
		write_file(new_layer_writer(layer), &files[i]);
	ok(new_layer_commit(layer, ret, ret_diff_id, err));
}

static inline void push_layer(LayerStack *k, const TestFile *files, size_t n, Compression c)
{
	Descriptor d = {0};
	Digest diff_id;
	put_layer(files, n, c, &d, &diff_id);
	ok(layer_stack_push(k, store, &d, &diff_id, err));
	descriptor_done(&d);
}

static inline void commit_image(const LayerStack *k, const char *name, Descriptor *ret)
{
	_cleanup_(config_done) ImageConfig config;
	Platform host = {0};
	_cleanup_strvec_ StrVec names = {0};
	platform_host(&host);
	config_init_scratch(&config, &host);
	platform_done(&host);
	if (name)
		strvec_push(&names, name);
	ok(image_commit(store, &config, k, NULL, &names, ret, NULL, err));
}

/* Content of a file of the stack; owned. */
static inline char *stack_text(const LayerStack *k, const char *path)
{
	Buf text = BUF_INIT(0);
	ok(layer_stack_read_file(k, store, path, 4096, &text, err));
	return buf_steal(&text);
}
#define _cleanup_stack_ _cleanup_(layer_stack_done)
