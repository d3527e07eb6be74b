"""Generic receive offload for what goes into a TUN device (tun_merge.pxd says what it does).

Two packets join if they are whole, sound and follow each other in one flow, and if nothing in their
headers differs but what segmentation restores: lengths, checksums, the TCP sequence number, PSH on
the last packet, and an IPv4 identification that counts up. With Don't Fragment it may stand still
as well: then it means nothing (RFC 6864 4.1), and counts up afterwards. IPv4 options and IPv6
extension headers do not join. A checksum that is wrong stays wrong: such a packet goes alone.
Checksums are verified only when there is a packet to join.
"""

from fastpath.checksum cimport (
    fold, ipv4_header_ok, ipv4_header_seal, sum_octets, sums_to_zero)
from fastpath.hash cimport mix64
from fastpath.ip6 cimport is_extension
from fastpath.packet cimport PKT_TRUSTED, packet_t
from fastpath.ports.offload cimport (
    TCP_ACK, TCP_CHECKSUM, TCP_ECE, TCP_PSH, UDP_CHECKSUM, VNET_GSO_NONE, VNET_GSO_TCPV4,
    VNET_GSO_TCPV6, VNET_GSO_UDP_L4, VNET_HEADER, VNET_NEEDS_CSUM, find_payload, htole16,
    pseudo_sum, segment_t, vnet_h)
from fastpath.types cimport BURST_MAX
from fastpath.wire cimport (
    IP_DF, IPV4_HEADER, IPV6_HEADER, PROTO_TCP, PROTO_UDP, TCP_HEADER, load_be16, load_be32,
    store_be16)
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

cdef enum Kind:
    _JOINS                    # a segment or datagram that may join others of its flow
    _KEEPS                    # may not, and its flow may not go around it
    _BARS                     # may not, and its flow is not known
    _OTHER                    # neither TCP nor UDP

cdef enum:
    _LENGTH_MAX = 65535
    _UNKNOWN_STEP = 2


# What a packet is ---------------------------------------------------------------------------------

cdef int _locate(const uint8_t* ip, uint32_t len, segment_t* s) noexcept nogil:
    """Finds its transport. _JOINS: it has ports and is whole."""
    cdef uint8_t proto
    if len < IPV4_HEADER:
        return _BARS
    s.six = ip[0] >> 4 == 6
    if s.six:
        if len < IPV6_HEADER or load_be16(ip + 4) + <uint32_t>IPV6_HEADER != len:
            return _BARS
        proto = ip[6]
        s.l4 = IPV6_HEADER
        if is_extension(proto):
            return _BARS
    else:
        # Anything but Don't Fragment in the word of the fragment offset is a bar.
        if (ip[0] != 0x45 or load_be16(ip + 2) != len
                or load_be16(ip + 6) & ~<uint32_t>IP_DF):
            return _BARS
        proto = ip[9]
        s.l4 = IPV4_HEADER
    s.tcp = proto == PROTO_TCP
    if not s.tcp and proto != PROTO_UDP:
        return _OTHER
    return _JOINS if find_payload(ip, len, proto, s) else _BARS


cdef int _kind(const merge_t* m, const uint8_t* ip, uint32_t len, segment_t* s) noexcept nogil:
    cdef int kind = _locate(ip, len, s)
    cdef const uint8_t* l4 = ip + s.l4
    cdef uint16_t flags
    if kind != _JOINS:
        return kind
    if s.payload == len:
        return _KEEPS
    if s.tcp:
        flags = load_be16(l4 + 12) & 0xFFF & ~<uint16_t>TCP_PSH
        # 0xFFFF is as good as 0 there, but 0 is what segmentation writes.
        if ((flags != TCP_ACK and flags != (TCP_ACK | TCP_ECE))
                or load_be16(l4 + TCP_CHECKSUM) == 0xFFFF):
            return _KEEPS
    elif (not m.udp or load_be16(l4 + UDP_CHECKSUM) == 0
            or load_be16(l4 + 4) != len - s.l4):
        return _KEEPS
    return _JOINS


cdef bint _is_sound(const packet_t* p, const segment_t* s) noexcept nogil:
    """Whether its checksums are right."""
    cdef uint32_t length = p.len - s.l4
    if not s.six and not ipv4_header_ok(p.data, IPV4_HEADER):
        return False
    return p.flags & PKT_TRUSTED or sums_to_zero(
        sum_octets(p.data + s.l4, length, pseudo_sum(p.data, s, length)))


# Flows --------------------------------------------------------------------------------------------

cdef inline uint16_t _flow(const uint8_t* ip, const segment_t* s) noexcept nogil:
    cdef uint64_t first, second
    cdef uint32_t ports
    memcpy(&ports, ip + s.l4, 4)
    memcpy(&first, ip + (16 if s.six else 12), 8)
    if s.six:
        memcpy(&second, ip + 32, 8)
        first ^= second
    return <uint16_t>(mix64(first ^ <uint64_t>ports << 17 ^ s.tcp) & (FLOWS - 1))


cdef inline bint _same_flow(const uint8_t* a, const group_t* g, const uint8_t* b,
                            const segment_t* s) noexcept nogil:
    if g.where.six != s.six or g.where.tcp != s.tcp or memcmp(a + s.l4, b + s.l4, 4) != 0:
        return False
    if s.six:
        return memcmp(a + 8, b + 8, 32) == 0
    return memcmp(a + 12, b + 12, 8) == 0


cdef inline group_t* _group_at(merge_t* m, uint16_t flow) noexcept nogil:
    """The open group of the flow that has a place, NULL: none has it."""
    cdef group_t* g = &m.group[m.flow[flow]]
    return g if m.barrier <= m.flow[flow] < m.groups and g.open and g.flow == flow else NULL


cdef uint16_t _search(merge_t* m, packet_t** packets, const packet_t* p,
                      const segment_t* s) noexcept nogil:
    """The place of a packet's flow, or the one that it may have."""
    cdef uint16_t flow = _flow(p.data, s)
    cdef uint16_t best = flow
    cdef bint vacant = False
    cdef group_t* g
    cdef int i
    for i in range(TRIES):
        g = _group_at(m, flow)
        if g == NULL:
            if not vacant:
                best = flow
            vacant = True
        elif _same_flow(packets[g.first].data, g, p.data, s):
            return flow
        flow = (flow + 1) & (FLOWS - 1)
    return best


cdef bint _same_headers(const uint8_t* a, const uint8_t* b, const segment_t* s) noexcept nogil:
    """Whether two packets of one flow agree in what must be equal, but for what counts up."""
    if s.six:
        if memcmp(a, b, 4) != 0 or a[7] != b[7]:
            return False
    elif load_be16(a) != load_be16(b) or memcmp(a + 6, b + 6, 4) != 0:
        return False
    if not s.tcp:
        return True
    a += s.l4
    b += s.l4
    # Acknowledgment; offset and flags; window; urgent pointer; options.
    return (memcmp(a + 8, b + 8, 4) == 0
            and (load_be16(a + 12) ^ load_be16(b + 12)) & ~<uint32_t>TCP_PSH == 0
            and load_be16(a + 14) == load_be16(b + 14)
            and memcmp(a + 18, b + 18, s.payload - s.l4 - 18) == 0)


cdef bint _follows(group_t* g, const uint8_t* a, const uint8_t* b, uint32_t len) noexcept nogil:
    """Whether packet b goes on where the group, whose first packet is a, ends. If not, the group
    is of no use any more."""
    cdef uint32_t payload = len - g.where.payload
    cdef uint32_t so_far = g.length - g.where.payload
    cdef uint16_t step
    if payload > g.size or g.count == MERGE_MAX or g.length + payload > _LENGTH_MAX:
        return False
    if g.where.tcp and load_be32(b + g.where.l4 + 4) != <uint32_t>(load_be32(a + g.where.l4 + 4)
                                                                 + so_far):
        return False
    if g.where.six:
        return True
    step = <uint16_t>(load_be16(b + 4) - g.identification)
    if g.step == _UNKNOWN_STEP:
        if step > 1 or (step == 0 and not load_be16(a + 6) & IP_DF):
            return False
        g.step = <uint8_t>step
    elif step != g.step:
        return False
    g.identification += step
    return True


# Groups -------------------------------------------------------------------------------------------

cdef void _begin(merge_t* m, int number, const packet_t* p, const segment_t* s,
                 bint joins) noexcept nogil:
    """A group of one packet; more may join it if `joins`."""
    cdef group_t* g = &m.group[m.groups]
    g.first = g.last = <uint16_t>number
    g.count = 1
    g.length = p.len
    g.open = joins
    g.sound = g.push = False
    m.following[number] = -1
    m.groups += 1
    if joins:
        g.where = s[0]
        g.size = p.len - s.payload
        g.step = _UNKNOWN_STEP
        g.identification = load_be16(p.data + 4)
        # Nothing can follow a packet that has PSH: segmentation would give that to the last.
        g.open = not (s.tcp and p.data[s.l4 + 13] & TCP_PSH)


cdef bint _join(merge_t* m, group_t* g, packet_t** packets, int number,
                const segment_t* s) noexcept nogil:
    """Adds a packet of the same flow to a group, if it fits."""
    cdef const packet_t* first = packets[g.first]
    cdef const packet_t* p = packets[number]
    if g.where.payload != s.payload or not _same_headers(first.data, p.data, s):
        return False
    if not _follows(g, first.data, p.data, p.len) or not _is_sound(p, s):
        return False
    if not g.sound and not _is_sound(first, s):
        return False
    g.sound = True
    m.following[g.last] = <int16_t>number
    m.following[number] = -1
    g.last = <uint16_t>number
    g.count += 1
    g.length += p.len - s.payload
    g.push = s.tcp and p.data[s.l4 + 13] & TCP_PSH
    g.open = not g.push and p.len - s.payload == g.size
    return True


cdef void _place(merge_t* m, packet_t** packets, int number) noexcept nogil:
    cdef const packet_t* p = packets[number]
    cdef segment_t where
    cdef group_t* g
    cdef uint16_t flow
    cdef int kind = _kind(m, p.data, p.len, &where)
    if kind == _BARS:
        m.barrier = m.groups
    if kind == _BARS or kind == _OTHER:
        _begin(m, number, p, NULL, False)
        return
    flow = _search(m, packets, p, &where)
    g = _group_at(m, flow)
    if g != NULL and _same_flow(packets[g.first].data, g, p.data, &where):
        if kind == _JOINS and _join(m, g, packets, number, &where):
            return
        g.open = False
    if kind == _JOINS:
        m.flow[flow] = <uint16_t>m.groups
        m.group[m.groups].flow = flow
    _begin(m, number, p, &where, kind == _JOINS)


cdef void merge_burst(merge_t* m, packet_t** packets, int n) noexcept nogil:
    cdef int i
    m.groups = m.barrier = 0
    if n == 1:
        _begin(m, 0, packets[0], NULL, False)
        return
    for i in range(n):
        _place(m, packets, i)


cdef void merge_seal(const group_t* g, uint8_t* ip, vnet_h* header) noexcept nogil:
    cdef const segment_t* s = &g.where
    cdef uint32_t transport
    memset(header, 0, VNET_HEADER)
    if g.count == 1:
        return
    transport = g.length - s.l4
    header.flags = VNET_NEEDS_CSUM
    header.hdr_len = htole16(<uint16_t>s.payload)
    header.gso_size = htole16(<uint16_t>g.size)
    header.csum_start = htole16(<uint16_t>s.l4)
    header.csum_offset = htole16(TCP_CHECKSUM if s.tcp else UDP_CHECKSUM)
    if s.tcp:
        header.gso_type = VNET_GSO_TCPV6 if s.six else VNET_GSO_TCPV4
        if g.push:
            ip[s.l4 + 13] |= TCP_PSH
    else:
        header.gso_type = VNET_GSO_UDP_L4
        store_be16(ip + s.l4 + 4, <uint16_t>transport)
    if s.six:
        store_be16(ip + 4, <uint16_t>(g.length - IPV6_HEADER))
    else:
        store_be16(ip + 2, <uint16_t>g.length)
        ipv4_header_seal(ip, IPV4_HEADER)
    store_be16(ip + s.l4 + (TCP_CHECKSUM if s.tcp else UDP_CHECKSUM),
               fold(pseudo_sum(ip, s, transport)))


def merge(packets: list[bytes], *, bint udp=True,
          bint trusted=False) -> list[tuple[bytes, bytes]]:
    """What would be written to a TUN device for a burst: virtio-net headers with their packets.
    Raises ValueError for more than 256 packets."""
    cdef packet_t descriptor[BURST_MAX]
    cdef packet_t* burst[BURST_MAX]
    cdef merge_t* m
    cdef group_t* g
    cdef vnet_h header
    cdef int i, at
    copies = [bytearray(packet) for packet in packets]
    if len(copies) > BURST_MAX:
        raise ValueError(f"{len(copies)} packets are no burst; {BURST_MAX} at the most")
    m = <merge_t*>calloc(1, sizeof(merge_t))
    if m == NULL:
        raise MemoryError
    m.udp = udp
    for i in range(len(copies)):
        descriptor[i].data = <uint8_t*><bytearray>copies[i]
        descriptor[i].len = <uint32_t>len(copies[i])
        descriptor[i].flags = PKT_TRUSTED if trusted else 0
        burst[i] = &descriptor[i]
    merge_burst(m, burst, <int>len(copies))
    found = []
    for i in range(m.groups):
        g = &m.group[i]
        merge_seal(g, burst[g.first].data, &header)
        whole = bytes(copies[g.first])
        at = m.following[g.first]
        while at >= 0:
            whole += bytes(copies[at][g.where.payload:])
            at = m.following[at]
        found.append(((<const char*>&header)[:VNET_HEADER], whole))
    free(m)
    return found
