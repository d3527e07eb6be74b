# Adjacencies: what a next hop index means. A kind, flags, and for an L2TP session the octets to put
# before the packet, with everything summed up beforehand that does not change from packet to
# packet.

from fastpath.types cimport nh_t, port_t, session_t, table_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cpdef enum AdjacencyKind:
    ADJ_FREE = 0
    ADJ_DROP                  # discards; number 0 says no-route, any other prohibited
    ADJ_LOCAL                 # one of our own addresses
    ADJ_GLEAN                 # dial-out target: the packet is a trigger
    ADJ_IP                    # plain next hop behind a port
    ADJ_SESSION               # an L2TP session

cdef enum:
    ADJ_TUNNEL = 1            # LOCAL: UDP 1701 to this address is L2TP
    ADJ_HOLD = 2              # SESSION: packets join the buffer of trigger `hold`, until its flush
    ADJ_UDP_CHECKSUM = 4      # SESSION: compute the outer UDP checksum
    ADJ_SEQUENCE = 8          # SESSION: S bit set, Ns counts (RFC 2661 5.4)
    ADJ_DONT_FRAGMENT = 16    # SESSION: DF on the outer packet
    ADJ_COPY_TOS = 32         # SESSION: outer TOS octet is the inner one (RFC 2983, 6040)

    REWRITE_MAX = 44          # IPv4 20 + UDP 8 + L2TP with L and S 12 + PPP 4

# First cache line: read for each packet, changed by transactions only.
#   kind flags rewrite_len ppp_len | mtu port | session | rewrite[44] | ip_sum udp_sum
# Second cache line: changed by each packet.
#   hold | packets octets last_ns | references | table sequence identification
cdef struct adjacency_t:      # 128 octets
    uint8_t kind              # AdjacencyKind
    uint8_t flags             # ADJ_*
    uint8_t rewrite_len       # octets to put before the inner IP packet
    uint8_t ppp_len           # of which so many, the last ones, are the PPP header
    uint16_t mtu              # largest IP packet that fits, octets
    port_t port               # where it leaves
    session_t session         # SESSION: its entry in the session table
    uint8_t rewrite[REWRITE_MAX]
    uint32_t ip_sum           # outer IP header without length, identification, TOS and checksum
    uint32_t udp_sum          # outer addresses, protocol and ports
    uint64_t hold             # key of the trigger buffer, with ADJ_HOLD
    uint64_t packets          # sent
    uint64_t octets           # sent, inner IP octets
    uint64_t last_ns          # engine time of the last one
    uint32_t references       # routes that lead here
    table_t table             # GLEAN and SESSION: routing table of its packets
    uint16_t sequence         # next Ns
    uint16_t identification   # next outer IPv4 identification
    uint8_t spare[22]

cdef class AdjacencyTable:
    cdef adjacency_t* at      # by next hop index
    cdef uint32_t capacity
    cdef uint32_t used        # indexes below were given out once
    cdef list _free
    cdef nh_t allocate(self) except? 0
    cdef int release(self, nh_t nh) except -1
    cdef adjacency_t* get(self, nh_t nh) except NULL
