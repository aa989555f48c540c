/* SHA-256 of one stream of blocks into two states (FIPS 180-4, 6.2): what the blocks contribute is computed once, and the
 * rounds of one state fill the waits of the other's. For digest.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether this processor can. */
bool sha256_both_possible(void);
/* a and b: the eight words of a state in the order of the standard. n blocks of 64 bytes. */
void sha256_both(uint32_t a[8], uint32_t b[8], const void *blocks, size_t n);
