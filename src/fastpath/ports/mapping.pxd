# A file mapped for reading, and how much of it is still there.

from libc.stdint cimport uint8_t, uint64_t

cdef struct mapping_t:
    const uint8_t* base
    uint64_t size             # octets mapped: the file's size when it was opened
    int fd
    int slot                  # in the table of sigbus.h

# Octets from the start that the file certainly still has: less than `size` once it shrank or a page
# of it could not be read. One fstat(2), about 0.2 us.
cdef uint64_t mapping_intact(const mapping_t* mapping) noexcept nogil

# Octets that the file has now.
cdef uint64_t mapping_size(const mapping_t* mapping) noexcept nogil

cdef class Mapping:
    cdef mapping_t c
