# Adjacencies: what a next hop index means. A kind, flags, and for an L2TP session the octets to put
# before the packet, with everything summed up beforehand that does not change from packet to
# packet. Packets read one cache line of them; what only changes, and the slow path, look at stands
# apart.

from fastpath.atomic cimport (
    ATOMIC_ACQUIRE, ATOMIC_RELAXED, atomic_load_u8, atomic_load_u32, atomic_load_u64)
from fastpath.types cimport nh_t, port_t, session_t, table_t
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

cpdef enum AdjacencyKind:
    ADJ_FREE = 0
    ADJ_DROP                  # discards; number 0 says no-route, any other prohibited
    ADJ_LOCAL                 # one of our own addresses
    ADJ_GLEAN                 # dial-out target: the packet is a trigger
    ADJ_IP                    # plain next hop behind a port
    ADJ_SESSION               # an L2TP session

cdef enum:
    ADJ_TUNNEL = 1            # LOCAL: UDP 1701 to this address is L2TP
    ADJ_HOLD = 2              # SESSION: packets join the buffer of a trigger until its flush
    ADJ_UDP_CHECKSUM = 4      # SESSION: compute the outer UDP checksum
    ADJ_SEQUENCE = 8          # SESSION: S bit set, Ns counts (RFC 2661 5.4)
    ADJ_DONT_FRAGMENT = 16    # SESSION: DF on the outer packet
    ADJ_COPY_TOS = 32         # SESSION: outer TOS octet is the inner one (RFC 2983, 6040)

    ADJ_OUTER6 = 128          # SESSION: the tunnel is over IPv6
    ADJ_PENDING = 64          # from version side.since on, side.next holds what is true

    REWRITE_ROOM = 44         # IPv4 20 + UDP 8 + L2TP with L and S 12 + PPP 4
    REWRITE_MAX = 64          # octets put before a packet: over IPv6 20 more

# One cache line, read for each packet. The writer changes one that packets can reach by a shadow:
# another adjacency, which no route leads to, holds the new contents until nobody uses the old ones.
#   kind flags rewrite_len ppp_len | mtu port | session | rewrite[44] | ip_sum udp_sum | filter mss
#
# Over IPv4 `rewrite` is what is put before an inner IPv4 packet, octet by octet; before an inner
# IPv6 packet only the last one differs, 57 for 21 (both protocols compress to one octet). The 64
# octets over IPv6 do not fit, but what differs between sessions does, without room to spare:
#   version, class, label 4 | addresses 32 | ports 4 | peer's ids 4
# So both are one line, and no packet pays for a second one.
cdef struct adjacency_t:      # 64 octets
    uint8_t kind              # AdjacencyKind
    uint8_t flags             # ADJ_*
    uint8_t rewrite_len       # octets to put before the inner IP packet
    uint8_t ppp_len           # of which so many, the last ones, are the PPP header
    uint16_t mtu              # largest IP packet that fits, octets
    port_t port               # where it leaves: port and slot of a neighbour (types.pxd)
    session_t session         # SESSION: its entry in the session table
    uint8_t rewrite[REWRITE_ROOM]
    uint16_t ip_sum           # outer IP header without length, identification, TOS and checksum
    uint16_t udp_sum          # outer addresses, protocol, ports, L2TP header without length and Ns
    uint16_t filter           # rules that packets leaving by it must pass; 0 = none
    uint16_t mss              # TCP segments announced to be larger are cut to it, in IPv6 to 20
                              # less; 0 = none are

cdef enum SideState:
    SIDE_FREE = 0
    SIDE_LIVE                 # a next hop that has a name
    SIDE_SHADOW               # contents of another one
    SIDE_DEAD                 # deleted: waits until nobody uses it

cdef enum:                    # marks of the writer
    SIDE_TOUCHED = 1          # the open transaction changes its number of routes
    SIDE_NEW = 2              # made by the open transaction: it may be changed in place
    SIDE_DELETED = 4          # deleted by the open transaction
    SIDE_STAGED = 8           # the open transaction has a shadow for it, behind the last one
    SIDE_FOLDED = 16          # has its contents itself again, but packets may still be at `next`

# The rest of an adjacency:  hold | since | references pending | next | table state marks
cdef struct adjacency_side_t: # 32 octets
    uint64_t hold             # key of the trigger buffer, with ADJ_HOLD
    uint64_t since            # ADJ_PENDING: first version in which `next` is true
    uint32_t references       # routes that lead here
    int32_t pending           # and how many more will, by the open transaction
    nh_t next                 # shadow; SIDE_FREE: next free index of the zone
    table_t table             # GLEAN and SESSION: routing table of its packets
    uint8_t state             # SideState
    uint8_t marks             # SIDE_*

cdef enum:
    ZONES = 3
    ZONE_PLAIN = 1 << 15      # indexes below are for plain next hops, so that they fit in 15 bits
    ZONE_SHADOWS = 2          # its indexes lie behind the capacity: no route can name them

cdef struct zone_t:
    nh_t used                 # indexes below were given out once
    nh_t end
    nh_t free                 # list of those that came back, NH_DROP at its end

cdef inline nh_t adjacency_in(const adjacency_t* at, const adjacency_side_t* side, nh_t nh,
                              uint64_t version) noexcept nogil:
    """Where the contents of an adjacency are in a version: nh itself, but for a moment after a
    change. To be asked if ADJ_PENDING is set."""
    while (atomic_load_u8(&at[nh].flags, ATOMIC_ACQUIRE) & ADJ_PENDING
           and atomic_load_u64(&side[nh].since, ATOMIC_RELAXED) <= version):
        nh = atomic_load_u32(&side[nh].next, ATOMIC_ACQUIRE)
    return nh


cdef class AdjacencyTable:
    cdef adjacency_t* at      # by next hop index
    cdef adjacency_side_t* side
    cdef readonly uint32_t capacity
    cdef uint32_t room        # with the shadows
    cdef zone_t zone[ZONES]
    # All for the writer, without the GIL. An unused index, cleared; NH_DROP if there is none.
    cdef nh_t take(self, uint8_t kind) noexcept nogil
    cdef nh_t take_shadow(self) noexcept nogil
    cdef void give(self, nh_t nh) noexcept nogil
    cdef bint is_live(self, nh_t nh) noexcept nogil
    # The adjacency that stands for nh at the end of the open transaction, but for its own shadow.
    cdef nh_t last(self, nh_t nh) noexcept nogil
    cdef nh_t _take_from(self, zone_t* zone) noexcept nogil
    # The adjacency of an index. Raises KeyError if it names none.
    cdef adjacency_t* get(self, object nh) except NULL
