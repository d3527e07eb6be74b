# Sessions as decapsulation sees them: found by (local address, tunnel id, session id), which are
# the receiver's (RFC 2661 3.1), then held against the peer's address and port.

from fastpath.prefetch cimport prefetch_read
from fastpath.types cimport SESSION_INVALID, nh_t, session_t, table_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef struct source_t:         # a prefix, host byte order
    uint32_t address
    uint32_t mask

# What the peer of a session may send from, beside what is routed to it.
cdef struct sources_t:
    uint64_t since            # reserved
    const sources_t* before
    uint32_t count
    uint32_t spare            # so that the prefixes are the end of it, without a gap
    source_t prefix[1]        # `count` of them

# What a session has carried one way. Each worker has its own, by index of the session.
cdef struct session_count_t:  # 32 octets
    uint64_t packets          # sent, or received and accepted
    uint64_t octets           # inner IP octets of those
    uint64_t last_ns          # engine time of the last one
    uint64_t refused          # received inner packets that were dropped

# local peer | ports | ids | nh | table filter | sequence | born died | sources
cdef struct session_entry_t:  # 64 octets, one cache line
    uint32_t local            # our tunnel address, host byte order
    uint32_t peer             # the LAC's address, host byte order
    uint16_t local_port
    uint16_t peer_port
    uint16_t tunnel           # our ids
    uint16_t session
    nh_t nh                   # its adjacency: where its inner sources must be routed to
    table_t table             # routing table of its inner packets
    uint16_t filter           # rules that inner packets must pass; 0 = none
    uint16_t sequence         # next Ns sent; workers share it
    uint16_t spare
    uint64_t born             # reserved
    uint64_t died
    const sources_t* sources  # NULL: none
    uint8_t unused[8]

cdef inline uint64_t session_key(uint32_t local, uint16_t tunnel, uint16_t session) noexcept nogil:
    return (<uint64_t>local << 32) | (<uint64_t>tunnel << 16) | session

cdef struct session_map_t:
    session_entry_t* at       # by index
    uint64_t* keys            # open addressing, linear probing; 0 = empty (tunnel id 0 is none)
    session_t* index
    uint32_t mask


cdef inline uint32_t session_slot(uint64_t key, uint32_t mask) noexcept nogil:
    # Fibonacci hashing: ids are random already, the multiplication only spreads them over the mask.
    return <uint32_t>((key * <uint64_t>0x9E3779B97F4A7C15) >> 32) & mask


cdef inline session_t session_find(const session_map_t* map, uint64_t key) noexcept nogil:
    """Index of a session, SESSION_INVALID if there is none."""
    cdef uint32_t slot = session_slot(key, map.mask)
    while map.keys[slot] != 0:
        if map.keys[slot] == key:
            return map.index[slot]
        slot = (slot + 1) & map.mask
    return SESSION_INVALID


# Asks ahead for what session_find will read: first the cell, then what the cell leads to.
cdef inline void session_ahead(const session_map_t* map, uint64_t key, int step) noexcept nogil:
    cdef uint32_t slot = session_slot(key, map.mask)
    if step == 0:
        prefetch_read(&map.keys[slot])
        prefetch_read(&map.index[slot])
    elif map.keys[slot] == key:
        prefetch_read(&map.at[map.index[slot]])


cdef inline bint session_owns(const session_entry_t* entry, uint32_t address,
                              uint32_t least) noexcept nogil:
    """Whether an inner source is in a prefix of the session's own with at least this mask."""
    cdef const sources_t* sources = entry.sources
    cdef uint32_t i
    if sources == NULL:
        return False
    for i in range(sources.count):
        if (sources.prefix[i].mask >= least
                and address & sources.prefix[i].mask == sources.prefix[i].address):
            return True
    return False


cdef class SessionTable:
    cdef session_map_t map
    cdef uint32_t capacity
    cdef uint32_t used
    cdef list _free
    cdef session_t allocate(self) except? 0xFFFFFFFF
    cdef int insert(self, session_t index) except -1          # makes it findable
    cdef int remove(self, session_t index) except -1          # no longer findable
    cdef int release(self, session_t index) except -1
