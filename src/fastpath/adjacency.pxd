# Adjacencies: what a next hop index means. A kind, flags, and for an L2TP session the octets to put
# before the packet, with everything summed up beforehand that does not change from packet to
# packet. Packets read one cache line of them; what only changes, and the slow path, look at stands
# apart.

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

    REWRITE_MAX = 44          # IPv4 20 + UDP 8 + L2TP with L and S 12 + PPP 4

# One cache line, read for each packet, changed by transactions only:
#   kind flags rewrite_len ppp_len | mtu port | session | rewrite[44] | ip_sum udp_sum | filter mss
cdef struct adjacency_t:      # 64 octets
    uint8_t kind              # AdjacencyKind
    uint8_t flags             # ADJ_*
    uint8_t rewrite_len       # octets to put before the inner IP packet
    uint8_t ppp_len           # of which so many, the last ones, are the PPP header
    uint16_t mtu              # largest IP packet that fits, octets
    port_t port               # where it leaves
    session_t session         # SESSION: its entry in the session table
    uint8_t rewrite[REWRITE_MAX]
    uint16_t ip_sum           # outer IP header without length, identification, TOS and checksum
    uint16_t udp_sum          # outer addresses, protocol, ports, L2TP header without length and Ns
    uint16_t filter           # rules that packets leaving by it must pass; 0 = none
    uint16_t mss              # TCP segments announced to be larger are cut to it; 0 = none are

cdef enum:
    SIDE_FREE = 0
    SIDE_LIVE                 # a next hop that has a name

# The rest of an adjacency:  hold | since | references pending | next | table state
cdef struct adjacency_side_t: # 32 octets
    uint64_t hold             # key of the trigger buffer, with ADJ_HOLD
    uint64_t since            # reserved
    uint32_t references       # routes that lead here
    int32_t pending           # and how many more will, by the open transaction
    nh_t next                 # SIDE_FREE: next free index of the zone
    table_t table             # GLEAN and SESSION: routing table of its packets
    uint8_t state             # SIDE_*
    uint8_t spare

cdef enum:
    ZONES = 2
    ZONE_PLAIN = 1 << 15      # indexes below are for plain next hops, so that they fit in 15 bits

cdef struct zone_t:
    nh_t used                 # indexes below were given out once
    nh_t end
    nh_t free                 # list of those that came back, NH_DROP at its end

cdef class AdjacencyTable:
    cdef adjacency_t* at      # by next hop index
    cdef adjacency_side_t* side
    cdef readonly uint32_t capacity
    cdef zone_t zone[ZONES]
    # An unused index, cleared; NH_DROP if the table is full.
    cdef nh_t take(self, uint8_t kind) noexcept nogil
    cdef void give(self, nh_t nh) noexcept nogil
    cdef bint is_live(self, nh_t nh) noexcept nogil
    # The adjacency of an index. Raises KeyError if it names none.
    cdef adjacency_t* get(self, object nh) except NULL
