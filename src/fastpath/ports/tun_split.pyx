"""Segmentation of TCP and UDP superpackets (tun_split.pxd says what it does).

What the kernel's own software segmentation makes (RFC 9293 3.8.6 has nothing against it): each
packet has the headers of the superpacket with lengths, IPv4 identification, sequence number and
checksums of its own; FIN and PSH are left to the last packet, CWR to the first. All sums but the
payload's are computed once for each superpacket.
"""

from fastpath.checksum cimport checksum_of, fold_16, sum_octets, sum_short, udp_checksum_of
from fastpath.ports.offload cimport (
    TCP_CHECKSUM, TCP_CWR, TCP_FIN, TCP_PSH, UDP_CHECKSUM, VNET_DATA_VALID, VNET_GSO_ECN,
    VNET_GSO_NONE, VNET_GSO_TCPV4, VNET_GSO_TCPV6, VNET_GSO_UDP_L4, VNET_HEADER, VNET_NEEDS_CSUM,
    find_segment, le16toh, pseudo_sum, vnet_h)
from fastpath.wire cimport (
    IPV6_HEADER, htobe16, htobe32, load_16, load_be16, load_be32, store_16, store_be16,
    store_be32)
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    _SEQUENCE = 4             # offsets in the TCP header
    _OFFSET_FLAGS = 12
    _LENGTH = 4               # offset in the UDP header


# A word taken out of a sum, which is modulo 2^16 - 1 (RFC 1624 2).
cdef inline uint64_t _without(const uint8_t* at) noexcept nogil:
    return load_16(at) ^ 0xFFFF


cdef bint split_begin(split_t* s, const vnet_h* header, const uint8_t* ip,
                      uint32_t len) noexcept nogil:
    cdef uint8_t kind = header.gso_type & ~<uint8_t>VNET_GSO_ECN
    cdef uint8_t wanted
    cdef const uint8_t* l4
    s.size = le16toh(header.gso_size)
    if s.size == 0 or not find_segment(ip, len, &s.where) or s.where.payload >= len:
        return False
    wanted = VNET_GSO_UDP_L4
    if s.where.tcp:
        wanted = VNET_GSO_TCPV6 if s.where.six else VNET_GSO_TCPV4
    if (kind != wanted or not header.flags & (VNET_NEEDS_CSUM | VNET_DATA_VALID)
            or (header.flags & VNET_NEEDS_CSUM and le16toh(header.csum_start) != s.where.l4)):
        return False
    s.ip = ip
    s.len = len
    s.at = s.where.payload
    if not s.where.six:
        s.identification = load_be16(ip + 4)
        s.ip_sum = (sum_short(ip, s.where.l4, 0) + _without(ip + 2) + _without(ip + 4)
                    + _without(ip + 10))
    l4 = ip + s.where.l4
    s.l4_sum = sum_short(l4, s.where.payload - s.where.l4, pseudo_sum(ip, &s.where, 0))
    if s.where.tcp:
        s.sequence = load_be32(l4 + _SEQUENCE)
        s.offset_flags = load_be16(l4 + _OFFSET_FLAGS)
        s.l4_sum += (_without(l4 + _SEQUENCE) + _without(l4 + _SEQUENCE + 2)
                     + _without(l4 + _OFFSET_FLAGS) + _without(l4 + TCP_CHECKSUM))
    else:
        s.l4_sum += _without(l4 + _LENGTH) + _without(l4 + UDP_CHECKSUM)
    return True


cdef inline void _tcp_header(split_t* s, uint8_t* l4, uint32_t payload,
                             uint64_t total) noexcept nogil:
    """`total`: sum of payload, pseudo header and what of the TCP header is as it was."""
    cdef uint16_t flags = s.offset_flags
    if s.at + payload < s.len:
        flags &= ~<uint16_t>(TCP_FIN | TCP_PSH)
    if s.at != s.where.payload:
        flags &= ~<uint16_t>TCP_CWR
    store_be32(l4 + _SEQUENCE, s.sequence)
    store_be16(l4 + _OFFSET_FLAGS, flags)
    store_be16(l4 + TCP_CHECKSUM, checksum_of(total + htobe32(s.sequence) + htobe16(flags)))
    s.sequence += payload


cdef uint32_t split_next(split_t* s, uint8_t* out) noexcept nogil:
    cdef uint32_t payload = min(s.size, s.len - s.at)
    cdef uint32_t length = s.where.payload + payload
    cdef uint16_t transport = htobe16(<uint16_t>(length - s.where.l4))
    cdef uint8_t* l4 = out + s.where.l4
    cdef uint64_t total
    memcpy(out, s.ip, s.where.payload)
    memcpy(out + s.where.payload, s.ip + s.at, payload)
    total = sum_octets(s.ip + s.at, payload, s.l4_sum + transport)
    if s.where.six:
        store_be16(out + 4, <uint16_t>(length - IPV6_HEADER))
    else:
        store_be16(out + 2, <uint16_t>length)
        store_be16(out + 4, s.identification)
        store_be16(out + 10, checksum_of(s.ip_sum + htobe16(<uint16_t>length)
                                         + htobe16(s.identification)))
        s.identification += 1
    if s.where.tcp:
        _tcp_header(s, l4, payload, total)
    else:
        store_16(l4 + _LENGTH, transport)
        # Once more: the length counts in the pseudo header and in the header.
        store_be16(l4 + UDP_CHECKSUM, udp_checksum_of(total + transport))
    s.at += payload
    return length


cdef bint complete_checksum(const vnet_h* header, uint8_t* ip, uint32_t len) noexcept nogil:
    cdef uint32_t start = le16toh(header.csum_start)
    cdef uint32_t offset = le16toh(header.csum_offset)
    cdef uint16_t checksum
    if start + offset + 2 > len:
        return False
    checksum = <uint16_t>~fold_16(sum_octets(ip + start, len - start, 0))
    # No transport means zero by zero: for UDP it would be no checksum (RFC 768).
    store_16(ip + start + offset, checksum if checksum else 0xFFFF)
    return True


def split(const uint8_t[::1] header not None, bytes packet not None) -> list[bytes] | None:
    """The packets that one read of a TUN device stands for: a virtio-net header and what follows
    it. None: they contradict each other. Raises ValueError for a header that is too short."""
    cdef split_t s
    cdef const vnet_h* h
    cdef bytearray out = bytearray(packet)
    cdef uint8_t* octets = <uint8_t*>out
    cdef uint32_t n
    if header.shape[0] < VNET_HEADER:
        raise ValueError(f"a header of {header.shape[0]} octets; it has {VNET_HEADER}")
    h = <const vnet_h*>&header[0]
    if h.gso_type == VNET_GSO_NONE:
        if h.flags & VNET_NEEDS_CSUM and not complete_checksum(h, octets, <uint32_t>len(packet)):
            return None
        return [bytes(out)]
    if not split_begin(&s, h, <const uint8_t*>packet, <uint32_t>len(packet)):
        return None
    found = []
    while split_more(&s):
        n = split_next(&s, octets)
        found.append(bytes(out[:n]))
    return found
