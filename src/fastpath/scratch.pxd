# Memory that is used while something is built and given back all at once. Not shared.

from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free

cdef struct scratch_block_t:
    scratch_block_t* next
    size_t size

cdef struct scratch_t:
    scratch_block_t* blocks


cdef inline void* scratch_take(scratch_t* scratch, size_t size) noexcept nogil:
    """Zeroed memory, or NULL. A scratch_t of zeros is empty."""
    cdef scratch_block_t* block = <scratch_block_t*> calloc(1, sizeof(scratch_block_t) + size)
    if block == NULL:
        return NULL
    block.next = scratch.blocks
    block.size = size
    scratch.blocks = block
    return block + 1


cdef inline uint32_t* scratch_words(scratch_t* scratch, size_t count) noexcept nogil:
    return <uint32_t*> scratch_take(scratch, count * sizeof(uint32_t))


cdef inline void scratch_close(scratch_t* scratch) noexcept nogil:
    cdef scratch_block_t* block
    while scratch.blocks != NULL:
        block = scratch.blocks
        scratch.blocks = block.next
        free(block)
