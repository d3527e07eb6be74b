# Octet strings by number: equal strings get equal numbers, in the order they first came. For
# building tables, where it finds rows, sets and lists that are there already. Not shared.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    INTERN_FULL = 0xFFFFFFFF  # no memory

cdef struct intern_item_t:
    uint64_t hash
    uint64_t at               # offset in octets[], a multiple of 8
    uint32_t size

cdef struct intern_t:
    uint8_t* octets
    uint64_t used
    uint64_t room
    intern_item_t* items
    uint32_t count
    uint32_t items_room
    uint32_t* slots           # number + 1, 0 for none; linear probing
    uint32_t mask

# An intern_t of zeros is empty and may be closed.
cdef void intern_close(intern_t* names) noexcept nogil
# Number of a string; INTERN_FULL without memory. What intern_at() gave is void after it.
cdef uint32_t intern_add(intern_t* names, const void* octets, uint32_t size) noexcept nogil


cdef inline const void* intern_at(const intern_t* names, uint32_t number) noexcept nogil:
    return names.octets + names.items[number].at


cdef inline uint32_t intern_size(const intern_t* names, uint32_t number) noexcept nogil:
    return names.items[number].size
