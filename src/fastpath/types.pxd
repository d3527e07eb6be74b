# Plain types that every module of the data plane shares. Indexes, never pointers, between tables.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t, int32_t, int64_t

ctypedef uint16_t be16_t      # network byte order; converted once, at the edge (wire.pxd)
ctypedef uint32_t be32_t
ctypedef uint32_t nh_t        # next hop: index of an adjacency
ctypedef uint16_t table_t     # index of a virtual router's routing table
ctypedef uint32_t session_t   # index of a session
ctypedef uint16_t port_t      # index of an attached port

cdef enum:
    NH_DROP = 0               # adjacency 0 always exists and drops with reason no-route
    NH_INVALID = 0xFFFFFFFF
    SESSION_INVALID = 0xFFFFFFFF
    PORT_INVALID = 0xFFFF
    PORT_BITS = 6             # of an adjacency's `port` that are the index of a port; all set: none
    PORT_MASK = (1 << PORT_BITS) - 1
    NEIGHBOURS_MAX = 1 << (16 - PORT_BITS)    # the others: slot of a neighbour there, 0 for none
    TABLE_INVALID = 0xFFFF

    BURST_MAX = 256           # packets of one burst at the most
    HEADROOM = 128            # writable octets that a port or the arena leaves before a packet
    DATAGRAM_MAX = 65535      # octets of the longest packet that is sent or kept

    INET = 4                  # address families, as the version field of the IP header has them
    INET6 = 6

cdef struct addr_t:           # IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2): one key for both
    uint8_t octet[16]
