#include <sys/wait.h>

#include "base/limits.h"
#include "store_test.h"

#define A "docker.io/library/a:latest"
#define B "docker.io/library/b:latest"

static char *expected(const char *fmt, const TestImage *x, const TestImage *y)
{
	_cleanup_buf_ Buf out = BUF_INIT(4096);
	for (; *fmt; fmt++)
		if (*fmt == '1' || *fmt == '2')
			buf_printf(&out, "%.8s",
				digest_hex(&(*fmt == '1' ? x : y)->manifest.digest).s);
		else
			buf_char(&out, *fmt);
	return buf_steal(&out);
}

#define names_are(fmt)                                                                             \
	do {                                                                                       \
		_cleanup_free_ char *names_want = expected(fmt, &x, &y);                           \
		assert_text(names_now(), names_want);                                              \
	} while (0)

static void naming(void **state _unused_)
{
	_cleanup_image_ TestImage x = put_image("one"), y = put_image("two");
	names_are("");
	tag(&x.manifest, A);
	names_are(A "=1");
	tag(&x.manifest, A);
	names_are(A "=1");
	tag(&x.manifest, B);
	names_are(A "=1 " B "=1");
	/* a name moves; the last one leaves the image untagged */
	tag(&y.manifest, A);
	names_are(B "=1 " A "=2");
	tag(&y.manifest, B);
	names_are("-=1 " A "=2 " B "=2");
	/* an untagged image takes the name given */
	tag(&x.manifest, "docker.io/library/c:x");
	names_are("docker.io/library/c:x=1 " A "=2 " B "=2");
	ok(store_untag(store, A, err));
	names_are("docker.io/library/c:x=1 " B "=2");
	fails(ERR_NOT_FOUND, "no image is named '" A "'", store_untag(store, A, err));
	_cleanup_strvec_ StrVec several = {0};
	strvec_push(&several, A);
	fails(ERR_NOT_FOUND, "no image is named '" A "'", store_untag_all(store, &several, err));
	tag(&y.manifest, A);
	tag(&x.manifest, "docker.io/library/d:x");
	strvec_push(&several, "docker.io/library/d:x");
	strvec_push(&several, "docker.io/library/none:x");
	ok(store_untag_all(store, &several, err));
	names_are("docker.io/library/c:x=1 " B "=2");
	ok(store_forget(store, &x.manifest.digest, err));
	names_are(B "=2");
	fails(ERR_NOT_FOUND, digest_str(&x.manifest.digest).s,
		store_forget(store, &x.manifest.digest, err));
}

static void untagged(void **state _unused_)
{
	_cleanup_image_ TestImage x = put_image("one"), y = put_image("two");
	tag(&x.manifest, NULL);
	tag(&x.manifest, NULL);
	names_are("-=1");
	tag(&y.manifest, A);
	tag(&y.manifest, NULL); /* kept already */
	names_are("-=1 " A "=2");
}

/* A layout of another tool may have one name twice. */
static void twice(void **state _unused_)
{
	_cleanup_image_ TestImage x = put_image("one"), y = put_image("two");
	_cleanup_free_ char *text =
		xasprintf("{\"schemaVersion\":2,\"manifests\":["
			  "{\"mediaType\":\"" MT_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":%llu,"
			  "\"annotations\":{\"org.opencontainers.image.ref.name\":\"" A "\"}},"
			  "{\"mediaType\":\"" MT_OCI_MANIFEST "\",\"digest\":\"%s\",\"size\":%llu,"
			  "\"annotations\":{\"org.opencontainers.image.ref.name\":\"" A "\"}}]}",
			digest_str(&x.manifest.digest).s, (unsigned long long)x.manifest.size,
			digest_str(&y.manifest.digest).s, (unsigned long long)y.manifest.size);
	_cleanup_image_ TestImage z = put_image("three");
	put("store/index.json", text);
	tag(&z.manifest, A);
	_cleanup_free_ char *third =
		xasprintf("-=%.8s -=%.8s " A "=%.8s", digest_hex(&x.manifest.digest).s,
			digest_hex(&y.manifest.digest).s, digest_hex(&z.manifest.digest).s);
	assert_text(names_now(), third);
}

static void twice_removed(void **state _unused_)
{
	_cleanup_image_ TestImage x = put_image("one"), y = put_image("two");
	_cleanup_free_ char *text = NULL;
	tag(&x.manifest, A);
	tag(&y.manifest, B);
	Buf read = BUF_INIT(1 << 16);
	ok(file_read(AT_FDCWD, "store/index.json", 1 << 16, &read, err));
	text = buf_steal(&read);
	/* b becomes a */
	for (char *at = text; (at = strstr(at, "library/b")); at++)
		at[8] = 'a';
	put("store/index.json", text);
	ok(store_untag(store, A, err));
	names_are("");
}

static void damaged(void **state _unused_)
{
	static const char *const texts[] = {"", "{", "[]", "{\"schemaVersion\":2,\"manifests\":7}",
		"{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"sha256:zz\",\"size\":1}]}"};
	_cleanup_image_ TestImage x = put_image("one");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		StoreNames all;
		StrVec none = {0};
		StoreImage image;
		put("store/index.json", texts[i]);
		fails(ERR_CORRUPT, "index.json is damaged", store_names(store, &all, err));
		fails(ERR_CORRUPT, "index.json is damaged",
			store_tag(store, &none, &x.manifest, err));
		fails(ERR_CORRUPT, "damaged", store_untag(store, A, err));
		fails(ERR_CORRUPT, "damaged", store_image(store, A, NULL, &image, err));
		/* nothing of it is lost by trying */
		assert_content("store/index.json", texts[i]);
	}
	unlink("store/index.json");
	assert_text(names_now(), "");
}

static void too_many(void **state _unused_)
{
	_cleanup_image_ TestImage x = put_image("one");
	_cleanup_strvec_ StrVec names = {0};
	tag(&x.manifest, A);
	/* the bound of bytes is met sooner than the one of names when these are long */
	char name[LIMIT_REFERENCE];
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (unsigned i = 0; i < 4000; i++)
		strvec_pushf(&names, "%s:%u", name, i);
	fails(ERR_LIMIT, "too many names", store_tag(store, &names, &x.manifest, err));
	/* all or none */
	_cleanup_free_ char *one = xasprintf(A "=%.8s", digest_hex(&x.manifest.digest).s);
	assert_text(names_now(), one);
}

/* Processes that name images at once lose none of the names. */
static void at_once(void **state _unused_)
{
	_cleanup_image_ TestImage x = put_image("one");
	enum { PROCESSES = 4, EACH = 10 };
	for (int p = 0; p < PROCESSES; p++)
		if (fork() == 0) {
			Store *own = NULL;
			int r = store_open("store", &own, NULL);
			for (int i = 0; r == 0 && i < EACH; i++) {
				StrVec names = {0};
				strvec_pushf(&names, "docker.io/library/p%d:%d", p, i);
				r = store_tag(own, &names, &x.manifest, NULL);
			}
			_exit(r < 0);
		}
	for (int p = 0; p < PROCESSES; p++) {
		int status = -1;
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	StoreNames all = {0};
	ok(store_names(store, &all, err));
	assert_int_equal(all.len, PROCESSES * EACH);
	store_names_done(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(naming),
		store_test(untagged),
		store_test(twice),
		store_test(twice_removed),
		store_test(damaged),
		store_test(too_many),
		store_test(at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
