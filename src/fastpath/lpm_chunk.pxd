# IPv4 longest-prefix match in chunks (layout in chunk_table.pxd).

cimport cython
from fastpath.chunk_table cimport chunk_t, chunk_table_t
from fastpath.lpm cimport Lpm
from fastpath.types cimport nh_t
from libc.stdint cimport uint8_t, uint32_t

# Which leaves a change takes (painted with low..high bits), and what it makes of them.
cdef struct paint_t:
    int low
    int high
    nh_t nh
    int length

@cython.final
cdef class Chunked(Lpm):
    cdef chunk_table_t table

    cdef int _change(self, const uint8_t* prefix, int length,
                     const paint_t* paint) noexcept nogil
    cdef int _paint_page(self, int octet, int first, int last,
                         const paint_t* paint) noexcept nogil
    cdef int _paint_chunk(self, chunk_t* chunk, int first, int last,
                          const paint_t* paint) noexcept nogil
    cdef bint _chunk_takes(self, uint32_t entry, const paint_t* paint) noexcept nogil
    cdef void _collapse(self, const uint8_t* prefix, int length) noexcept nogil
    cdef void _collapse_page(self, int octet) noexcept nogil
    cdef bint _beside(self, const uint8_t* prefix, int length, nh_t* nh,
                      int* painted_length) noexcept nogil
