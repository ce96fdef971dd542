/*
 * hash.h
 *	  A 64-bit hash of bytes, the same on every machine.
 *
 * Not for tables of hostile keys, unless the seed is not known when they are
 * chosen.  Multiply-and-fold over 8-byte words; the constants are the first
 * digits of pi, so that nobody has to trust them.
 */
#ifndef CLF_HASH_H
#define CLF_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CLF_HASH_SEED UINT64_C(0x243F6A8885A308D3)

/* Mix two words into one: the 128-bit product folded on itself. */
static inline uint64_t
clf_hash_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128) (a ^ UINT64_C(0x13198A2E03707344)) *
		(b ^ UINT64_C(0xA4093822299F31D0));

	return (uint64_t) product ^ (uint64_t) (product >> 64);
}

/* Hash of bytes, starting from seed; little- and big-endian machines agree. */
static inline uint64_t
clf_hash_bytes(const void *bytes, size_t length, uint64_t seed)
{
	const unsigned char *p = bytes;
	uint64_t	hash = clf_hash_mix(seed, (uint64_t) length ^ CLF_HASH_SEED);

	while (length > 0)
	{
		size_t		n = length < 8 ? length : 8;
		uint64_t	word = 0;

		memcpy(&word, p, n);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		word = __builtin_bswap64(word);
#endif
		hash = clf_hash_mix(hash, word);
		p += n;
		length -= n;
	}
	return hash;
}

#endif							/* CLF_HASH_H */
