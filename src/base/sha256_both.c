/*
 * The processor's SHA instructions do two rounds in four cycles, but could begin others every second cycle: one stream
 * waits half of the time. A layer's content is hashed for its diffID and again for the file it belongs to, from the same
 * bytes. Here both advance together: one message schedule, two chains of rounds.
 *
 * The instructions want the eight words of a state as A B E F and C D G H, highest word first.
 */
#include "base/sha256_both.h"

#include "base/mem.h"

#ifdef __x86_64__

#include <cpuid.h>
#include <immintrin.h>

#define BLOCK    64
#define _sha_    __attribute__((target("sha,sse4.1")))
#define _inline_ inline __attribute__((always_inline))

static const uint32_t constants[64] __attribute__((aligned(16))) = {0x428a2f98, 0x71374491,
	0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
	0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc,
	0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354,
	0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
	0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c,
	0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f,
	0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

typedef struct State {
	__m128i abef, cdgh;
} State;

bool sha256_both_possible(void)
{
	static int known; /* 0: not asked, 1: no, 2: yes */
	int answer = __atomic_load_n(&known, __ATOMIC_RELAXED);
	if (!answer) {
		unsigned a, b, c, d;
		bool sha = __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & bit_SHA;
		bool sse = __get_cpuid(1, &a, &b, &c, &d) && c & bit_SSE4_1;
		answer = sha && sse ? 2 : 1;
		__atomic_store_n(&known, answer, __ATOMIC_RELAXED);
	}
	return answer == 2;
}

static _sha_ State load(const uint32_t words[8])
{
	__m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)words), 0xb1);
	__m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(words + 4)), 0x1b);
	return (State){_mm_alignr_epi8(cdab, efgh, 8), _mm_blend_epi16(efgh, cdab, 0xf0)};
}

static _sha_ void store(uint32_t words[8], State s)
{
	__m128i feba = _mm_shuffle_epi32(s.abef, 0x1b);
	__m128i dchg = _mm_shuffle_epi32(s.cdgh, 0xb1);
	_mm_storeu_si128((__m128i *)words, _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((__m128i *)(words + 4), _mm_alignr_epi8(dchg, feba, 8));
}

/* Four rounds of both: words holds what the message gives for them. */
static _sha_ _inline_ void rounds(State *a, State *b, __m128i words, int at)
{
	__m128i k = _mm_add_epi32(words, _mm_load_si128((const __m128i *)(constants + at)));
	a->cdgh = _mm_sha256rnds2_epu32(a->cdgh, a->abef, k);
	b->cdgh = _mm_sha256rnds2_epu32(b->cdgh, b->abef, k);
	k = _mm_shuffle_epi32(k, 0x0e);
	a->abef = _mm_sha256rnds2_epu32(a->abef, a->cdgh, k);
	b->abef = _mm_sha256rnds2_epu32(b->abef, b->cdgh, k);
}

/* The four words that follow sixteen. */
static _sha_ _inline_ __m128i next_words(__m128i w0, __m128i w1, __m128i w2, __m128i w3)
{
	__m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
	return _mm_sha256msg2_epu32(sum, w3);
}

_sha_ void sha256_both(uint32_t a[8], uint32_t b[8], const void *blocks, size_t n)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	State x = load(a), y = load(b);
	for (const char *block = blocks; n > 0; n--, block += BLOCK) {
		State x0 = x, y0 = y;
		const __m128i *in = (const __m128i *)(const void *)block;
		__m128i w0 = _mm_shuffle_epi8(_mm_loadu_si128(in), swap);
		__m128i w1 = _mm_shuffle_epi8(_mm_loadu_si128(in + 1), swap);
		__m128i w2 = _mm_shuffle_epi8(_mm_loadu_si128(in + 2), swap);
		__m128i w3 = _mm_shuffle_epi8(_mm_loadu_si128(in + 3), swap);
		for (int at = 0; at < 48; at += 16) {
			rounds(&x, &y, w0, at);
			w0 = next_words(w0, w1, w2, w3);
			rounds(&x, &y, w1, at + 4);
			w1 = next_words(w1, w2, w3, w0);
			rounds(&x, &y, w2, at + 8);
			w2 = next_words(w2, w3, w0, w1);
			rounds(&x, &y, w3, at + 12);
			w3 = next_words(w3, w0, w1, w2);
		}
		rounds(&x, &y, w0, 48);
		rounds(&x, &y, w1, 52);
		rounds(&x, &y, w2, 56);
		rounds(&x, &y, w3, 60);
		x.abef = _mm_add_epi32(x.abef, x0.abef);
		x.cdgh = _mm_add_epi32(x.cdgh, x0.cdgh);
		y.abef = _mm_add_epi32(y.abef, y0.abef);
		y.cdgh = _mm_add_epi32(y.cdgh, y0.cdgh);
	}
	store(a, x);
	store(b, y);
}

#else

bool sha256_both_possible(void)
{
	return false;
}

void sha256_both(uint32_t a[8] _unused_, uint32_t b[8] _unused_, const void *blocks _unused_,
	size_t n _unused_)
{
	abort();
}

#endif
