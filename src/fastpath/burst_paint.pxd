# Changes of a burst trie: what is published is copied, what the open transaction made is written.

from fastpath.burst cimport burst_t, cell_t, paint_t
from libc.stdint cimport uint8_t, uint32_t

# Paints the entries of the first octet, which are the transaction's own. -1: no memory.
cdef int paint_entries(burst_t* trie, uint32_t* entries, uint8_t* painted,
                       const paint_t* paint) noexcept nogil

# The leaf that an address leads to.
cdef cell_t leaf_of(const burst_t* trie, const uint32_t* entries, const uint8_t* painted,
                    const uint8_t* address) noexcept nogil
