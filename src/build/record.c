#include "build/record.h"

#include <fcntl.h>

#include "base/json.h"
#include "base/timefmt.h"

#define RECORD_MAX_SIZE  (64u << 10)
#define RECORD_MAX_BLOBS 16

void record_done(Record *r)
{
	descriptor_done(&r->layer);
	free(r->created);
	*r = (Record){0};
}

static char *path_of(const char *dir, const Digest *key)
{
	DigestHex hex = digest_hex(key);
	return xasprintf("cache/%s/%.2s/%s", dir, hex.s, hex.s);
}

static int make_parent(Store *s, const char *path, Err **err)
{
	_cleanup_free_ char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	return mkdir_p(store_fd(s), dir, 0755, err);
}

/* Not durable: a record that a crash loses costs one step. */
static int write_json(Store *s, const char *path, const json_t *value, Err **err)
{
	_cleanup_free_ char *text = json_text(value);
	_cleanup_err_ Err *first = NULL;
	if (atomic_write(store_fd(s), path, str_of(text), 0644, false, &first) == 0)
		return 0;
	if (first->errnum != ENOENT)
		return err_move(err, &first);
	int r = make_parent(s, path, err);
	return r < 0 ? r : atomic_write(store_fd(s), path, str_of(text), 0644, false, err);
}

static json_t *read_json(Store *s, const char *path)
{
	_cleanup_buf_ Buf text = BUF_INIT(RECORD_MAX_SIZE);
	json_t *value = NULL;
	if (file_read(store_fd(s), path, RECORD_MAX_SIZE, &text, NULL) < 0 ||
		json_parse(buf_view(&text), RECORD_MAX_SIZE, "record", &value, NULL) < 0)
		return NULL;
	return value;
}

typedef struct BlobFields {
	char *media_type;
	Digest digest;
	uint64_t size;
	int64_t level;
} BlobFields;

static const JsonField blob_fields[] = {
	{"mediaType", JSON_FIELD_STRING, offsetof(BlobFields, media_type), true},
	{"digest", JSON_FIELD_DIGEST, offsetof(BlobFields, digest), true},
	{"size", JSON_FIELD_U64, offsetof(BlobFields, size), true},
	{"level", JSON_FIELD_I64, offsetof(BlobFields, level), true},
};

typedef struct RecordFields {
	char *created;
	Digest diff_id;
	json_t *blobs;
} RecordFields;

static const JsonField record_fields[] = {
	{"created", JSON_FIELD_STRING, offsetof(RecordFields, created), true},
	{"diff_id", JSON_FIELD_DIGEST, offsetof(RecordFields, diff_id), true},
	{"blobs", JSON_FIELD_ARRAY, offsetof(RecordFields, blobs), true},
};

const char *record_media_type(Compression c)
{
	return c == COMPRESSION_NONE    ? MT_OCI_LAYER
		: c == COMPRESSION_ZSTD ? MT_OCI_LAYER_ZSTD
					: MT_OCI_LAYER_GZIP;
}

/* The blob in the wanted form if it is there, else any. */
static bool choose_blob(Store *s, const json_t *blobs, Compression c, int level, Descriptor *ret,
	bool *ret_converted)
{
	size_t i;
	json_t *item;
	bool found = false;
	json_array_foreach(blobs, i, item)
	{
		BlobFields b = {0};
		uint64_t size = 0;
		if (!json_is_object(item) ||
			json_read_object(
				item, "blob", blob_fields, ARRAY_SIZE(blob_fields), &b, NULL) < 0)
			continue;
		bool exact = strcmp(b.media_type, record_media_type(c)) == 0 &&
			(b.level == level || c == COMPRESSION_NONE);
		if ((exact || !found) && media_type_is_layer(b.media_type) &&
			store_blob_has(s, &b.digest, &size) && size == b.size) {
			descriptor_done(ret);
			*ret = (Descriptor){.media_type = TAKE_PTR(b.media_type),
				.digest = b.digest,
				.size = b.size};
			*ret_converted = !exact;
			found = true;
			if (exact)
				return true;
		}
		free(b.media_type);
	}
	return found;
}

bool record_find(Store *s, const Digest *key, Compression c, int level, Record *ret)
{
	_cleanup_free_ char *path = path_of("records", key);
	_cleanup_json_ json_t *value = read_json(s, path);
	RecordFields f = {0};
	if (!json_is_object(value) ||
		json_read_object(
			value, "record", record_fields, ARRAY_SIZE(record_fields), &f, NULL) < 0)
		return false;
	Record r = {.diff_id = f.diff_id, .created = f.created};
	bool found = time_parse(str_of(f.created), &(int64_t){0}, &(uint32_t){0}, NULL) == 0 &&
		choose_blob(s, f.blobs, c, level, &r.layer, &r.converted);
	json_decref(f.blobs);
	if (found)
		*ret = r;
	else
		record_done(&r);
	return found;
}

static json_t *blob_json(const Record *r, int level)
{
	return json_pack("{s:s, s:s, s:I, s:i}", "mediaType", r->layer.media_type, "digest",
		digest_str(&r->layer.digest).s, "size", (json_int_t)r->layer.size, "level", level);
}

/* Blobs of an older record for the same content stay known. */
static void keep_blobs(const json_t *old, const Record *r, json_t *blobs)
{
	const char *diff_id = json_string_value(json_object_get(old, "diff_id"));
	if (!diff_id || strcmp(diff_id, digest_str(&r->diff_id).s) != 0)
		return;
	size_t i;
	json_t *item;
	json_array_foreach(json_object_get(old, "blobs"), i, item)
	{
		const char *digest = json_string_value(json_object_get(item, "digest"));
		if (digest && strcmp(digest, digest_str(&r->layer.digest).s) != 0 &&
			json_array_size(blobs) < RECORD_MAX_BLOBS)
			json_array_append(blobs, item);
	}
}

int record_op_mark(Store *s, const Digest *op, Err **err)
{
	_cleanup_free_ char *path = path_of("ops", op);
	_cleanup_close_ int fd = openat(store_fd(s), path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 && errno == ENOENT) {
		int r = make_parent(s, path, err);
		if (r < 0)
			return r;
		fd = openat(store_fd(s), path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	}
	return fd < 0 ? err_sys(err, "create '%s'", path) : 0;
}

int record_write(
	Store *s, const Digest *key, const Digest *op, const Record *r, int level, Err **err)
{
	_cleanup_free_ char *path = path_of("records", key);
	_cleanup_json_ json_t *blobs = json_array();
	json_array_append_new(blobs, blob_json(r, level));
	_cleanup_json_ json_t *old = read_json(s, path);
	if (old)
		keep_blobs(old, r, blobs);
	_cleanup_json_ json_t *value = json_pack("{s:s, s:s, s:O}", "created", r->created,
		"diff_id", digest_str(&r->diff_id).s, "blobs", blobs);
	int ret = record_op_mark(s, op, err);
	return ret < 0 ? ret : write_json(s, path, value, err);
}

bool record_op_seen(Store *s, const Digest *op)
{
	_cleanup_free_ char *path = path_of("ops", op);
	return faccessat(store_fd(s), path, F_OK, 0) == 0;
}

char *record_created_find(Store *s, const Digest *key)
{
	_cleanup_free_ char *path = path_of("created", key);
	_cleanup_json_ json_t *value = read_json(s, path);
	const char *created = json_string_value(json_object_get(value, "created"));
	if (!created || time_parse(str_of(created), &(int64_t){0}, &(uint32_t){0}, NULL) < 0)
		return NULL;
	return xstrdup(created);
}

int record_created_write(Store *s, const Digest *key, const char *created, Err **err)
{
	_cleanup_free_ char *path = path_of("created", key);
	_cleanup_json_ json_t *value = json_pack("{s:s}", "created", created);
	return write_json(s, path, value, err);
}
