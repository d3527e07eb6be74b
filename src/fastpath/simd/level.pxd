# The vector instructions of this machine, as levels (level.h). Every level contains those below.

cdef extern from "simd/level.h" nogil:
    enum: SIMD_PORTABLE, SIMD_AVX2, SIMD_AVX512, SIMD_LEVELS
    int simd_level_here()

# The level of a variant's name. ValueError if it has none, or if this machine cannot run it.
cdef int level_of(str name) except -1
