/* Lookups in a burst trie (layout in burst.pxd): every octet is one step through nodes, four octets
 * are one step through a block. The vector variants take many addresses down together, step by
 * step, so that their cache misses overlap and no branch depends on an address; in a block they
 * halve the keys, all lanes alike. What leads on behind a block is rare and goes one by one.
 */
#ifndef DIALOUT_SIMD_LPM6_H
#define DIALOUT_SIMD_LPM6_H

#include <stdint.h>
#include <string.h>

#define LPM6_CHILD 0x80000000u
#define LPM6_BLOCK 0xC0000000u
#define LPM6_INDEX 0x3FFFFFFFu
#define LPM6_LINE 0x0FFFFFFFu

typedef struct {
    const uint32_t *root; /* by the first octet */
    const uint32_t *nodes;
    const uint32_t *blocks;
} lpm6_t;

static inline uint32_t lpm6_octets(const uint8_t *key) {
    uint32_t value;
    memcpy(&value, key, 4);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    value = __builtin_bswap32(value);
#endif
    return value;
}

/* What a block leads to for an address whose octets it decides have this value. */
static inline uint32_t lpm6_in_block(const lpm6_t *trie, uint32_t entry, uint32_t value) {
    const uint32_t *keys = trie->blocks + 16 * (uint64_t)(entry & LPM6_LINE);
    uint32_t room = 8u << ((entry >> 28) & 3);
    uint32_t below = 0;
    for (uint32_t half = room / 2; half; half /= 2)
        below += keys[below + half - 1] <= value ? half : 0;
    return keys[room + below];
}

/* What `entry` leads to for this address, of which the first `octets` are consumed. */
static inline uint32_t lpm6_walk(const lpm6_t *trie, uint32_t entry, int octets,
                                 const uint8_t *key) {
    while (entry & LPM6_CHILD) {
        if (entry < LPM6_BLOCK) {
            entry = trie->nodes[256 * (uint64_t)(entry & LPM6_INDEX) + key[octets]];
            octets++;
        } else {
            int from = octets < 12 ? octets : 12;
            entry = lpm6_in_block(trie, entry, lpm6_octets(key + from));
            octets = from + 4;
        }
    }
    return entry;
}

/* The first steps of several addresses are made in turn, so that their loads overlap. */
static inline void lpm6_portable(const lpm6_t *trie, const uint8_t *keys, uint32_t *out, int n) {
    enum { CHUNK = 16 };
    for (; n > 0; n -= CHUNK, keys += 16 * CHUNK, out += CHUNK) {
        int size = n < CHUNK ? n : CHUNK;
        uint8_t octets[CHUNK];
        for (int i = 0; i < size; i++) {
            out[i] = trie->root[keys[16 * i]];
            octets[i] = 1;
        }
        for (int level = 1; level < 4; level++)
            for (int i = 0; i < size; i++) {
                uint32_t node = out[i] >> 30 == LPM6_CHILD >> 30;
                /* Not a node: the first entry of the first node is read for nothing. */
                uint64_t at = 256 * (uint64_t)(out[i] & LPM6_INDEX) + keys[16 * i + level];
                uint32_t next = trie->nodes[node ? at : 0];
                out[i] = node ? next : out[i];
                octets[i] += (uint8_t)node;
            }
        for (int i = 0; i < size; i++)
            out[i] = lpm6_walk(trie, out[i], octets[i], keys + 16 * i);
    }
}

#if defined(__x86_64__)
#include <immintrin.h>

enum {
    LPM6_GROUPS = 8,    /* vectors of addresses that go together */
    LPM6_FEW = 12       /* addresses in blocks that are not worth a step of all groups */
};

#define LPM6_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,bmi2,popcnt")))

/* Sixteen addresses, or n, as two vectors: octets 0 to 3 and 4 to 7 of each, as numbers. */
LPM6_AVX512 static inline void lpm6_load512(const uint8_t *keys, int n, __m512i *high,
                                            __m512i *low) {
    const __m512i pick =
        _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
    const __m512i swap = _mm512_broadcast_i32x4(
        _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12));
    __m512i part[4];
    if (n >= 16) {
        for (int i = 0; i < 4; i++)
            part[i] = _mm512_loadu_si512(keys + 64 * i);
    } else {
        uint64_t words = ((uint64_t)1 << 4 * n) - 1;
        for (int i = 0; i < 4; i++) {
            __mmask16 here = (__mmask16)(words >> 16 * i);
            part[i] = here ? _mm512_maskz_loadu_epi32(here, keys + 64 * i)
                           : _mm512_setzero_si512();
        }
    }
    part[0] = _mm512_permutex2var_epi32(part[0], pick, part[1]);
    part[2] = _mm512_permutex2var_epi32(part[2], pick, part[3]);
    *high = _mm512_shuffle_epi8(_mm512_shuffle_i64x2(part[0], part[2], 0x44), swap);
    *low = _mm512_shuffle_epi8(_mm512_shuffle_i64x2(part[0], part[2], 0xEE), swap);
}

LPM6_AVX512 static inline __mmask16 lpm6_live512(int n) {
    return n >= 16 ? 0xFFFF : (__mmask16)((1 << n) - 1);
}

/* One of the halvings: lanes whose key behind `half` more is not above their value move there. */
LPM6_AVX512 static inline __m512i lpm6_halve512(const lpm6_t *trie, __mmask16 lanes, __m512i place,
                                                __m512i value, int half) {
    __m512i probe = _mm512_mask_i32gather_epi32(
        _mm512_setzero_si512(), lanes, _mm512_add_epi32(place, _mm512_set1_epi32(half - 1)),
        trie->blocks, 4);
    __mmask16 above = _mm512_mask_cmple_epu32_mask(lanes, probe, value);
    return _mm512_mask_add_epi32(place, above, place, _mm512_set1_epi32(half));
}

/* The step through blocks of all groups. at: where in the keys of its group an address goes on. */
LPM6_AVX512 static inline void lpm6_blocks512(const lpm6_t *trie, const uint8_t *keys, int groups,
                                              __m512i *entry, __m512i *at, const __mmask16 *block) {
    const __m512i swap = _mm512_broadcast_i32x4(
        _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12));
    __m512i value[LPM6_GROUPS], place[LPM6_GROUPS], room[LPM6_GROUPS];
    uint32_t largest = 0;
    for (int g = 0; g < groups; g++) {
        __m512i octets = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), block[g], at[g],
                                                     keys + 256 * g, 1);
        __m512i size = _mm512_and_si512(_mm512_srli_epi32(entry[g], 28), _mm512_set1_epi32(3));
        value[g] = _mm512_shuffle_epi8(octets, swap);
        room[g] = _mm512_maskz_sllv_epi32(block[g], _mm512_set1_epi32(8), size);
        place[g] = _mm512_slli_epi32(entry[g], 4); /* which leaves of the entry the line alone */
        largest |= _mm512_test_epi32_mask(room[g], _mm512_set1_epi32(32));
    }
    for (int g = 0; largest && g < groups; g++)
        place[g] = lpm6_halve512(trie, _mm512_test_epi32_mask(room[g], _mm512_set1_epi32(32)),
                                 place[g], value[g], 16);
    for (int g = 0; g < groups; g++)
        place[g] = lpm6_halve512(trie, _mm512_test_epi32_mask(room[g], _mm512_set1_epi32(48)),
                                 place[g], value[g], 8);
    for (int half = 4; half; half /= 2)
        for (int g = 0; g < groups; g++)
            place[g] = lpm6_halve512(trie, block[g], place[g], value[g], half);
    for (int g = 0; g < groups; g++) {
        entry[g] = _mm512_mask_i32gather_epi32(
            entry[g], block[g], _mm512_add_epi32(place[g], room[g]), trie->blocks, 4);
        at[g] = _mm512_mask_add_epi32(at[g], block[g], at[g], _mm512_set1_epi32(4));
    }
}

LPM6_AVX512 static inline void lpm6_chunk512(const lpm6_t *trie, const uint8_t *keys, uint32_t *out,
                                             int n) {
    const __m512i first_block = _mm512_set1_epi32((int)LPM6_BLOCK);
    const __m512i octet = _mm512_set1_epi32(255);
    __m512i half[2][LPM6_GROUPS], entry[LPM6_GROUPS], at[LPM6_GROUPS];
    __mmask16 block[LPM6_GROUPS];
    int groups = (n + 15) / 16, blocks = 0, any = 1;

    for (int g = 0; g < groups; g++) {
        lpm6_load512(keys + 256 * g, n - 16 * g, &half[0][g], &half[1][g]);
        /* A gather keeps what it does not load, and waits for it: hence the zeros. */
        entry[g] = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), lpm6_live512(n - 16 * g),
                                               _mm512_srli_epi32(half[0][g], 24), trie->root, 4);
        at[g] = _mm512_setr_epi32(1, 17, 33, 49, 65, 81, 97, 113, 129, 145, 161, 177, 193, 209, 225,
                                  241);
    }
    for (int level = 1; level < 8 && any; level++) {
        const __m128i shift = _mm_cvtsi32_si128(24 - 8 * (level & 3));
        any = 0;
        for (int g = 0; g < groups; g++) {
            __mmask16 node = _mm512_cmplt_epi32_mask(entry[g], first_block);
            if (!node)
                continue;
            __m512i index = _mm512_and_si512(_mm512_srl_epi32(half[level >> 2][g], shift), octet);
            index = _mm512_or_si512(_mm512_slli_epi32(entry[g], 8), index);
            entry[g] = _mm512_mask_i32gather_epi32(entry[g], node, index, trie->nodes, 4);
            at[g] = _mm512_mask_add_epi32(at[g], node, at[g], _mm512_set1_epi32(1));
            any = 1;
        }
    }
    for (int g = 0; g < groups; g++) {
        block[g] = _mm512_cmpge_epu32_mask(entry[g], first_block);
        blocks += __builtin_popcount(block[g]);
    }
    if (blocks > LPM6_FEW)
        lpm6_blocks512(trie, keys, groups, entry, at, block);
    for (int g = 0; g < groups; g++) {
        uint32_t child = _mm512_movepi32_mask(entry[g]);
        _mm512_mask_storeu_epi32(out + 16 * g, lpm6_live512(n - 16 * g), entry[g]);
        if (child) {
            uint32_t of[16], from[16];
            _mm512_storeu_si512(of, entry[g]);
            _mm512_storeu_si512(from, at[g]);
            for (; child; child &= child - 1) {
                int i = __builtin_ctz(child);
                out[16 * g + i] = lpm6_walk(trie, of[i], (int)from[i] - 16 * i,
                                            keys + 256 * g + 16 * i);
            }
        }
    }
}

LPM6_AVX512 static inline void lpm6_avx512(const lpm6_t *trie, const uint8_t *keys, uint32_t *out,
                                           int n) {
    for (; n > 0; n -= 16 * LPM6_GROUPS) {
        lpm6_chunk512(trie, keys, out, n < 16 * LPM6_GROUPS ? n : 16 * LPM6_GROUPS);
        keys += 256 * LPM6_GROUPS;
        out += 16 * LPM6_GROUPS;
    }
}

/* -- AVX2: groups of eight, lanes chosen by vectors of all ones -------------------------------- */

#define LPM6_AVX2 __attribute__((target("avx2,bmi2,popcnt")))

LPM6_AVX2 static inline __m256i lpm6_gather256(__m256i keep, const uint32_t *base, __m256i index,
                                               __m256i lanes) {
    return _mm256_mask_i32gather_epi32(keep, (const int *)base, index, lanes, 4);
}

LPM6_AVX2 static inline __m256i lpm6_octets256(const uint8_t *keys, __m256i at, __m256i lanes) {
    const __m256i swap = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12));
    return _mm256_shuffle_epi8(_mm256_mask_i32gather_epi32(_mm256_setzero_si256(),
                                                           (const int *)keys, at, lanes, 1), swap);
}

LPM6_AVX2 static inline __m256i lpm6_halve256(const lpm6_t *trie, __m256i lanes, __m256i place,
                                              __m256i value, int half) {
    __m256i probe = lpm6_gather256(_mm256_setzero_si256(), trie->blocks,
                                   _mm256_add_epi32(place, _mm256_set1_epi32(half - 1)), lanes);
    __m256i above = _mm256_cmpeq_epi32(_mm256_max_epu32(probe, value), value);
    above = _mm256_and_si256(above, lanes);
    return _mm256_add_epi32(place, _mm256_and_si256(above, _mm256_set1_epi32(half)));
}

/* The step through blocks of one group. */
LPM6_AVX2 static inline __m256i lpm6_blocks256(const lpm6_t *trie, const uint8_t *keys,
                                               __m256i entry, __m256i at, __m256i block) {
    __m256i value = lpm6_octets256(keys, at, block);
    __m256i size = _mm256_and_si256(_mm256_srli_epi32(entry, 28), _mm256_set1_epi32(3));
    __m256i room = _mm256_sllv_epi32(_mm256_set1_epi32(8), size);
    __m256i place = _mm256_slli_epi32(entry, 4);
    for (int half = 16; half > 4; half /= 2) {
        __m256i wide = _mm256_cmpgt_epi32(room, _mm256_set1_epi32(2 * half - 1));
        place = lpm6_halve256(trie, _mm256_and_si256(block, wide), place, value, half);
    }
    for (int half = 4; half; half /= 2)
        place = lpm6_halve256(trie, block, place, value, half);
    return lpm6_gather256(entry, trie->blocks, _mm256_add_epi32(place, room), block);
}

LPM6_AVX2 static inline void lpm6_chunk256(const lpm6_t *trie, const uint8_t *keys, uint32_t *out,
                                           int n) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i first_block = _mm256_set1_epi32((int)LPM6_BLOCK);
    const __m256i begin = _mm256_slli_epi32(lane, 4);
    __m256i half[2][LPM6_GROUPS], entry[LPM6_GROUPS], at[LPM6_GROUPS], live[LPM6_GROUPS];
    int groups = (n + 7) / 8, any = 1;

    for (int g = 0; g < groups; g++) {
        live[g] = _mm256_cmpgt_epi32(_mm256_set1_epi32(n - 8 * g), lane);
        half[0][g] = lpm6_octets256(keys + 128 * g, begin, live[g]);
        half[1][g] = lpm6_octets256(keys + 128 * g, _mm256_add_epi32(begin, _mm256_set1_epi32(4)),
                                    live[g]);
        entry[g] = lpm6_gather256(_mm256_setzero_si256(), trie->root,
                                  _mm256_srli_epi32(half[0][g], 24), live[g]);
        at[g] = _mm256_add_epi32(begin, _mm256_set1_epi32(1));
    }
    for (int level = 1; level < 8 && any; level++) {
        const __m128i shift = _mm_cvtsi32_si128(24 - 8 * (level & 3));
        any = 0;
        for (int g = 0; g < groups; g++) {
            __m256i node = _mm256_cmpgt_epi32(first_block, entry[g]);
            if (_mm256_testz_si256(node, node))
                continue;
            __m256i index = _mm256_and_si256(_mm256_srl_epi32(half[level >> 2][g], shift),
                                             _mm256_set1_epi32(255));
            index = _mm256_or_si256(_mm256_slli_epi32(entry[g], 8), index);
            entry[g] = lpm6_gather256(entry[g], trie->nodes, index, node);
            at[g] = _mm256_sub_epi32(at[g], node);
            any = 1;
        }
    }
    for (int g = 0; g < groups; g++) {
        __m256i node = _mm256_cmpgt_epi32(first_block, entry[g]);
        __m256i block = _mm256_andnot_si256(node, _mm256_srai_epi32(entry[g], 31));
        if (!_mm256_testz_si256(block, block)) {
            entry[g] = lpm6_blocks256(trie, keys + 128 * g, entry[g], at[g], block);
            at[g] = _mm256_add_epi32(at[g], _mm256_and_si256(block, _mm256_set1_epi32(4)));
        }
        uint32_t child = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(entry[g]));
        _mm256_maskstore_epi32((int *)out + 8 * g, live[g], entry[g]);
        if (child) {
            uint32_t of[8], from[8];
            _mm256_storeu_si256((__m256i *)of, entry[g]);
            _mm256_storeu_si256((__m256i *)from, at[g]);
            for (; child; child &= child - 1) {
                int i = __builtin_ctz(child);
                out[8 * g + i] = lpm6_walk(trie, of[i], (int)from[i] - 16 * i,
                                           keys + 128 * g + 16 * i);
            }
        }
    }
}

LPM6_AVX2 static inline void lpm6_avx2(const lpm6_t *trie, const uint8_t *keys, uint32_t *out,
                                       int n) {
    for (; n > 0; n -= 8 * LPM6_GROUPS) {
        lpm6_chunk256(trie, keys, out, n < 8 * LPM6_GROUPS ? n : 8 * LPM6_GROUPS);
        keys += 128 * LPM6_GROUPS;
        out += 8 * LPM6_GROUPS;
    }
}
#else
static inline void lpm6_avx512(const lpm6_t *trie, const uint8_t *keys, uint32_t *out, int n) {
    lpm6_portable(trie, keys, out, n);
}

static inline void lpm6_avx2(const lpm6_t *trie, const uint8_t *keys, uint32_t *out, int n) {
    lpm6_portable(trie, keys, out, n);
}
#endif
#endif
