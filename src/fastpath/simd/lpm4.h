/* IPv4 longest-prefix match in chunks: version -> page of 256 root entries -> chunk of 256 cells ->
 * ext block of 256 words, one octet of the address each. What the words mean, and how they are
 * changed, is in chunk_table.pxd; here they are only read. A batch is looked up 64 keys at a time
 * and level by level, so that the misses of one level overlap: half the time of a walk of 16 at a
 * time where the table does not fit the caches.
 *
 * A gather merges into its destination, which chains it to whatever was there before: the source is
 * zeroed and the full mask hidden from the compiler, which would drop the zeroing again.
 */
#ifndef DIALOUT_SIMD_LPM4_H
#define DIALOUT_SIMD_LPM4_H

#include <stdint.h>
#include <string.h>

#define LPM4_NODE 0x80000000u /* root entry: a chunk decides; wide cell: an ext block decides */
#define LPM4_WIDE 0x40000000u /* root entry: that chunk's cells have 32 bits */
#define LPM4_INDEX 0x3fffffffu
#define LPM4_EXT 0x8000u /* 16-bit cell: an ext block decides */
#define LPM4_NH 0x00ffffffu

struct lpm4_version {
    const uint32_t* roots;     /* root entries of page i from roots[256 * i] */
    const uint16_t* cells;     /* of chunk i from cells[256 * i]; there is no chunk 0 */
    const uint32_t* ext;       /* words of ext block i from ext[256 * i] */
    const uint32_t* wide;      /* 32-bit cells, and the words of the ext blocks below them */
    uint64_t unused[4];
    uint32_t page[256];        /* by first octet: 256 * the page's index */
};

enum { LPM4_STAGE = 64 };

static inline uint32_t lpm4_below(const struct lpm4_version* v, uint32_t entry,
                                  const uint8_t* key) {
    uint32_t at = (entry & LPM4_INDEX) + key[2];
    uint32_t cell;
    if (entry & LPM4_WIDE) {
        cell = v->wide[at];
        if (cell & LPM4_NODE)
            cell = v->wide[((uint64_t)(cell & LPM4_INDEX) << 8) + key[3]];
        return cell & LPM4_NH;
    }
    cell = v->cells[at];
    return cell & LPM4_EXT ? v->ext[((cell & 0x7fffu) << 8) + key[3]] & LPM4_NH : cell;
}

static inline uint32_t lpm4_one(const struct lpm4_version* v, const uint8_t* key) {
    uint32_t entry = v->roots[v->page[key[0]] + key[1]];
    return entry & LPM4_NODE ? lpm4_below(v, entry, key) : entry;
}

static void lpm4_portable(const void* version, const uint8_t* keys, uint32_t* out, int n) {
    const struct lpm4_version* v = (const struct lpm4_version*)version;
    for (; n > 0; n -= LPM4_STAGE, keys += 4 * LPM4_STAGE, out += LPM4_STAGE) {
        int stage = n < LPM4_STAGE ? n : LPM4_STAGE;
        for (int i = 0; i < stage; i++) {
            const uint8_t* key = keys + 4 * i;
            uint32_t entry = v->roots[v->page[key[0]] + key[1]];
            out[i] = entry;
            if (entry & LPM4_NODE && !(entry & LPM4_WIDE))
                __builtin_prefetch(&v->cells[(entry & LPM4_INDEX) + key[2]]);
        }
        for (int i = 0; i < stage; i++) {
            const uint8_t* key = keys + 4 * i;
            uint32_t cell, entry = out[i];
            if (!(entry & LPM4_NODE) || entry & LPM4_WIDE)
                continue;
            cell = v->cells[(entry & LPM4_INDEX) + key[2]];
            if (cell & LPM4_EXT)
                __builtin_prefetch(&v->ext[((cell & 0x7fffu) << 8) + key[3]]);
            else
                out[i] = cell;
        }
        for (int i = 0; i < stage; i++)
            if (out[i] & LPM4_NODE)
                out[i] = lpm4_below(v, out[i], keys + 4 * i);
    }
}

#if defined(__x86_64__)
#include <immintrin.h>

#define LPM4_AVX2 __attribute__((target("avx2,bmi2")))
#define LPM4_AVX512 __attribute__((target("avx2,bmi2,avx512f,avx512bw,avx512dq,avx512vl")))
#define LPM4_INLINE static inline __attribute__((always_inline))

/* From keys in network order: words that hold the second, or the third octet of each. */
#define LPM4_SECOND _mm_setr_epi8(1, -1, -1, -1, 5, -1, -1, -1, 9, -1, -1, -1, 13, -1, -1, -1)
#define LPM4_THIRD _mm_setr_epi8(2, -1, -1, -1, 6, -1, -1, -1, 10, -1, -1, -1, 14, -1, -1, -1)

/* Indexes of gathers are signed and go in as they are, flag bits and all; the base makes up for it.
 * NODE makes an index 2^31 too small; EXT makes one of an ext word 2^15 * 256 too great. A 16-bit
 * cell is read as the upper half of the 32 bits that end with it. */
#define LPM4_CELLS(v) ((const char*)(v)->cells + (2ull << 31) - 2)
#define LPM4_EXTS(v) ((const char*)(v)->ext - (4ull << 23))
#define LPM4_WIDES(v) ((const char*)(v)->wide + (4ull << 30))

LPM4_INLINE LPM4_AVX512 __m512i lpm4_gather16(const uint32_t* base, __m512i at, __mmask16 lanes) {
    __asm__("" : "+Yk"(lanes));
    return _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), lanes, at, base, 4);
}

/* Lanes of wide chunks: 32-bit cells, then the ext blocks below them. */
static __attribute__((noinline)) LPM4_AVX512 __m512i lpm4_wide16(const struct lpm4_version* v,
                                                                 __m512i key, __m512i entry,
                                                                 __mmask16 lanes) {
    __m512i third = _mm512_shuffle_epi8(key, _mm512_broadcast_i32x4(LPM4_THIRD));
    /* NODE and WIDE set: as a signed number the entry is 2^30 less than its index. */
    __m512i cell = _mm512_mask_i32gather_epi32(entry, lanes, _mm512_add_epi32(entry, third),
                                               LPM4_WIDES(v), 4);
    __mmask16 deeper = _mm512_mask_test_epi32_mask(lanes, cell, _mm512_set1_epi32(LPM4_NODE));
    if (deeper) {
        __m512i block = _mm512_and_si512(cell, _mm512_set1_epi32(0x3fffff));
        __m512i at = _mm512_or_si512(_mm512_slli_epi32(block, 8), _mm512_srli_epi32(key, 24));
        cell = _mm512_mask_i32gather_epi32(cell, deeper, at, v->wide, 4);
    }
    return _mm512_mask_and_epi32(cell, lanes, cell, _mm512_set1_epi32(LPM4_NH));
}

/* Cells of the lanes in `narrow`; other lanes stay as they are. */
LPM4_INLINE LPM4_AVX512 __m512i lpm4_cells16(const struct lpm4_version* v, __m512i key,
                                             __m512i entry, __mmask16 narrow) {
    __m512i third = _mm512_shuffle_epi8(key, _mm512_broadcast_i32x4(LPM4_THIRD));
    __m512i cell = _mm512_mask_i32gather_epi32(entry, narrow, _mm512_add_epi32(entry, third),
                                               LPM4_CELLS(v), 2);
    return _mm512_mask_srli_epi32(cell, narrow, cell, 16);
}

LPM4_INLINE LPM4_AVX512 __m512i lpm4_ext16(const struct lpm4_version* v, __m512i key, __m512i cell,
                                           __mmask16 ext) {
    __m512i at = _mm512_or_si512(_mm512_slli_epi32(cell, 8), _mm512_srli_epi32(key, 24));
    cell = _mm512_mask_i32gather_epi32(cell, ext, at, LPM4_EXTS(v), 4);
    return _mm512_mask_and_epi32(cell, ext, cell, _mm512_set1_epi32(LPM4_NH));
}

LPM4_INLINE LPM4_AVX512 void lpm4_stage16(const struct lpm4_version* v, const __m512i* key,
                                          __m512i* word, const __mmask16* lanes, int vectors) {
    const __m512i wide_bit = _mm512_set1_epi32(LPM4_WIDE), ext_bit = _mm512_set1_epi32(LPM4_EXT);
    const __m512i octet = _mm512_set1_epi32(255);
    __mmask16 narrow[4], wide[4], ext[4];
    unsigned any_wide = 0, any_ext = 0;
    for (int j = 0; j < vectors; j++)
        word[j] = lpm4_gather16(v->page, _mm512_and_si512(key[j], octet), lanes[j]);
    for (int j = 0; j < vectors; j++) {
        __m512i second = _mm512_shuffle_epi8(key[j], _mm512_broadcast_i32x4(LPM4_SECOND));
        word[j] = lpm4_gather16(v->roots, _mm512_add_epi32(word[j], second), lanes[j]);
    }
    for (int j = 0; j < vectors; j++) {
        wide[j] = _mm512_test_epi32_mask(word[j], wide_bit);
        narrow[j] = _mm512_movepi32_mask(word[j]) & ~wide[j];
        any_wide |= wide[j];
    }
    for (int j = 0; j < vectors; j++) {
        word[j] = lpm4_cells16(v, key[j], word[j], narrow[j]);
        ext[j] = _mm512_mask_test_epi32_mask(narrow[j], word[j], ext_bit);
        any_ext |= ext[j];
    }
    if (any_ext)
        for (int j = 0; j < vectors; j++)
            if (ext[j])
                word[j] = lpm4_ext16(v, key[j], word[j], ext[j]);
    if (__builtin_expect(any_wide != 0, 0))
        for (int j = 0; j < vectors; j++)
            if (wide[j])
                word[j] = lpm4_wide16(v, key[j], word[j], wide[j]);
}

/* 64 keys of one /24, as a flow or a scan has them: one walk for all. */
LPM4_INLINE LPM4_AVX512 void lpm4_same24(const struct lpm4_version* v, const uint8_t* keys,
                                         const __m512i* key, uint32_t* out) {
    uint32_t entry = v->roots[v->page[keys[0]] + keys[1]], cell = entry;
    const uint32_t* words = NULL;
    if (entry & LPM4_WIDE) {
        cell = v->wide[(entry & LPM4_INDEX) + keys[2]];
        if (cell & LPM4_NODE)
            words = v->wide + ((uint64_t)(cell & LPM4_INDEX) << 8);
        cell &= LPM4_NH;
    } else if (entry & LPM4_NODE) {
        cell = v->cells[(entry & LPM4_INDEX) + keys[2]];
        if (cell & LPM4_EXT)
            words = v->ext + ((cell & 0x7fffu) << 8);
    }
    for (int j = 0; j < 4; j++) {
        __m512i found = _mm512_set1_epi32((int)cell);
        if (words) {
            found = lpm4_gather16(words, _mm512_srli_epi32(key[j], 24), 0xffff);
            found = _mm512_and_si512(found, _mm512_set1_epi32(LPM4_NH));
        }
        _mm512_storeu_si512(out + 16 * j, found);
    }
}

static LPM4_AVX512 void lpm4_avx512(const void* version, const uint8_t* keys, uint32_t* out,
                                    int n) {
    static const __mmask16 all[4] = {0xffff, 0xffff, 0xffff, 0xffff};
    const struct lpm4_version* v = (const struct lpm4_version*)version;
    const __m512i prefix24 = _mm512_set1_epi32(0x00ffffff);
    __m512i key[4], word[4];
    for (; n >= LPM4_STAGE; n -= LPM4_STAGE, keys += 4 * LPM4_STAGE, out += LPM4_STAGE) {
        uint32_t first;
        __m512i differ = _mm512_setzero_si512();
        memcpy(&first, keys, 4);
        for (int j = 0; j < 4; j++) {
            key[j] = _mm512_loadu_si512(keys + 64 * j);
            differ = _mm512_ternarylogic_epi32(differ, key[j], _mm512_set1_epi32((int)first), 0xf6);
        }
        if (!_mm512_test_epi32_mask(differ, prefix24)) {
            lpm4_same24(v, keys, key, out);
            continue;
        }
        lpm4_stage16(v, key, word, all, 4);
        for (int j = 0; j < 4; j++)
            _mm512_storeu_si512(out + 16 * j, word[j]);
    }
    for (; n > 0; n -= 16, keys += 64, out += 16) {
        __mmask16 lanes = (__mmask16)_bzhi_u32(0xffff, n < 16 ? (unsigned)n : 16u);
        key[0] = _mm512_maskz_loadu_epi32(lanes, keys);
        lpm4_stage16(v, key, word, &lanes, 1);
        _mm512_mask_storeu_epi32(out, lanes, word[0]);
    }
}

/* Eight lanes of AVX2, whose masks are sign bits: that of an entry is NODE. */
LPM4_INLINE LPM4_AVX2 __m256i lpm4_gather8(const void* base, __m256i at, __m256i merge,
                                           __m256i lanes) {
    return _mm256_mask_i32gather_epi32(merge, (const int*)base, at, lanes, 4);
}

LPM4_INLINE LPM4_AVX2 __m256i lpm4_below8(const struct lpm4_version* v, __m256i key, __m256i word) {
    const __m256i third = _mm256_shuffle_epi8(key, _mm256_broadcastsi128_si256(LPM4_THIRD));
    const __m256i fourth = _mm256_srli_epi32(key, 24), nh = _mm256_set1_epi32(LPM4_NH);
    __m256i wide = _mm256_slli_epi32(word, 1), narrow = _mm256_andnot_si256(wide, word);
    __m256i at = _mm256_add_epi32(word, third), cell, ext;
    cell = _mm256_mask_i32gather_epi32(word, (const int*)LPM4_CELLS(v), at, narrow, 2);
    ext = _mm256_and_si256(cell, narrow);
    word = _mm256_blendv_epi8(word, _mm256_srli_epi32(cell, 16), _mm256_srai_epi32(narrow, 31));
    if (_mm256_movemask_ps(_mm256_castsi256_ps(ext))) {
        cell = lpm4_gather8(LPM4_EXTS(v), _mm256_or_si256(_mm256_slli_epi32(word, 8), fourth),
                            word, ext);
        word = _mm256_blendv_epi8(word, _mm256_and_si256(cell, nh), _mm256_srai_epi32(ext, 31));
    }
    if (__builtin_expect(_mm256_movemask_ps(_mm256_castsi256_ps(wide)), 0)) {
        __m256i deeper, block;
        cell = lpm4_gather8(LPM4_WIDES(v), at, word, wide);
        deeper = _mm256_and_si256(cell, wide);
        block = _mm256_and_si256(cell, _mm256_set1_epi32(0x3fffff));
        cell = lpm4_gather8(v->wide, _mm256_or_si256(_mm256_slli_epi32(block, 8), fourth), cell,
                            deeper);
        word = _mm256_blendv_epi8(word, _mm256_and_si256(cell, nh), _mm256_srai_epi32(wide, 31));
    }
    return word;
}

static LPM4_AVX2 void lpm4_avx2(const void* version, const uint8_t* keys, uint32_t* out, int n) {
    const struct lpm4_version* v = (const struct lpm4_version*)version;
    const __m256i second = _mm256_broadcastsi128_si256(LPM4_SECOND);
    const __m256i octet = _mm256_set1_epi32(255);
    for (; n >= 32; n -= 32, keys += 128, out += 32) {
        __m256i key[4], word[4], all = _mm256_set1_epi32(-1);
        __asm__("" : "+x"(all));
        for (int j = 0; j < 4; j++) {
            key[j] = _mm256_loadu_si256((const __m256i*)(keys + 32 * j));
            word[j] = lpm4_gather8(v->page, _mm256_and_si256(key[j], octet),
                                   _mm256_setzero_si256(), all);
        }
        for (int j = 0; j < 4; j++) {
            __m256i at = _mm256_add_epi32(word[j], _mm256_shuffle_epi8(key[j], second));
            word[j] = lpm4_gather8(v->roots, at, _mm256_setzero_si256(), all);
        }
        for (int j = 0; j < 4; j++)
            _mm256_storeu_si256((__m256i*)(out + 8 * j), lpm4_below8(v, key[j], word[j]));
    }
    lpm4_portable(version, keys, out, n);
}
#endif /* __x86_64__ */

typedef void (*lpm4_fn)(const void* version, const uint8_t* keys, uint32_t* out, int n);

static inline lpm4_fn lpm4_variant(int level) {
#if defined(__x86_64__)
    if (level == 2)
        return lpm4_avx512;
    if (level == 1)
        return lpm4_avx2;
#endif
    return level == 0 ? lpm4_portable : NULL;
}

#endif
