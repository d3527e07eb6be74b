# What nearly every packet that leaves needs, in straight lines: the pipeline puts these into one
# loop. Whatever is_plain refuses takes the long way through output.pyx, with the same result.

from fastpath.adjacency cimport (
    ADJ_HOLD, ADJ_OUTER6, ADJ_PENDING, ADJ_SEQUENCE, adjacency_t)
from fastpath.ip6 cimport is_extension
from fastpath.transmit cimport QUEUE_MAX, port_entry_t
from fastpath.packet cimport PKT_DECAPPED, PKT_READONLY, packet_t
from fastpath.session cimport session_count_t
from fastpath.types cimport HEADROOM, INET, INET6, PORT_BITS
from fastpath.wire cimport IPV6_HEADER, PROTO_TCP, TCP_SYN
from libc.stdint cimport uint8_t, uint16_t, uint32_t


# Whether a TCP packet has to be looked at for its MSS.
cdef inline bint may_be_syn(const uint8_t* ip, uint32_t length) noexcept nogil:
    cdef uint32_t flags = (ip[0] & 15) * 4 + 13
    return length <= flags or ip[flags] & TCP_SYN


# Whether an IPv4 packet goes on by an adjacency without a second thought: it fits, lives, lies
# where it can be changed, and nothing holds, changes, numbers or clamps it.
cdef inline bint is_plain(const packet_t* p, const adjacency_t* a) noexcept nogil:
    cdef const uint8_t* ip = p.data + p.l3
    cdef uint32_t length = p.len - p.l3
    if (length > a.mtu or ip[8] <= 1 or p.family != INET
            or a.flags & (ADJ_HOLD | ADJ_PENDING | ADJ_SEQUENCE | ADJ_OUTER6)
            or p.flags & PKT_READONLY
            or p.headroom + p.l3 < HEADROOM // 2):
        return False
    return (ip[9] != PROTO_TCP or not (a.mss or p.flags & PKT_DECAPPED)
            or not may_be_syn(ip, length))


# The same where IPv6 is inside, outside, or both.
cdef inline bint is_plain6(const packet_t* p, const adjacency_t* a) noexcept nogil:
    cdef const uint8_t* ip = p.data + p.l3
    cdef uint32_t length = p.len - p.l3
    cdef bint clamped = a.mss or p.flags & PKT_DECAPPED
    if (length > a.mtu or a.flags & (ADJ_HOLD | ADJ_PENDING | ADJ_SEQUENCE)
            or p.flags & PKT_READONLY or p.headroom + p.l3 < HEADROOM // 2):
        return False
    if p.family == INET:
        return (a.flags & ADJ_OUTER6 and ip[8] > 1
                and (ip[9] != PROTO_TCP or not clamped or not may_be_syn(ip, length)))
    return (p.family == INET6 and ip[7] > 1
            and (not clamped or not (is_extension(ip[6]) or ip[6] == PROTO_TCP and (
                length <= IPV6_HEADER + 13 or ip[IPV6_HEADER + 13] & TCP_SYN))))


# quiet: the flag of packets that are no traffic, which keeps a call up.
cdef inline void add_session(session_count_t* count, const packet_t* p,
                             uint8_t quiet) noexcept nogil:
    count.packets += 1
    count.octets += p.len - p.l3
    if not p.flags & quiet:
        count.last_ns = p.ts


# What is before the IP header has had its use.
cdef inline void unframe(packet_t* p) noexcept nogil:
    p.data += p.l3
    p.len -= p.l3
    p.headroom += p.l3
    p.l3 = 0


# port: the adjacency's, with the neighbour. True: the queue is full.
cdef inline bint queue(port_entry_t* entry, packet_t* p, uint16_t port) noexcept nogil:
    p.neighbour = port >> PORT_BITS
    entry.queue[entry.queued] = p
    entry.queued += 1
    return entry.queued == QUEUE_MAX
