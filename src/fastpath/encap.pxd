# Encapsulation of one packet over a session: the rewrite goes before it, then lengths,
# identification, TOS, Ns and checksums are patched in (RFC 2661 3.1, 5.4, 8.1).

from fastpath.adjacency cimport (
    ADJ_COPY_TOS, ADJ_SEQUENCE, ADJ_UDP_CHECKSUM, adjacency_t)
from fastpath.checksum cimport carry, fold_16, sum_octets
from fastpath.packet cimport PKT_TRUSTED, packet_t
from fastpath.wire cimport (
    IP_MF, IP_OFFSET, IPV4_HEADER, PPP_IPV4, PROTO_TCP, PROTO_UDP, TCP_HEADER, UDP_HEADER, htobe16,
    load_16, load_be16, store_16)
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    MOVE = 16                 # octets that one instruction moves on every machine


cdef inline void decrement_ttl(uint8_t* ip) noexcept nogil:
    """One hop less. The word of the TTL is smaller by 0x0100: the checksum is larger by that, and
    is never 0xFFFF (RFC 1624 3); in memory's order, as is any one's complement sum."""
    cdef uint32_t checksum = load_16(ip + 10) + htobe16(0x0100)
    ip[8] -= 1
    store_16(ip + 10, <uint16_t> (checksum + (checksum >= 0xFFFF)))


cdef inline uint16_t swapped(uint16_t total) noexcept nogil:
    """The sum of octets that begin in the middle of a word (RFC 1071 2(B))."""
    return <uint16_t> (total << 8 | total >> 8)


# Sum of the PPP header before an IP packet, its last octet the upper half of a word if it is alone.
cdef inline uint32_t ppp_sum(uint32_t octets, uint16_t protocol) noexcept nogil:
    if octets == 4:
        return htobe16(<uint16_t> (0xFF03 + protocol))
    if octets == 3:
        return htobe16(0xFF03) + htobe16(<uint16_t> (protocol << 8))
    return htobe16(protocol if octets == 2 else <uint16_t> (protocol << 8))


# Sum of what follows a checked IPv4 header, from that header alone: transport and pseudo header sum
# up to zero if the checksum is right (RFC 9293 3.1, RFC 768), which somebody has verified. 0: the
# header does not tell, so the octets must be read; no such sum is 0.
cdef inline uint16_t trusted_sum(const uint8_t* ip, uint32_t len) noexcept nogil:
    cdef uint32_t header = (ip[0] & 15) * 4
    cdef uint32_t segment = len - header
    cdef uint32_t pseudo
    if load_be16(ip + 6) & (IP_MF | IP_OFFSET):
        return 0
    if ip[9] == PROTO_UDP:
        # Without a checksum, or with octets behind the datagram, nothing is known.
        if (segment < UDP_HEADER or load_be16(ip + header + 6) == 0
                or load_be16(ip + header + 4) != segment):
            return 0
    elif ip[9] != PROTO_TCP or segment < TCP_HEADER:
        return 0
    pseudo = (<uint32_t> load_16(ip + 12) + load_16(ip + 14) + load_16(ip + 16) + load_16(ip + 18)
              + htobe16(ip[9]) + htobe16(<uint16_t>segment))
    pseudo = <uint16_t> ~carry(pseudo)
    return <uint16_t> pseudo if pseudo else 0xFFFF


# Sum of an IPv4 packet whose header checksum is right: such a header sums up to zero, so only what
# is behind it is read, and not even that if `trusted`.
cdef inline uint16_t datagram_sum(const uint8_t* ip, uint32_t len, bint trusted) noexcept nogil:
    cdef uint32_t header = (ip[0] & 15) * 4
    cdef uint16_t known = 0
    if trusted:
        known = trusted_sum(ip, len)
    return known if known else fold_16(sum_octets(ip + header, len - header, 0))


# Fills in the rewrite at `ip`, which is there but for what changes from packet to packet. `total`:
# octets from `ip` on; `payload`: sum of what is behind the L2TP header, if it is needed. The sums
# are of words in memory's order, so that what is stored is what was added.
cdef inline void complete(const adjacency_t* a, uint8_t* ip, uint32_t total, uint8_t tos,
                          uint16_t identification, uint16_t sequence,
                          uint32_t payload) noexcept nogil:
    cdef uint16_t whole = htobe16(<uint16_t>total)
    cdef uint16_t udp = htobe16(<uint16_t>(total - IPV4_HEADER))
    cdef uint16_t l2tp = htobe16(<uint16_t>(total - IPV4_HEADER - UDP_HEADER))
    cdef uint32_t s = <uint32_t>a.ip_sum + whole + identification
    if a.flags & ADJ_COPY_TOS:
        ip[1] = tos
        s += htobe16(tos)
    store_16(ip + 2, whole)
    store_16(ip + 4, identification)
    store_16(ip + 10, <uint16_t>~carry(s))
    store_16(ip + 24, udp)
    store_16(ip + 30, l2tp)
    if a.flags & ADJ_SEQUENCE:
        store_16(ip + 36, sequence)
    if a.flags & ADJ_UDP_CHECKSUM:
        # The length counts twice: in the pseudo header and in the UDP header.
        s = <uint16_t>~carry(payload + a.udp_sum + 2 * <uint32_t>udp + l2tp + sequence)
        store_16(ip + 26, <uint16_t>s if s else 0xFFFF)


# What follows takes a packet whose data is writable with at least 64 octets before it, and
# p.len + a.rewrite_len must not be above 65,535. `identification` is that of the outer packet,
# `sequence` its Ns, 0 if the session has none; both in network order.

cdef inline void prepend(const adjacency_t* a, packet_t* p, uint16_t identification,
                         uint16_t sequence) noexcept nogil:
    """Encapsulates the IPv4 packet at p.data + p.l3, whose header checksum is right, over IPv4."""
    cdef uint32_t header = a.rewrite_len
    cdef uint8_t* inner = p.data + p.l3
    cdef uint32_t length = p.len - p.l3
    cdef uint8_t* ip = inner - header
    cdef uint8_t tos = inner[1]
    cdef uint32_t payload = 0
    cdef uint16_t octets
    # A rewrite has 37 to 44 octets: three moves of which the last two may overlap.
    memcpy(ip, a.rewrite, MOVE)
    memcpy(ip + MOVE, a.rewrite + MOVE, MOVE)
    memcpy(ip + header - MOVE, a.rewrite + header - MOVE, MOVE)
    if a.flags & ADJ_UDP_CHECKSUM:
        octets = datagram_sum(inner, length, p.flags & PKT_TRUSTED)
        payload = ppp_sum(a.ppp_len, PPP_IPV4) + (swapped(octets) if a.ppp_len & 1 else octets)
    complete(a, ip, header + length, tos, identification, sequence, payload)
    p.data = ip
    p.len = header + length
    p.headroom += p.l3 - <uint16_t>header
    p.l3 = 0


cdef inline void prepend_ppp(const adjacency_t* a, packet_t* p, uint16_t identification,
                             uint16_t sequence) noexcept nogil:
    """Encapsulates a PPP frame at p.data that brings its own PPP header, over IPv4."""
    cdef uint32_t header = a.rewrite_len - a.ppp_len
    cdef uint8_t* ip = p.data - header
    cdef uint32_t payload = 0
    memcpy(ip, a.rewrite, header)
    if a.flags & ADJ_UDP_CHECKSUM:
        payload = fold_16(sum_octets(p.data, p.len, 0))
    complete(a, ip, header + p.len, 0, identification, sequence, payload)
    p.data = ip
    p.len += header
    p.headroom -= <uint16_t>header
