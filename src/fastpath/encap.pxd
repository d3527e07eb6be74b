# Encapsulation of one packet over a session: the rewrite goes before it, then lengths,
# identification, TOS, Ns and checksums are patched in (RFC 2661 3.1, 5.4, 8.1).

from fastpath.adjacency cimport (
    ADJ_COPY_TOS, ADJ_SEQUENCE, ADJ_UDP_CHECKSUM, adjacency_t)
from fastpath.checksum cimport adjust16, carry, fold, sum_octets
from fastpath.packet cimport packet_t
from fastpath.wire cimport load_be16, store_be16
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy


cdef inline void decrement_ttl(uint8_t* ip) noexcept nogil:
    """One hop less, the header checksum adjusted (RFC 1624)."""
    cdef uint16_t old = load_be16(ip + 8)
    ip[8] -= 1
    store_be16(ip + 10, adjust16(load_be16(ip + 10), old, load_be16(ip + 8)))


cdef inline void prepend(const adjacency_t* a, packet_t* p, uint32_t header, uint8_t tos,
                         uint16_t identification, uint16_t sequence) noexcept nogil:
    """Puts the first `header` octets of the rewrite before p.data and completes them.

    `header` is a.rewrite_len before an inner IP packet, and a.ppp_len less before a PPP frame that
    brings its own PPP header. `identification` is that of the outer packet, `sequence` its Ns if
    the session has one. p.data must be writable with at least `header` octets before it;
    p.len + header must not be above 65,535.
    """
    cdef uint8_t* ip = p.data - header
    cdef uint8_t* l2tp = ip + 28
    cdef uint32_t total = p.len + header
    cdef uint32_t udp = total - 20
    cdef uint32_t s
    memcpy(ip, a.rewrite, header)
    store_be16(ip + 2, <uint16_t>total)
    store_be16(ip + 4, identification)
    if a.flags & ADJ_COPY_TOS:
        ip[1] = tos
    s = a.ip_sum + total + identification + ip[1]
    store_be16(ip + 10, <uint16_t>~carry(s))
    store_be16(ip + 24, <uint16_t>udp)
    store_be16(l2tp + 2, <uint16_t>(udp - 8))
    if a.flags & ADJ_SEQUENCE:
        store_be16(l2tp + 8, sequence)
    if a.flags & ADJ_UDP_CHECKSUM:
        # The length counts twice: in the pseudo header and in the UDP header.
        s = fold(sum_octets(l2tp, udp - 8, 0)) + a.udp_sum + 2 * udp
        s = <uint16_t>~carry(s)
        store_be16(ip + 26, <uint16_t>s if s else 0xFFFF)
    p.data = ip
    p.len = total
    p.l3 = 0
    p.headroom -= <uint16_t>header
