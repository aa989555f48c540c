#include "base/digest.h"

#include "../check.h"

#define EMPTY   "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define MILLION "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"

static void parsing(void **state _unused_)
{
	static const struct {
		const char *text;
		ErrCode code;
		const char *words;
	} cases[] = {
		{"sha256:" ABC, ERR_NONE, NULL},
		{ABC, ERR_PARSE, ABC},
		{"", ERR_PARSE, "''"},
		{"sha256:", ERR_PARSE, "'sha256:'"},
		{"SHA256:" ABC, ERR_PARSE, "not a digest"},
		{"sha256:" ABC "0", ERR_PARSE, "not a digest"},
		{"sha256:BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
			ERR_PARSE, "not a digest"},
		{"sha256:a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
			ERR_PARSE, "not a digest"},
		{"sha256:ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a",
			ERR_PARSE, "not a digest"},
		{" sha256:" ABC, ERR_PARSE, "not a digest"},
		{"sha256:" ABC "\n", ERR_PARSE, "not a digest"},
		{"md5:d41d8cd98f00b204e9800998ecf8427e", ERR_PARSE, "not a digest"},
		{"sha512:" ABC ABC, ERR_UNSUPPORTED, "not of type sha256"},
		{"sha384:" ABC "e3b0c44298fc1c149afbf4c8996fb924", ERR_UNSUPPORTED,
			"not of type sha256"},
		/* of another algorithm, but not well-formed either */
		{"sha512:" ABC, ERR_PARSE, "not a digest"},
		{"sha512:", ERR_PARSE, "not a digest"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Digest d = {0};
		if (cases[i].code) {
			fails(cases[i].code, cases[i].words,
				digest_parse(str_of(cases[i].text), &d, err));
			assert_true(digest_is_zero(&d));
		} else {
			ok(digest_parse(str_of(cases[i].text), &d, err));
			assert_string_equal(digest_str(&d).s, cases[i].text);
		}
	}
	/* a message stays a message, however long the text */
	char *text = xcalloc(1, 1 << 20);
	memset(text, 'a', (1 << 20) - 1);
	_cleanup_err_ Err *err = NULL;
	Digest d;
	assert_int_equal(digest_parse(str_of(text), &d, &err), -ERR_PARSE);
	assert_true(strlen(err->message) < 300);
	free(text);
}

static void hex(void **state _unused_)
{
	Digest d, e;
	assert_true(digest_parse_hex(STR(ABC), &d));
	assert_string_equal(digest_hex(&d).s, ABC);
	assert_false(digest_parse_hex(STR("sha256:" ABC), &e));
	assert_false(digest_parse_hex(str_slice(STR(ABC), 0, 63), &e));
	assert_false(digest_parse_hex((Str){NULL, 0}, &e));
	assert_true(digest_parse_hex(STR(EMPTY), &e));
	assert_false(digest_eq(&d, &e));
	assert_false(digest_is_zero(&d));
	e = d;
	assert_true(digest_eq(&d, &e));
	e.bytes[DIGEST_SIZE - 1] ^= 1;
	assert_false(digest_eq(&d, &e));
}

/* The vectors of FIPS 180. */
static void hashing(void **state _unused_)
{
	Digest d;
	digest_of(NULL, 0, &d);
	assert_string_equal(digest_hex(&d).s, EMPTY);
	digest_of("abc", 3, &d);
	assert_string_equal(digest_hex(&d).s, ABC);
	_cleanup_(sha256_freep) Sha256 *h = sha256_new();
	sha256_update(h, "rubbish", 7);
	sha256_reset(h);
	char block[1000];
	memset(block, 'a', sizeof(block));
	size_t left = 1000000;
	for (size_t n = 1; left; n = MIN(MIN(n * 7 % 1001, left) + 1, left)) {
		size_t take = MIN(n, sizeof(block));
		sha256_update(h, block, take);
		sha256_update(h, NULL, 0);
		left -= take;
		if (left == 0)
			break;
	}
	sha256_final(h, &d);
	assert_string_equal(digest_hex(&d).s, MILLION);
	sha256_reset(h);
	sha256_final(h, &d);
	assert_string_equal(digest_hex(&d).s, EMPTY);
}

static Digest of_fields(const char *fields, const uint64_t *number)
{
	Digest d;
	_cleanup_(sha256_freep) Sha256 *h = sha256_new();
	Str rest = str_of(fields), part;
	while (str_cut(&rest, '|', &part))
		sha256_field(h, part);
	if (number)
		sha256_field_u64(h, *number);
	sha256_final(h, &d);
	return d;
}

/* No two lists of fields collide: their framing is part of what is hashed. */
static void fields(void **state _unused_)
{
	static const char *const lists[] = {"", "|", "||", "a", "a|", "|a", "ab", "a|b", "b|a",
		"ab|", "\x01", "a|\x01", "\x01\x61"};
	static const uint64_t numbers[] = {0, 1, 256, UINT64_MAX};
	Digest all[ARRAY_SIZE(lists) + ARRAY_SIZE(numbers)];
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		all[n++] = of_fields(lists[i], NULL);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		all[n++] = of_fields("x", &numbers[i]);
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			if (digest_eq(&all[i], &all[j]))
				fail_msg("%zu and %zu collide", i, j);
	/* keys are kept on disk: this one may never change */
	static const uint8_t framed[] = {1, 0, 0, 0, 0, 0, 0, 0, 'a', 5, 0, 0, 0, 0, 0, 0, 0};
	const uint64_t five = 5;
	Digest d = of_fields("a", &five), expected;
	digest_of(framed, sizeof(framed), &expected);
	assert_true(digest_eq(&d, &expected));
}

/* Against one hash at a time, from every place in a block, for every length up to some blocks. */
static void test_update_both(void **state _unused_)
{
	uint8_t data[512];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 89 + i / 7);
	for (size_t before_a = 0; before_a < 130; before_a++)
		for (size_t len = 0; len <= 300; len += len < 70 ? 1 : 23)
			for (unsigned shift = 0; shift < 2; shift++) {
				size_t before_b = before_a % 64 + shift;
				Digest a, b, expected_a, expected_b;
				_cleanup_(sha256_freep) Sha256 *x = sha256_new(), *y = sha256_new();
				sha256_update(x, data, before_a);
				sha256_update(y, data, before_b);
				sha256_update_both(x, y, data + before_a, len);
				sha256_update_both(x, y, data + before_a, 3);
				sha256_final(x, &a);
				sha256_final(y, &b);
				sha256_reset(x);
				sha256_reset(y);
				sha256_update(x, data, before_a);
				sha256_update(x, data + before_a, len);
				sha256_update(x, data + before_a, 3);
				sha256_update(y, data, before_b);
				sha256_update(y, data + before_a, len);
				sha256_update(y, data + before_a, 3);
				sha256_final(x, &expected_a);
				sha256_final(y, &expected_b);
				assert_true(digest_eq(&a, &expected_a));
				assert_true(digest_eq(&b, &expected_b));
			}
}

/* The count of bits passes 32 bits. */
static void test_update_both_of_much(void **state _unused_)
{
	size_t len = 1u << 20;
	_cleanup_free_ char *data = xmalloc(len);
	memset(data, 'x', len);
	_cleanup_(sha256_freep) Sha256 *x = sha256_new(), *y = sha256_new(), *z = sha256_new();
	for (unsigned i = 0; i < 520; i++) {
		sha256_update_both(x, y, data, len);
		sha256_update(z, data, len);
	}
	Digest a, b, c;
	sha256_final(x, &a);
	sha256_final(y, &b);
	sha256_final(z, &c);
	assert_true(digest_eq(&a, &c) && digest_eq(&b, &c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsing),
		cmocka_unit_test(hex),
		cmocka_unit_test(hashing),
		cmocka_unit_test(fields),
		cmocka_unit_test(test_update_both),
		cmocka_unit_test(test_update_both_of_much),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
