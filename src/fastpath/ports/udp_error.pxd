# What the kernel tells a UDP socket about datagrams that it could not deliver.

from fastpath.ports.udp_types cimport udp_t
from libc.stdint cimport uint8_t, uint32_t

# Counts what became of `datagrams` by its errno.
cdef void count_error(udp_t* u, int error, uint32_t datagrams) noexcept nogil
# Counts and empties the kernel's queue of errors. How many were about datagrams sent before.
cdef int take_errors(udp_t* u) noexcept nogil

# The slot of a destination: by its address alone, or with its port.
cdef inline uint32_t slot_of(const uint8_t* address, bint six, uint32_t port) noexcept nogil:
    cdef uint32_t word = (<const uint32_t*>address)[0]
    if six:
        word ^= (<const uint32_t*>address)[1] ^ (<const uint32_t*>address)[2]
        word ^= (<const uint32_t*>address)[3]
    # The upper six bits of a product with the golden ratio (Knuth 6.4).
    return ((word ^ port) * <uint32_t>0x9E3779B1) >> 26
