# Sessions as decapsulation sees them: found by (local address, tunnel id, session id), which are
# the receiver's (RFC 2661 3.1), then held against the peer's address and port. An IPv6 address
# stands in the key as 24 bits of a hash, below 1.0.0.0, where no IPv4 packet may be for (it is
# dropped as broadcast of old); the whole address is beside the entry and is held against the
# packet's.
#
# Readers on other threads look while the writer changes the table. An entry says from which version
# on it is there and from which on no more; a cell of the hash is one word, and an entry's index is
# used again only when nobody can have found it any more (forwarding.pxd).

from fastpath.atomic cimport ATOMIC_ACQUIRE, ATOMIC_RELAXED, atomic_load_pointer, atomic_load_u64
from fastpath.prefetch cimport prefetch_read
from fastpath.hash cimport hash16
from fastpath.types cimport INET6, SESSION_INVALID, addr_t, nh_t, session_t, table_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp

cdef struct source_t:         # a prefix of either family
    addr_t address
    uint8_t length            # bits, of IPv4 96 more

# What packets of a session must satisfy, from one version on.
cdef struct policy_t:
    uint64_t since
    const policy_t* before    # what held until then; NULL: nothing did
    uint32_t filter           # rules that inner packets must pass; 0 = none
    uint32_t count
    source_t prefix[1]        # `count` of them: what the peer may send from, beside what is routed
                              # to it

# What a session has carried one way. Each worker has its own, by index of the session.
cdef struct session_count_t:  # 32 octets
    uint64_t packets          # sent, or received and accepted
    uint64_t octets           # inner IP octets of those
    uint64_t last_ns          # engine time of the last one
    uint64_t refused          # received inner packets that were dropped

cdef enum:
    SESSION_NEVER = 0xFFFFFFFFFFFFFFFF    # a version that does not come

# local peer | ports | ids | nh | table filter | sequence | born died | policy
cdef struct session_entry_t:  # 64 octets, one cache line
    uint32_t local            # our tunnel address, host byte order; IPv6: session_local6 of it
    uint32_t peer             # the LAC's address, host byte order; IPv6: 0
    uint16_t local_port
    uint16_t peer_port
    uint16_t tunnel           # our ids
    uint16_t session
    nh_t nh                   # its adjacency: where its inner sources must be routed to
    table_t table             # routing table of its inner packets
    uint16_t filtered         # whether session_filter is to be asked
    uint16_t sequence         # next Ns sent; workers share it
    uint8_t family            # of the tunnel
    uint8_t unsummed          # IPv6: messages without a UDP checksum are taken (RFC 6935)
    uint64_t born             # first version that has it, SESSION_NEVER before its commit
    uint64_t died             # first version that does not, SESSION_NEVER while it lives
    const policy_t* policy    # the newest; NULL: none
    uint16_t awaited          # Ns behind the newest received
    uint8_t order             # ORDER_*: what becomes of messages behind newer ones
    uint8_t old               # of these, how many came in a row
    uint8_t unused[4]

cdef enum:
    ORDER_KEEP = 0            # they are taken as all others
    ORDER_DROP                # none has been numbered yet: the next is the newest
    ORDER_DROP_OLD
    OLD_RESTART = 64          # so many old ones in a row: the peer has begun to count anew

cdef enum:
    CELL_EMPTY = 0
    CELL_REMOVED = 1          # keeps the way open to what was put behind
    CELL_FIRST = 2            # added to the index of a session

# Open addressing, linear probing.  cell:  hash (32) | CELL_* or CELL_FIRST + index (32)
cdef struct session_hash_t:
    uint32_t mask
    uint32_t filled           # cells that are not empty
    uint64_t cell[1]          # mask + 1 of them

# Ends of a session over IPv6, which only its own packets look at.
cdef struct session_ends_t:   # 32 octets
    uint8_t local[16]
    uint8_t peer[16]

cdef struct session_map_t:
    session_entry_t* at       # by index
    session_ends_t* ends      # by index, of those over IPv6
    session_hash_t* hash


cdef inline uint64_t session_key(uint32_t local, uint16_t tunnel, uint16_t session) noexcept nogil:
    return (<uint64_t>local << 32) | (<uint64_t>tunnel << 16) | session


cdef inline uint32_t session_local6(const uint8_t* local) noexcept nogil:
    """What stands for our IPv6 tunnel address in a key: below 2^24."""
    return <uint32_t> (hash16(local, 0) >> 40)


cdef inline uint32_t session_hash(uint64_t key) noexcept nogil:
    # Fibonacci hashing: ids are random already, the multiplication only spreads them over the mask.
    return <uint32_t>((key * <uint64_t>0x9E3779B97F4A7C15) >> 32)


cdef inline bint session_has(const session_entry_t* entry, uint64_t key) noexcept nogil:
    return session_key(entry.local, entry.tunnel, entry.session) == key


cdef inline bint session_is_at(const session_map_t* map, session_t index,
                               const uint8_t* local6) noexcept nogil:
    return (map.at[index].family == INET6
            and memcmp(map.ends[index].local, local6, 16) == 0)


cdef inline session_t session_find(const session_map_t* map, uint64_t key, const uint8_t* local6,
                                   uint64_t version) noexcept nogil:
    """Index of a session that this version has, SESSION_INVALID if there is none. local6: our
    address, NULL over IPv4."""
    cdef const session_hash_t* hash = <const session_hash_t*> atomic_load_pointer(
        <const void**> &map.hash, ATOMIC_ACQUIRE)
    cdef uint32_t tag = session_hash(key)
    cdef uint32_t slot = tag & hash.mask
    cdef const session_entry_t* entry
    cdef uint64_t cell
    while True:
        cell = atomic_load_u64(&hash.cell[slot], ATOMIC_ACQUIRE)
        if cell == CELL_EMPTY:
            return SESSION_INVALID
        if cell >> 32 == tag and <uint32_t>cell >= CELL_FIRST:
            entry = &map.at[<uint32_t>cell - CELL_FIRST]
            if (session_has(entry, key)
                    and atomic_load_u64(&entry.born, ATOMIC_RELAXED) <= version
                    and version < atomic_load_u64(&entry.died, ATOMIC_RELAXED)
                    and (local6 == NULL
                         or session_is_at(map, <uint32_t>cell - CELL_FIRST, local6))):
                return <uint32_t>cell - CELL_FIRST
        slot = (slot + 1) & hash.mask


# Whether a numbered message is behind one that came before it (RFC 2661 5.4). Old numbers are the
# 32,768 up to the newest, as in 5.8. A LAC's messages come to one worker, so this is exact; where
# they did not, a message more or less would pass.
cdef inline bint session_is_old(session_entry_t* entry, uint16_t ns) noexcept nogil:
    cdef uint16_t behind
    if entry.order == ORDER_KEEP:
        return False
    behind = <uint16_t> (entry.awaited - ns)
    if entry.order == ORDER_DROP_OLD and 1 <= behind <= 0x8000:
        entry.old += 1
        if entry.old < OLD_RESTART:
            return True
    entry.old = 0
    entry.order = ORDER_DROP_OLD
    entry.awaited = <uint16_t> (ns + 1)
    return False


# Asks ahead for what session_find will read: first the cell, then what the cell leads to.
cdef inline void session_ahead(const session_map_t* map, uint64_t key, int step) noexcept nogil:
    cdef const session_hash_t* hash = <const session_hash_t*> atomic_load_pointer(
        <const void**> &map.hash, ATOMIC_ACQUIRE)
    cdef uint32_t tag = session_hash(key)
    cdef uint32_t slot = tag & hash.mask
    cdef uint64_t cell
    cdef int i
    if step == 0:
        # Eight cells are a line, but the way may lead into the next one.
        prefetch_read(&hash.cell[slot])
        prefetch_read(&hash.cell[(slot + 4) & hash.mask])
        return
    for i in range(8):
        cell = atomic_load_u64(&hash.cell[(slot + i) & hash.mask], ATOMIC_RELAXED)
        if cell >> 32 == tag and <uint32_t>cell >= CELL_FIRST:
            prefetch_read(&map.at[<uint32_t>cell - CELL_FIRST])
        elif cell != CELL_EMPTY:
            continue
        return


cdef inline const policy_t* session_policy(const session_entry_t* entry,
                                           uint64_t version) noexcept nogil:
    """What holds in a version, NULL: nothing."""
    cdef const policy_t* policy = <const policy_t*> atomic_load_pointer(
        <const void**> &entry.policy, ATOMIC_ACQUIRE)
    while policy != NULL and atomic_load_u64(&policy.since, ATOMIC_RELAXED) > version:
        policy = policy.before
    return policy


cdef inline uint32_t session_filter(const session_entry_t* entry, uint64_t version) noexcept nogil:
    """Rules that inner packets of the session must pass in a version; 0 = none. To be asked if
    `filtered` is set."""
    cdef const policy_t* policy = session_policy(entry, version)
    return 0 if policy == NULL else policy.filter


cdef inline bint source_covers(const source_t* prefix, const addr_t* address) noexcept nogil:
    cdef uint32_t octets = prefix.length >> 3
    cdef uint32_t bits = prefix.length & 7
    if memcmp(prefix.address.octet, address.octet, octets) != 0:
        return False
    return bits == 0 or (prefix.address.octet[octets] ^ address.octet[octets]) >> (8 - bits) == 0


cdef inline bint session_owns(const policy_t* policy, const addr_t* address,
                              int least) noexcept nogil:
    """Whether an inner source is in a prefix of the session's own that is at least so long."""
    cdef uint32_t i
    if policy == NULL:
        return False
    for i in range(policy.count):
        if policy.prefix[i].length >= least and source_covers(&policy.prefix[i], address):
            return True
    return False


cdef class SessionTable:
    cdef session_map_t map
    cdef readonly uint32_t capacity
    cdef uint32_t used                # entries handed out at one time or another
    cdef session_t free               # list of those that came back, SESSION_INVALID at its end
    cdef uint32_t live                # entries in use, those that wait to come back included
    cdef uint32_t* link
    # All for the writer, without the GIL. take: an unused entry, cleared, that no version has;
    # SESSION_INVALID: the table is full.
    cdef session_t take(self) noexcept nogil
    cdef void give(self, session_t index) noexcept nogil
    # Makes an entry findable. `replaced`: the hash that readers may still use, if it grew, else
    # NULL. -1: no memory, nothing changed.
    cdef int insert(self, session_t index, session_hash_t** replaced) noexcept nogil
    cdef void remove(self, session_t index) noexcept nogil
    # The entry with these ids that will be there at the end of the open transaction: of those that
    # live, the last one made. SESSION_INVALID: none. local6 as in session_find.
    cdef session_t newest(self, uint64_t key, const uint8_t* local6) noexcept nogil
