# Arrays of routes: what can be said of their rows before any is taken.

from fastpath.types cimport nh_t
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t

cdef enum:
    ROWS_DISTINCT = -1
    ROWS_NO_MEMORY = -2

# The first row whose prefix an earlier one has, `other`; ROWS_DISTINCT, ROWS_NO_MEMORY. Rows are
# `width` octets of address, back to back, and a length.
cdef int64_t find_twin(const uint8_t* prefixes, const uint8_t* lengths, size_t n, int width,
                       int64_t* other) noexcept nogil
# Adds checked and distinct rows to the open transaction of an Lpm. 0, or LPM_*.
cdef int load_rows(void* lpm, const uint8_t* prefixes, const uint8_t* lengths, const nh_t* nhs,
                   size_t n) noexcept nogil
