/* Sums of 32-bit words in 64 bits, for the Internet checksum of what is longer than a header: the
 * carries are left to the caller (RFC 1071 2(C)). Not for the rest of less than 64 octets.
 *
 * No load crosses the end of what is summed: a load that straddles into another cache line, even a
 * masked one, fetches that line, which costs more than the rest summed word by word.
 */
#ifndef DIALOUT_SIMD_CHECKSUM_H
#define DIALOUT_SIMD_CHECKSUM_H

#include "level.h"
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { SUM_BLOCK = 64 };

static inline uint64_t sum_blocks_portable(const uint8_t *data, size_t blocks) {
    uint64_t even = 0, odd = 0, word[8];
    for (; blocks; blocks--, data += SUM_BLOCK) {
        memcpy(word, data, SUM_BLOCK);
        for (int i = 0; i < 8; i++) {
            even += (uint32_t)word[i];
            odd += word[i] >> 32;
        }
    }
    return even + odd;
}

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx2"))) static uint64_t sum_blocks_avx2(const uint8_t *data,
                                                                size_t blocks) {
    const __m256i low = _mm256_set1_epi64x(0xffffffff);
    __m256i even = _mm256_setzero_si256(), odd = even;
    for (; blocks; blocks--, data += SUM_BLOCK) {
        __m256i a = _mm256_loadu_si256((const __m256i *)data);
        __m256i b = _mm256_loadu_si256((const __m256i *)(data + 32));
        even = _mm256_add_epi64(even, _mm256_add_epi64(_mm256_and_si256(a, low),
                                                       _mm256_and_si256(b, low)));
        odd = _mm256_add_epi64(odd, _mm256_add_epi64(_mm256_srli_epi64(a, 32),
                                                     _mm256_srli_epi64(b, 32)));
    }
    uint64_t part[4];
    _mm256_storeu_si256((__m256i *)part, _mm256_add_epi64(even, odd));
    return part[0] + part[1] + part[2] + part[3];
}

__attribute__((target("avx512f"))) static uint64_t sum_blocks_avx512(const uint8_t *data,
                                                                     size_t blocks) {
    const __m512i low = _mm512_set1_epi64(0xffffffff);
    __m512i even = _mm512_setzero_si512(), odd = even;
    for (; blocks; blocks--, data += SUM_BLOCK) {
        __m512i v = _mm512_loadu_si512(data);
        even = _mm512_add_epi64(even, _mm512_and_si512(v, low));
        odd = _mm512_add_epi64(odd, _mm512_srli_epi64(v, 32));
    }
    return (uint64_t)_mm512_reduce_add_epi64(_mm512_add_epi64(even, odd));
}
#endif

/* The sum by the variant of a level, which this machine must be able to run. */
static inline uint64_t sum_blocks_by(int level, const uint8_t *data, size_t blocks) {
#if defined(__x86_64__)
    if (level == SIMD_AVX512) return sum_blocks_avx512(data, blocks);
    if (level == SIMD_AVX2) return sum_blocks_avx2(data, blocks);
#endif
    return sum_blocks_portable(data, blocks);
}

/* By the best one. The answer of the processor is looked up in memory, not asked for again. */
static inline uint64_t sum_blocks(const uint8_t *data, size_t blocks) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return sum_blocks_avx512(data, blocks);
    if (__builtin_cpu_supports("avx2")) return sum_blocks_avx2(data, blocks);
#endif
    return sum_blocks_portable(data, blocks);
}

#endif
