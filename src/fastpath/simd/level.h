/* The vector instructions of this machine, as levels. A level means all of its extensions, and an
 * algorithm has at most one variant for each; portable C is level 0. Not for what is beyond these
 * extensions (VBMI, VPOPCNTDQ): who uses such asks for it by itself.
 */
#ifndef DIALOUT_SIMD_LEVEL_H
#define DIALOUT_SIMD_LEVEL_H

enum { SIMD_PORTABLE, SIMD_AVX2, SIMD_AVX512, SIMD_LEVELS };

#if defined(__x86_64__)
static inline int simd_level_here(void) {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2"))
        return SIMD_PORTABLE;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return SIMD_AVX512;
    return SIMD_AVX2;
}
#else
static inline int simd_level_here(void) { return SIMD_PORTABLE; }
#endif

#endif
