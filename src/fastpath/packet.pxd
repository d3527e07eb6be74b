# The packet descriptor: one cache line for each packet of a burst. Ports fill it, the engine moves
# it on.

from fastpath.types cimport nh_t, port_t, session_t, table_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum Link:               # what the first octet at `frame` is
    LINK_UNSUPPORTED = 0
    LINK_ETHERNET
    LINK_SLL                  # Linux cooked v1
    LINK_SLL2                 # Linux cooked v2
    LINK_NULL                 # BSD loopback: 4-octet family in the byte order of the capturing host
    LINK_LOOP                 # OpenBSD loopback: 4-octet family in network order
    LINK_RAW                  # IPv4 or IPv6, told apart by the version nibble
    LINK_IPV4
    LINK_IPV6
    LINK_PPP                  # PPP, address and control octets optional
    LINK_PPP_HDLC             # PPP in HDLC-like framing: address and control always there
    LINK_PPP_WITHDIR          # one direction octet, then PPP

cdef enum:
    PKT_READONLY = 1          # `data` may not be written and has no headroom (a capture's mapping)
    PKT_DECAPPED = 2          # came out of an L2TP session: `session` is the one it came by
    PKT_GENERATED = 4         # made by the slow path or by control, not received
    PKT_TRUSTED = 8           # card or kernel found the checksum of its transport header right
    PKT_QUIET_IN = 16         # a filter says that it is no traffic of the session it came by
    PKT_QUIET_OUT = 32        # nor of the session it leaves by
    PKT_SOCKET = 64           # came by a socket: the kernel has judged its outer addresses

# Layout (64 octets):  data frame ts | len frame_len wire_len nh session | l3 l4 headroom table
# port | 6 x u8 | neighbour
cdef struct packet_t:
    uint8_t* data             # first octet of the packet as it stands now
    uint8_t* frame            # first octet as it was received
    uint64_t ts               # arrival, nanoseconds of the engine's clock
    uint32_t len              # octets at `data`
    uint32_t frame_len        # octets at `frame` that were captured
    uint32_t wire_len         # octets the frame had on the wire, >= frame_len
    nh_t nh                   # lookup result
    session_t session         # session it arrived by, SESSION_INVALID for none
    uint16_t l3               # offset of the IP header from `data`
    uint16_t l4               # offset of what follows the IP header
    uint16_t headroom         # writable octets before `data`
    table_t table             # routing table it is looked up in
    port_t port               # port it arrived at
    uint8_t link              # enum Link
    uint8_t family            # INET, INET6, or 0 before parsing
    uint8_t proto             # IP protocol
    uint8_t verdict           # enum Verdict
    uint8_t reason            # enum Reason, with VERDICT_DROP
    uint8_t flags             # PKT_*
    uint16_t neighbour        # slot of the port it leaves by, 0 for none; set when it is queued
