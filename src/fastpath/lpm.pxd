# The longest-prefix-match interface. An algorithm is one file lpm_<algorithm>.pyx that subclasses
# Lpm, fills `fib`
# and works on one address family. Readers see only `fib`: a published version and a function over
# it.

from fastpath.types cimport nh_t
from libc.stdint cimport uint8_t, uint32_t

# keys: n addresses, network byte order, 4 (INET) or 16 (INET6) octets each, back to back; out: n
# next hops, NH_DROP
# for no route.
ctypedef void (*lookup_fn)(const void* version, const uint8_t* keys, nh_t* out,
                           int n) noexcept nogil

cdef struct fib_t:
    const void* version       # what is published; replaced by one store
    lookup_fn lookup

cdef class Lpm:
    cdef fib_t fib
    cdef readonly int family          # INET or INET6
    cdef readonly int width           # octets of an address
    cdef readonly Py_ssize_t routes   # number of prefixes, those of the open transaction included

    # All changes are made in an open transaction. prefix: `width` octets, host bits zero (checked
    # by the caller). add replaces and returns 1 if the prefix was new; delete raises KeyError if it
    # is not there; exact answers NH_INVALID then. exact and resolve see the open transaction.
    cdef int begin(self) except -1
    cdef int commit(self) except -1
    cdef int rollback(self) except -1
    cdef int add(self, const uint8_t* prefix, int length, nh_t nh) except -1
    cdef int delete(self, const uint8_t* prefix, int length) except -1
    cdef nh_t exact(self, const uint8_t* prefix, int length) noexcept nogil
    cdef nh_t resolve(self, const uint8_t* address) noexcept nogil
