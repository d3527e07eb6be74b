"""Builds the rewrite of an L2TP session: the octets put before each inner packet, and their sums.

Layout over IPv4: IPv4 (RFC 791) | UDP (RFC 768) | L2TP data header with L, and S if sequenced
(RFC 2661 3.1) | PPP protocol 0021, after FF 03 unless compressed (RFC 1661 6.5, 6.6). Lengths,
identification, TOS (if copied), Ns and checksums are zero here; encap.pxd patches them. Over IPv6
(RFC 8200) adjacency.pxd says what is kept, and encap6.pxd writes the rest.
"""

from fastpath.adjacency cimport (
    ADJ_COPY_TOS, ADJ_DONT_FRAGMENT, ADJ_OUTER6, ADJ_SEQUENCE, REWRITE_ROOM, adjacency_t)
from fastpath.checksum cimport carry, fold, sum_octets
from fastpath.hash cimport hash16, mix64
from fastpath.types cimport INET6
from fastpath.wire cimport (
    IPV6_HEADER, UDP_HEADER, htobe16, load_be16, store_be16, store_be32)
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef enum:
    PLAIN = 0x4002            # L2TP flags of data messages, with L, and with S beside it
    SEQUENCED = 0x4802
    UDP = 17


cdef uint8_t _ppp_octets(const outer_t* o) noexcept nogil:
    return <uint8_t> ((0 if o.acfc else 2) + (1 if o.pfc else 2))


cdef uint32_t _flow_label(const outer_t* o) noexcept nogil:
    """One label for each session, which tells it apart and is nothing to guess ids by (RFC 6437 3,
    RFC 6438 3): a session keeps its order on any path. Never 0, which says that there is none."""
    cdef uint64_t ids = (<uint64_t> o.local_port << 48 | <uint64_t> o.peer_port << 32
                         | <uint64_t> o.peer_tunnel << 16 | o.peer_session)
    cdef uint32_t label = <uint32_t> (mix64(hash16(o.peer.octet, hash16(o.local.octet, 0)) ^ ids)
                                      & 0xFFFFF)
    return label if label else 1


cdef void _build6(adjacency_t* a, const outer_t* o, uint16_t l2tp) noexcept nogil:
    cdef uint8_t* at = a.rewrite
    cdef uint8_t tos = 0 if a.flags & ADJ_COPY_TOS else o.tos
    store_be32(at, <uint32_t> 6 << 28 | <uint32_t> tos << 20 | _flow_label(o))
    memcpy(at + 4, o.local.octet, 16)
    memcpy(at + 20, o.peer.octet, 16)
    store_be16(at + 36, o.local_port)
    store_be16(at + 38, o.peer_port)
    store_be16(at + 40, o.peer_tunnel)
    store_be16(at + 42, o.peer_session)
    a.rewrite_len = <uint8_t> (IPV6_HEADER + UDP_HEADER + (12 if a.flags & ADJ_SEQUENCE else 8)
                               + a.ppp_len)
    a.ip_sum = 0
    a.udp_sum = htobe16(carry(fold(sum_octets(at + 4, 40, 0)) + <uint32_t> UDP + l2tp))


cdef void _build4(adjacency_t* a, const outer_t* o, uint16_t l2tp) noexcept nogil:
    cdef uint8_t* ip = a.rewrite
    cdef uint32_t n = 40 if a.flags & ADJ_SEQUENCE else 36
    cdef uint32_t addresses
    ip[0] = 0x45
    ip[1] = o.tos
    store_be16(ip + 6, 0x4000 if a.flags & ADJ_DONT_FRAGMENT else 0)
    ip[8] = 64
    ip[9] = UDP
    memcpy(ip + 12, o.local.octet + 12, 4)
    memcpy(ip + 16, o.peer.octet + 12, 4)
    store_be16(ip + 20, o.local_port)
    store_be16(ip + 22, o.peer_port)
    store_be16(ip + 28, l2tp)
    store_be16(ip + 32, o.peer_tunnel)
    store_be16(ip + 34, o.peer_session)
    if not o.acfc:
        ip[n] = 0xFF
        ip[n + 1] = 0x03
    ip[n + a.ppp_len - 1] = 0x21
    a.rewrite_len = <uint8_t> (n + a.ppp_len)
    addresses = load_be16(ip + 12) + load_be16(ip + 14) + load_be16(ip + 16) + load_be16(ip + 18)
    # Sums are in memory's order. A copied TOS is zero here; encap adds the word it writes.
    a.ip_sum = htobe16(carry(0x4500 + ip[1] + load_be16(ip + 6) + load_be16(ip + 8) + addresses))
    a.udp_sum = htobe16(carry(addresses + UDP + o.local_port + o.peer_port + l2tp
                              + o.peer_tunnel + o.peer_session))


cdef void build_rewrite(adjacency_t* a, const outer_t* o) noexcept nogil:
    cdef uint16_t l2tp = SEQUENCED if a.flags & ADJ_SEQUENCE else PLAIN
    memset(a.rewrite, 0, REWRITE_ROOM)
    a.ppp_len = _ppp_octets(o)
    if o.family == INET6:
        # Nobody on the way cuts an IPv6 packet, so there is nothing to identify.
        a.flags |= ADJ_OUTER6 | ADJ_DONT_FRAGMENT
        _build6(a, o, l2tp)
    else:
        _build4(a, o, l2tp)
