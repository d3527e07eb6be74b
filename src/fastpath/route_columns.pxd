# Routes as they are read from a file: three columns that grow, and what may be wrong with a file.

from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    ROUTES_LIMIT = 1 << 24    # routes of one family at the most: more is no table but an attack
    NH_FIRST = 1              # next hops of files are NH_FIRST .. NH_LAST; 0 means no route
    NH_LAST = (1 << 24) - 1

cdef class RouteColumns:
    cdef readonly int width           # octets of an address
    cdef uint8_t* addresses
    cdef uint8_t* lengths
    cdef uint32_t* nhs
    cdef Py_ssize_t count
    cdef Py_ssize_t room

    # address: `width` octets, host bits zero.
    cdef int append(self, const uint8_t* address, int length, uint32_t nh) except -1
    cdef int _grow(self) except -1

# Next hops of a file and their numbers.
cdef class NextHops:
    cdef readonly dict numbers        # packed address: number, None for one that is left out
    cdef object choose

    # The number of a packed address; 0: routes to it are left out. ValueError if it has none.
    cdef uint32_t number_of(self, bytes address) except? 0xFFFFFFFF
