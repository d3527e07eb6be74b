# Encapsulation where IPv6 is inside, outside, or both (encap.pxd has IPv4 in IPv4). Adjacencies
# keep of an outer IPv6 header what differs between sessions; the rest is written here.

from fastpath.adjacency cimport (
    ADJ_COPY_TOS, ADJ_OUTER6, ADJ_SEQUENCE, ADJ_UDP_CHECKSUM, adjacency_t)
from fastpath.checksum cimport carry, fold_16, sum_octets
from fastpath.encap cimport (
    MOVE, complete, datagram_sum, decrement_ttl, ppp_sum, prepend, prepend_ppp, swapped)
from fastpath.ip6 cimport traffic_class
from fastpath.packet cimport PKT_TRUSTED, packet_t
from fastpath.types cimport INET
from fastpath.wire cimport (
    IPV6_HEADER, L2TP_L, L2TP_S, L2TP_VERSION, PPP_ADDRESS, PPP_CONTROL, PPP_IPV4, PPP_IPV6,
    PROTO_TCP, PROTO_UDP, TCP_HEADER, UDP_HEADER, htobe16, load_16, load_be16, store_16,
    store_be16)
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

cdef enum:
    OUTER_TTL = 64
    LABEL = 4                 # octets of an IPv6 header up to the flow label, in the rewrite as in
                              # the packet; behind it there are addresses and ports
    ENDS = 36
    TO_UDP = IPV6_HEADER
    TO_L2TP = IPV6_HEADER + UDP_HEADER


cdef inline void decrement_hops(const packet_t* p) noexcept nogil:
    """One hop less, of TTL or hop limit."""
    if p.family == INET:
        decrement_ttl(p.data + p.l3)
    else:
        p.data[p.l3 + 7] -= 1


# Sum of an IPv6 packet from its header alone, if its transport checksum was verified: transport and
# pseudo header sum up to zero, so what is left is the first 8 octets less length and protocol.
# 0: the header does not tell.
cdef inline uint16_t trusted_sum6(const uint8_t* ip, uint32_t len) noexcept nogil:
    cdef const uint8_t* transport = ip + IPV6_HEADER
    cdef uint32_t segment = len - IPV6_HEADER
    if ip[6] == PROTO_UDP:
        if (segment < UDP_HEADER or load_16(transport + 6) == 0
                or load_be16(transport + 4) != segment):
            return 0
    elif ip[6] != PROTO_TCP or segment < TCP_HEADER:
        return 0
    return carry(<uint32_t> load_16(ip) + load_16(ip + 2) + load_16(ip + 4) + load_16(ip + 6)
                 + <uint16_t> ~load_16(ip + 4) + <uint16_t> ~htobe16(ip[6]))


cdef inline uint16_t packet_sum6(const uint8_t* ip, uint32_t len, bint trusted) noexcept nogil:
    cdef uint16_t known = trusted_sum6(ip, len) if trusted else 0
    return known if known else fold_16(sum_octets(ip, len, 0))


cdef inline void lay_ppp(uint8_t* at, uint32_t octets, uint8_t protocol) noexcept nogil:
    """The PPP header of an IP packet, compressed as its length says."""
    if octets > 2:
        at[0] = PPP_ADDRESS
        at[1] = PPP_CONTROL
        at += 2
    if octets & 1 == 0:
        at[0] = 0
        at += 1
    at[0] = protocol


cdef inline void lay_outer6(const adjacency_t* a, uint8_t* ip, uint32_t total, uint8_t tos,
                            uint16_t sequence, uint32_t payload) noexcept nogil:
    """The outer IPv6, UDP and L2TP headers. `total` and `payload` as in encap.complete."""
    cdef uint8_t* udp = ip + TO_UDP
    cdef uint8_t* l2tp = ip + TO_L2TP
    cdef uint16_t datagram = htobe16(<uint16_t> (total - TO_UDP))
    cdef uint16_t message = htobe16(<uint16_t> (total - TO_L2TP))
    cdef uint32_t s
    memcpy(ip, a.rewrite, LABEL)
    if a.flags & ADJ_COPY_TOS:
        ip[0] |= tos >> 4
        ip[1] |= <uint8_t> (tos << 4)
    store_16(ip + 4, datagram)
    ip[6] = PROTO_UDP
    ip[7] = OUTER_TTL
    memcpy(ip + 8, a.rewrite + LABEL, ENDS)
    store_16(udp + 4, datagram)
    store_16(udp + 6, 0)
    store_be16(l2tp, L2TP_L | L2TP_VERSION | (L2TP_S if a.flags & ADJ_SEQUENCE else 0))
    store_16(l2tp + 2, message)
    memcpy(l2tp + 4, a.rewrite + LABEL + ENDS, 4)
    if a.flags & ADJ_SEQUENCE:
        store_16(l2tp + 8, sequence)
        store_16(l2tp + 10, 0)
    if a.flags & ADJ_UDP_CHECKSUM:
        s = <uint16_t> ~carry(payload + a.udp_sum + 2 * <uint32_t> datagram + message + sequence)
        store_16(udp + 6, <uint16_t> s if s else 0xFFFF)


cdef inline void prepend_any(const adjacency_t* a, packet_t* p, uint16_t identification,
                             uint16_t sequence) noexcept nogil:
    """Encapsulates the packet at p.data + p.l3, whichever families are in and out."""
    cdef uint32_t header = a.rewrite_len
    cdef uint8_t* inner = p.data + p.l3
    cdef uint32_t length = p.len - p.l3
    cdef uint8_t* ip = inner - header
    cdef uint8_t protocol = PPP_IPV6
    cdef uint8_t tos
    cdef uint32_t payload = 0
    cdef uint16_t octets
    if p.family == INET:
        if not a.flags & ADJ_OUTER6:
            prepend(a, p, identification, sequence)
            return
        protocol = PPP_IPV4
        tos = inner[1]
    else:
        tos = traffic_class(inner)
    if a.flags & ADJ_UDP_CHECKSUM:
        if p.family == INET:
            octets = datagram_sum(inner, length, p.flags & PKT_TRUSTED)
        else:
            octets = packet_sum6(inner, length, p.flags & PKT_TRUSTED)
        payload = ppp_sum(a.ppp_len, protocol) + (swapped(octets) if a.ppp_len & 1 else octets)
    if a.flags & ADJ_OUTER6:
        lay_ppp(inner - a.ppp_len, a.ppp_len, protocol)
        lay_outer6(a, ip, header + length, tos, sequence, payload)
    else:
        # As encap.prepend does it: a copy of a length that is not known costs more than all else.
        memcpy(ip, a.rewrite, MOVE)
        memcpy(ip + MOVE, a.rewrite + MOVE, MOVE)
        memcpy(ip + header - MOVE, a.rewrite + header - MOVE, MOVE)
        ip[header - 1] = protocol
        complete(a, ip, header + length, tos, identification, sequence, payload)
    p.data = ip
    p.len = header + length
    p.headroom += p.l3 - <uint16_t> header
    p.l3 = 0


cdef inline void prepend_ppp_any(const adjacency_t* a, packet_t* p, uint16_t identification,
                                 uint16_t sequence) noexcept nogil:
    """Encapsulates a PPP frame at p.data that brings its own PPP header."""
    cdef uint32_t header = a.rewrite_len - a.ppp_len
    cdef uint32_t payload = 0
    if not a.flags & ADJ_OUTER6:
        prepend_ppp(a, p, identification, sequence)
        return
    if a.flags & ADJ_UDP_CHECKSUM:
        payload = fold_16(sum_octets(p.data, p.len, 0))
    p.data -= header
    p.len += header
    p.headroom -= <uint16_t> header
    lay_outer6(a, p.data, p.len, 0, sequence, payload)
