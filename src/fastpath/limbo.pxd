# Limbo: what a version replaced, until nobody looks at it any more. First in, first out, since the
# numbers under which things are replaced grow.

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t

cdef enum LimboKind:
    LIMBO_VERSION             # version_t*
    LIMBO_TABLE               # Lpm of one table: it keeps what it replaced itself
    LIMBO_MEMORY              # malloced
    LIMBO_CHANGED             # next hop that has a shadow
    LIMBO_SETTLED             # next hop that has its contents back; its shadow goes
    LIMBO_SHADOW              # index of an adjacency
    LIMBO_ADJACENCY           # next hop that was deleted, with its shadows
    LIMBO_SESSION             # index of a session that was deleted: it can still be found
    LIMBO_ENTRY               # index of a session that cannot be found any more

cdef struct limbo_entry_t:    # 24 octets
    uint64_t number           # out of use when every worker has noted this one
    uint64_t value
    uint32_t kind             # LimboKind
    uint32_t extra

cdef struct limbo_t:
    limbo_entry_t* ring
    size_t mask               # places - 1, a power of two
    size_t head               # entries put in so far
    size_t tail               # taken out so far
    size_t promised           # places that the open transaction may ask for
    size_t owed               # and one for each shadow, which goes through here at last

cdef int limbo_open(limbo_t* limbo) noexcept nogil            # -1: no memory
# Makes room for n more entries, so that putting them cannot fail. -1: no memory.
cdef int limbo_promise(limbo_t* limbo, size_t n) noexcept nogil


cdef inline void limbo_put(limbo_t* limbo, uint64_t number, uint32_t kind,
                           uint64_t value) noexcept nogil:
    limbo.ring[limbo.head & limbo.mask] = limbo_entry_t(number, value, kind, 0)
    limbo.head += 1


cdef inline size_t limbo_length(const limbo_t* limbo) noexcept nogil:
    return limbo.head - limbo.tail
