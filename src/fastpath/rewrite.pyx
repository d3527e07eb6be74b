"""Builds the rewrite of an L2TP session: the octets put before each inner packet, and their sums.

Layout: IPv4 (RFC 791) | UDP (RFC 768) | L2TP data header with L, and S if sequenced (RFC 2661 3.1)
| PPP protocol 0021, after FF 03 unless compressed (RFC 1661 6.5, 6.6). Lengths, identification, TOS
(if copied), Ns and checksums are zero here; encap.pxd patches them.
"""

from fastpath.adjacency cimport ADJ_DONT_FRAGMENT, ADJ_SEQUENCE, REWRITE_MAX, adjacency_t
from fastpath.checksum cimport carry
from fastpath.wire cimport htobe16, load_be16, store_be16, store_be32
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memset


cdef int build_rewrite(adjacency_t* a, outer_t* o) noexcept nogil:
    cdef uint8_t* ip = a.rewrite
    cdef uint8_t* l2tp = ip + 28
    cdef uint32_t n = 36
    cdef uint32_t addresses
    memset(ip, 0, REWRITE_MAX)
    ip[0] = 0x45
    ip[1] = o.tos
    store_be16(ip + 6, 0x4000 if a.flags & ADJ_DONT_FRAGMENT else 0)
    ip[8] = 64
    ip[9] = 17
    store_be32(ip + 12, o.local)
    store_be32(ip + 16, o.peer)
    store_be16(ip + 20, o.local_port)
    store_be16(ip + 22, o.peer_port)
    store_be16(l2tp, 0x4802 if a.flags & ADJ_SEQUENCE else 0x4002)
    store_be16(l2tp + 4, o.peer_tunnel)
    store_be16(l2tp + 6, o.peer_session)
    if a.flags & ADJ_SEQUENCE:
        n += 4
    a.ppp_len = 0
    if not o.acfc:
        ip[n] = 0xFF
        ip[n + 1] = 0x03
        a.ppp_len = 2
    if o.pfc:
        ip[n + a.ppp_len] = 0x21
        a.ppp_len += 1
    else:
        ip[n + a.ppp_len + 1] = 0x21
        a.ppp_len += 2
    a.rewrite_len = <uint8_t>(n + a.ppp_len)
    addresses = load_be16(ip + 12) + load_be16(ip + 14) + load_be16(ip + 16) + load_be16(ip + 18)
    # Sums are in memory's order. A copied TOS is zero here; encap adds the word it writes.
    a.ip_sum = htobe16(carry(0x4500 + ip[1] + load_be16(ip + 6) + load_be16(ip + 8) + addresses))
    a.udp_sum = htobe16(carry(addresses + 17 + o.local_port + o.peer_port + load_be16(l2tp)
                              + o.peer_tunnel + o.peer_session))
    return 0
