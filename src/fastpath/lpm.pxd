# The longest-prefix-match interface. An algorithm is one file lpm_<algorithm>.pyx that subclasses
# Lpm, fills `fib` and works on one address family. Readers see only a published version and a
# function over it. A version stays whole until `reclaim` says that nobody looks at it any more.

from fastpath.prefix_store cimport prefix_store_t
from fastpath.types cimport nh_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

# keys: n addresses, network byte order, 4 (INET) or 16 (INET6) octets each, back to back, at any
# alignment; nothing behind them is read. out: n next hops, NH_DROP for no route. n may be 0.
ctypedef void (*lookup_fn)(const void* version, const uint8_t* keys, nh_t* out,
                           int n) noexcept nogil

cdef struct fib_t:
    const void* version       # what is published; replaced by one store
    lookup_fn lookup

cdef enum:
    NOT_HELD = 0xFFFFFFFFFFFFFFFF

cdef enum:
    LPM_NO_MEMORY = -1        # the transaction can only be rolled back now
    LPM_ABSTRACT = -2

cdef class Lpm:
    cdef fib_t fib
    cdef readonly int family          # INET or INET6
    cdef readonly int width           # octets of an address
    cdef readonly Py_ssize_t routes   # number of prefixes, those of the open transaction included
    cdef prefix_store_t prefixes      # exact prefixes, those of the open transaction included
    cdef uint64_t transaction_number  # of the open transaction, or of the last one
    cdef uint64_t number              # under which the last transaction was published
    cdef uint64_t held                # number of the version that a Snapshot holds, or NOT_HELD
    cdef bint is_open
    cdef bint broken                  # memory ran out in the open transaction

    # All changes are made in an open transaction. prefix: `width` octets, host bits zero (checked
    # by the caller). add replaces and returns 1 if the prefix was new; delete raises KeyError if it
    # is not there; exact answers NH_INVALID then. exact and resolve see the open transaction.
    # RuntimeError: no transaction is open, or (begin) one is. MemoryError breaks the transaction:
    # it can only be rolled back. commit of one that is not broken cannot fail, rollback never.
    # commit is for a table whose readers run between its transactions: it publishes under the
    # table's own count and reclaims at once.
    cdef int begin(self) except -1
    cdef int commit(self) except -1
    cdef int rollback(self) except -1
    cdef int add(self, const uint8_t* prefix, int length, nh_t nh) except -1
    cdef int delete(self, const uint8_t* prefix, int length) except -1
    cdef nh_t exact(self, const uint8_t* prefix, int length) noexcept nogil
    cdef nh_t resolve(self, const uint8_t* address) noexcept nogil

    # The same without exceptions and without the GIL, by a caller that looks itself at `is_open`
    # and `broken`. insert, remove: 1 new (removed), 0 replaced (was not there), LPM_*. finish:
    # readers elsewhere may still use what it replaces, which waits under `number` for `reclaim`;
    # numbers grow from one finish to the next.
    cdef void start(self) noexcept nogil
    cdef void finish(self, uint64_t number) noexcept nogil
    cdef void abandon(self) noexcept nogil
    cdef int insert(self, const uint8_t* prefix, int length, nh_t nh) noexcept nogil
    cdef int remove(self, const uint8_t* prefix, int length) noexcept nogil

    # What an algorithm supplies, with resolve and `fib`. install: `prefix` now leads to nh.
    # withdraw: it is gone, and what it led to is led by its cover (NH_DROP, 0: by none), which
    # `cover` finds after the prefix has left `prefixes`. Both return 0 or LPM_*.
    # publish: the open transaction becomes `fib.version`, what it replaced goes into limbo under
    # `number`. reclaim: everything in limbo under `safe` and below may be used again.
    # variant: `lookup` with the instructions of a level (simd/level.h), NULL if there is none.
    cdef int install(self, const uint8_t* prefix, int length, nh_t nh) noexcept nogil
    cdef int withdraw(self, const uint8_t* prefix, int length, nh_t cover,
                      int cover_length) noexcept nogil
    cdef nh_t cover(self, const uint8_t* prefix, int length, int* cover_length) noexcept nogil
    cdef void publish(self, uint64_t number) noexcept nogil
    cdef void reclaim(self, uint64_t safe) noexcept nogil
    cdef void revert(self) noexcept nogil       # the open transaction leaves nothing behind
    cdef size_t structure_memory(self) noexcept nogil
    cdef size_t retired_memory(self) noexcept nogil     # of it, octets in limbo
    cdef lookup_fn variant(self, int level) noexcept nogil

    cdef Py_ssize_t load_all(self, const uint8_t* keys, const int64_t* lengths,
                             const int64_t* nhs, Py_ssize_t n) noexcept nogil

    cdef int _require_open(self) except -1
    cdef int _checked(self, int result) except -1
    cdef int _changed(self, int change, int result) noexcept nogil
