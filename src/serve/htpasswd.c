#include "serve/htpasswd.h"

#include <crypt.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/library.h"
#include "base/map.h"
#include "sys/atomic.h"

#define FILE_MAX     (1u << 20)
#define REMEMBER_MAX 4096
#define KEY_SIZE     32

typedef struct Libcrypt {
	__typeof__(&crypt_r) crypt_r;
} Libcrypt;

struct Htpasswd {
	char *path;
	Libcrypt lib;
	pthread_mutex_t lock; /* of users, right, seen */
	pthread_mutex_t slow; /* one bcrypt at a time */
	Map users;            /* → char *, the hash */
	Map right;            /* keyed hash of "user:password" → here */
	struct stat seen;
	uint8_t key[KEY_SIZE];
};

static int check_kind(const char *path, unsigned line, Str hash, Err **err)
{
	static const struct {
		const char *prefix, *name;
	} others[] = {{"$apr1$", "MD5 of Apache"}, {"{SHA}", "SHA-1"}, {"$5$", "SHA-256 crypt"},
		{"$6$", "SHA-512 crypt"}};
	if ((str_starts(hash, "$2y$") || str_starts(hash, "$2a$") || str_starts(hash, "$2b$")) &&
		hash.len == 60)
		return 0;
	const char *kind = "unknown";
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (str_starts(hash, others[i].prefix))
			kind = others[i].name;
	int r = err_set(err, ERR_UNSUPPORTED,
		"%s:%u: the password's hash is of the kind '%s', only bcrypt is taken", path, line,
		kind);
	err_hint(err, "write it with 'htpasswd -B'");
	return r;
}

static int parse_users(const char *path, Str text, Map *ret, Err **err)
{
	Map users = MAP_INIT(free);
	Str line;
	int r = 0;
	for (unsigned number = 1; r == 0 && str_cut(&text, '\n', &line); number++) {
		line = str_trim(line);
		ssize_t colon = str_find(line, ':');
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		if (colon <= 0) {
			r = err_set(err, ERR_PARSE, "%s:%u: is not 'user:hash'", path, number);
			break;
		}
		Str hash = str_slice(line, (size_t)colon + 1, line.len);
		r = check_kind(path, number, hash, err);
		if (r == 0)
			map_put(&users, str_slice(line, 0, (size_t)colon), str_dup(hash));
	}
	if (r < 0)
		map_done(&users);
	else
		*ret = users;
	return r;
}

/* With the lock. */
static int load_users(Htpasswd *h, Err **err)
{
	_cleanup_buf_ Buf text = BUF_INIT(FILE_MAX);
	struct stat st;
	if (stat(h->path, &st) < 0)
		return err_sys(err, "read '%s'", h->path);
	if (st.st_ino == h->seen.st_ino && st.st_size == h->seen.st_size &&
		st.st_mtim.tv_sec == h->seen.st_mtim.tv_sec &&
		st.st_mtim.tv_nsec == h->seen.st_mtim.tv_nsec)
		return 0;
	Map users;
	int r = file_read(AT_FDCWD, h->path, FILE_MAX, &text, err);
	if (r == 0)
		r = parse_users(h->path, buf_view(&text), &users, err);
	if (r < 0)
		return r;
	map_done(&h->users);
	map_done(&h->right);
	h->users = users;
	h->right = MAP_INIT(NULL);
	h->seen = st;
	return 0;
}

int htpasswd_new(const char *path, Htpasswd **ret, Err **err)
{
	static const LibrarySymbol symbols[] = {{"crypt_r", offsetof(Libcrypt, crypt_r)}};
	_cleanup_(htpasswd_freep) Htpasswd *h = xnew(Htpasswd);
	h->path = xstrdup(path);
	pthread_mutex_init(&h->lock, NULL);
	pthread_mutex_init(&h->slow, NULL);
	if (getrandom(h->key, sizeof(h->key), 0) != (ssize_t)sizeof(h->key))
		return err_sys(err, "make up a key");
	int r = library_load(
		"libcrypt.so.1", "libcrypt1", symbols, ARRAY_SIZE(symbols), &h->lib, err);
	if (r == 0)
		r = load_users(h, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(h);
	return 0;
}

Htpasswd *htpasswd_free(Htpasswd *h)
{
	if (!h)
		return NULL;
	map_done(&h->users);
	map_done(&h->right);
	pthread_mutex_destroy(&h->lock);
	pthread_mutex_destroy(&h->slow);
	free(h->path);
	free(h);
	return NULL;
}

/* ---- Basic ---- */

static int base64_value(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

bool basic_parse(Str value, char **ret_user, char **ret_password)
{
	value = str_trim(value);
	if (value.len < 6 || !str_eq_nocase(str_slice(value, 0, 6), "Basic "))
		return false;
	value = str_trim(str_slice(value, 6, value.len));
	while (value.len && value.ptr[value.len - 1] == '=')
		value.len--;
	_cleanup_free_ char *text = xmalloc(value.len + 1);
	size_t n = 0;
	uint32_t bits = 0;
	for (size_t i = 0; i < value.len; i++) {
		int v = base64_value(value.ptr[i]);
		if (v < 0)
			return false;
		bits = bits << 6 | (uint32_t)v;
		if (i % 4 != 0)
			text[n++] = (char)(bits >> (6 - 2 * (i % 4)) & 0xff);
	}
	Str pair = {text, n};
	ssize_t colon = str_find(pair, ':');
	if (colon < 0 || memchr(text, 0, n))
		return false;
	*ret_user = str_dup(str_slice(pair, 0, (size_t)colon));
	*ret_password = str_dup(str_slice(pair, (size_t)colon + 1, n));
	return true;
}

static void keyed_hash(
	const Htpasswd *h, const char *user, const char *password, const char *hash, Digest *ret)
{
	_cleanup_(sha256_freep) Sha256 *sum = sha256_new();
	sha256_field(sum, (Str){(const char *)h->key, sizeof(h->key)});
	sha256_field(sum, str_of(user));
	sha256_field(sum, str_of(password));
	sha256_field(sum, str_of(hash));
	sha256_final(sum, ret);
}

/* In time that does not depend on where they differ. */
static bool same_text(const char *a, const char *b)
{
	size_t n = strlen(a);
	unsigned char difference = n != strlen(b);
	for (size_t i = 0; i < n && b[i]; i++)
		difference |= (unsigned char)(a[i] ^ b[i]);
	return !difference;
}

static bool check_slowly(Htpasswd *h, const char *password, const char *hash)
{
	_cleanup_free_ struct crypt_data *data = xnew(struct crypt_data);
	pthread_mutex_lock(&h->slow);
	const char *made = h->lib.crypt_r(password, hash, data);
	pthread_mutex_unlock(&h->slow);
	return made && *made != '*' && same_text(made, hash);
}

bool htpasswd_allows(Htpasswd *h, const char *authorization, char **ret_user)
{
	_cleanup_free_ char *user = NULL, *password = NULL, *hash = NULL;
	Digest sum;
	if (!authorization || !basic_parse(str_of(authorization), &user, &password))
		return false;
	pthread_mutex_lock(&h->lock);
	(void)!load_users(h, NULL); /* a file that became malformed: the users of before stay */
	const char *known = map_get(&h->users, str_of(user));
	bool exists = known != NULL;
	/* an unknown user takes as long as one of the known: by what he costs nobody learns that he is none */
	map_foreach (&h->users, it)
		known = known ? known : it->value;
	hash = xstrdup(known ? known : "*");
	keyed_hash(h, user, password, hash, &sum);
	Str key = {(const char *)sum.bytes, DIGEST_SIZE};
	bool right = exists && map_has(&h->right, key);
	pthread_mutex_unlock(&h->lock);
	if (!right) {
		right = check_slowly(h, password, hash) && exists;
		pthread_mutex_lock(&h->lock);
		if (right && h->right.live < REMEMBER_MAX)
			map_put(&h->right, key, h);
		pthread_mutex_unlock(&h->lock);
	}
	explicit_bzero(password, strlen(password));
	if (right)
		*ret_user = TAKE_PTR(user);
	return right;
}
