# Parsers of what surrounds a payload: link header, IP, UDP, L2TP, PPP. Each takes one step, checks
# every octet before it reads it, and returns REASON_NONE or the drop reason. None of them writes to
# the packet's octets. What is not done here: reassembly, TTL (a matter of forwarding), TCP.

from fastpath.checksum cimport (
    ipv4_header_ok, pseudo_sum4, pseudo_sum6, sum_octets, sums_to_zero)
from fastpath.ip6 cimport check_addresses6, find_upper, is_extension, upper_t
from fastpath.packet cimport (
    LINK_ETHERNET, LINK_IPV4, LINK_IPV6, LINK_LOOP, LINK_NULL, LINK_PPP, LINK_PPP_HDLC,
    LINK_PPP_WITHDIR, LINK_RAW, LINK_SLL, LINK_SLL2, PKT_DECAPPED, PKT_GENERATED, PKT_SOCKET,
    packet_t)
from fastpath.types cimport INET, INET6
from fastpath.verdict cimport (
    REASON_CAPTURED_SHORT, REASON_IP6_HEADER, REASON_IP_CHECKSUM, REASON_IP_HEADER_LENGTH,
    REASON_IP_SHORT, REASON_IP_TOTAL_LENGTH, REASON_IP_VERSION, REASON_L2F,
    REASON_L2TP_CONTROL_FLAGS, REASON_L2TP_LENGTH, REASON_L2TP_OFFSET, REASON_L2TP_SHORT,
    REASON_L2TP_VERSION, REASON_L2TPV3, REASON_LINK_SHORT, REASON_LINK_UNSUPPORTED,
    REASON_MARTIAN_DESTINATION, REASON_MARTIAN_SOURCE, REASON_MULTICAST, REASON_NONE, REASON_NOT_IP,
    REASON_PPP_SHORT, REASON_UDP_CHECKSUM, REASON_UDP_LENGTH, REASON_VLAN_NESTING)
from fastpath.wire cimport (
    AF_IPV4, AF_IPV6_BSD, AF_IPV6_DARWIN, AF_IPV6_FREEBSD, AF_IPV6_LINUX, CHDLC_BROADCAST,
    CHDLC_UNICAST, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_SVLAN, ETHERTYPE_SVLAN_OLD,
    ETHERTYPE_VLAN, IPV4_HEADER, IPV6_HEADER, L2TP_HEADER_MIN, L2TP_L, L2TP_O, L2TP_P, L2TP_S,
    L2TP_T, L2TP_VERSION, L2TP_VERSION_3, L2TP_VERSION_L2F, L2TP_VERSION_MASK, LOOPBACK_HEADER,
    PPP_ADDRESS, PPP_CONTROL, PPP_IPV4, PPP_IPV6, PROTO_HOPOPTS, PROTO_UDP, UDP_HEADER,
    VLAN_TAGS_MAX, be16toh, be32toh, eth_h, ipv4_h, ipv6_h, load_be16, load_be32, sll2_h, sll_h,
    udp_h, vlan_h)
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

# A UDP message; offsets count from packet_t.data.
cdef struct udp_t:
    uint16_t source               # ports
    uint16_t destination
    uint16_t checksum             # 0: none was computed
    uint32_t payload              # offset of the first octet behind the UDP header
    uint32_t payload_len          # octets by the UDP length, trailing octets excluded

# An L2TPv2 header; offsets count from the first octet of the flags.
cdef struct l2tp_t:
    uint16_t flags                # as received, reserved bits included
    uint16_t tunnel
    uint16_t session
    uint16_t ns                   # 0 without has_ns
    uint16_t nr                   # reserved in data messages
    uint8_t has_ns
    uint8_t control               # T bit
    uint32_t length               # octets of the message: Length or, without one, the datagram's
    uint32_t payload
    uint32_t payload_len          # up to `length`: octets behind it are ignored


# --- captures -------------------------------------------------------------------------------------

# Octets of the frame that were on the wire but not captured. A decapsulated packet has been checked
# to be whole, a generated one has no frame.
cdef inline uint64_t not_captured(const packet_t* p) noexcept nogil:
    if p.wire_len <= p.frame_len or p.flags & (PKT_DECAPPED | PKT_GENERATED):
        return 0
    return p.wire_len - p.frame_len


# Why a packet that announces `needed` octets from `data` on but has fewer is dropped.
cdef inline int short_reason(const packet_t* p, uint64_t needed, int reason) noexcept nogil:
    return REASON_CAPTURED_SHORT if needed <= p.len + not_captured(p) else reason


cdef inline int link_short(const packet_t* p) noexcept nogil:
    return REASON_CAPTURED_SHORT if not_captured(p) else REASON_LINK_SHORT


# --- PPP ------------------------------------------------------------------------------------------

# The octets before a PPP payload (RFC 1661 2, RFC 1662 3.1): FF 03 unless compressed away, and a
# protocol number of one octet if that is odd (Protocol-Field-Compression), else of two, of which a
# leading 00 carries nothing. `header` is what precedes the payload, which may be empty.
cdef inline int parse_ppp(const uint8_t* data, uint32_t len, uint16_t* protocol,
                          uint32_t* header) noexcept nogil:
    cdef uint32_t at = 0
    if len >= 1 and data[0] == PPP_ADDRESS:
        if len < 2:
            return REASON_PPP_SHORT
        at = 2 if data[1] == PPP_CONTROL else 0
    if len < at + 1:
        return REASON_PPP_SHORT
    if data[at] & 1:
        protocol[0] = data[at]
        header[0] = at + 1
        return REASON_NONE
    if len < at + 2:
        return REASON_PPP_SHORT
    protocol[0] = load_be16(data + at)
    header[0] = at + 2
    return REASON_NONE


# --- link headers ---------------------------------------------------------------------------------

cdef inline int _found(packet_t* p, uint32_t l3, uint8_t family) noexcept nogil:
    p.l3 = <uint16_t> l3
    p.family = family
    return REASON_NONE


# The IP header is at `at` if `type` says so, behind VLAN tags if it says that.
cdef inline int _ethertype(packet_t* p, uint32_t at, uint16_t type) noexcept nogil:
    cdef int tags = 0
    while type == ETHERTYPE_VLAN or type == ETHERTYPE_SVLAN or type == ETHERTYPE_SVLAN_OLD:
        if tags == VLAN_TAGS_MAX:
            return REASON_VLAN_NESTING
        tags += 1
        if p.len < at + sizeof(vlan_h):
            return link_short(p)
        type = be16toh((<const vlan_h*> (p.data + at)).type)
        at += sizeof(vlan_h)
    if type == ETHERTYPE_IPV4:
        return _found(p, at, INET)
    if type == ETHERTYPE_IPV6:
        return _found(p, at, INET6)
    return REASON_NOT_IP


cdef inline int _ppp_link(packet_t* p, uint32_t at) noexcept nogil:
    cdef uint16_t protocol = 0
    cdef uint32_t header = 0
    if p.len < at or parse_ppp(p.data + at, p.len - at, &protocol, &header) != REASON_NONE:
        return link_short(p)
    if protocol == PPP_IPV4:
        return _found(p, at + header, INET)
    if protocol == PPP_IPV6:
        return _found(p, at + header, INET6)
    return REASON_NOT_IP


# Address and control are always there: FF 03, or those of Cisco HDLC with an Ethernet type behind.
cdef inline int _hdlc_link(packet_t* p) noexcept nogil:
    if p.len < 2:
        return link_short(p)
    if p.data[0] == PPP_ADDRESS and p.data[1] == PPP_CONTROL:
        return _ppp_link(p, 0)
    if (p.data[0] == CHDLC_UNICAST or p.data[0] == CHDLC_BROADCAST) and p.data[1] == 0:
        if p.len < 4:
            return link_short(p)
        return _ethertype(p, 4, load_be16(p.data + 2))
    return REASON_NOT_IP


# LINKTYPE_NULL keeps the family in the order of the capturing host, which is not known here: the
# numbers are small, so at most one reading of it means anything.
cdef inline int _loopback_link(packet_t* p, bint any_order) noexcept nogil:
    if p.len < LOOPBACK_HEADER:
        return link_short(p)
    cdef uint32_t family = load_be32(p.data)
    if any_order and family & 0xFFFFFF == 0:
        family >>= 24
    if family == AF_IPV4:
        return _found(p, LOOPBACK_HEADER, INET)
    if (family == AF_IPV6_LINUX or family == AF_IPV6_BSD or family == AF_IPV6_FREEBSD
            or family == AF_IPV6_DARWIN):
        return _found(p, LOOPBACK_HEADER, INET6)
    return REASON_NOT_IP


cdef inline int _raw_link(packet_t* p) noexcept nogil:
    if p.len < 1:
        return link_short(p)
    cdef uint8_t version = p.data[0] >> 4
    if version == 4:
        return _found(p, 0, INET)
    if version == 6:
        return _found(p, 0, INET6)
    return REASON_IP_VERSION


# The rarer link types of captures, apart so that the caller's Ethernet path stays short.
cdef inline int _other_link(packet_t* p) noexcept nogil:
    if p.link == LINK_RAW:
        return _raw_link(p)
    if p.link == LINK_IPV4:
        return _found(p, 0, INET)
    if p.link == LINK_IPV6:
        return _found(p, 0, INET6)
    if p.link == LINK_SLL:
        if p.len < sizeof(sll_h):
            return link_short(p)
        return _ethertype(p, sizeof(sll_h), be16toh((<const sll_h*> p.data).protocol))
    if p.link == LINK_SLL2:
        if p.len < sizeof(sll2_h):
            return link_short(p)
        return _ethertype(p, sizeof(sll2_h), be16toh((<const sll2_h*> p.data).protocol))
    if p.link == LINK_NULL or p.link == LINK_LOOP:
        return _loopback_link(p, p.link == LINK_NULL)
    if p.link == LINK_PPP:
        return _ppp_link(p, 0)
    if p.link == LINK_PPP_HDLC:
        return _hdlc_link(p)
    if p.link == LINK_PPP_WITHDIR:
        return _ppp_link(p, 1)
    return REASON_LINK_UNSUPPORTED


# Finds the IP header of a frame at `data`: sets l3 and family. There may be no octet behind it.
cdef inline int parse_link(packet_t* p) noexcept nogil:
    if p.link != LINK_ETHERNET:
        return _other_link(p)
    if p.len < sizeof(eth_h):
        return link_short(p)
    # An IEEE 802.3 frame has its length here, below every Ethernet type: not IP.
    return _ethertype(p, sizeof(eth_h), be16toh((<const eth_h*> p.data).type))


# --- IP -------------------------------------------------------------------------------------------

# REASON_NONE if a packet from `source` to `destination` (host order) may be forwarded or answered.
# RFC 1812 5.3.7: 0/8, 127/8, 224/4 and 240/4 are never a source, 127/8 is never a destination.
# Destinations that mean more than one host: class D, limited broadcast, and 0/8, the broadcast of
# old (RFC 1812 4.2.3.1).
cdef inline int check_addresses4(uint32_t source, uint32_t destination) noexcept nogil:
    cdef uint32_t net = source >> 24
    if net == 0 or net == 127 or net >= 224:
        return REASON_MARTIAN_SOURCE
    net = destination >> 24
    if net == 0 or net >> 4 == 0xE or destination == 0xFFFFFFFFU:
        return REASON_MULTICAST
    return REASON_MARTIAN_DESTINATION if net == 127 else REASON_NONE


# RFC 791 3.1, RFC 1812 5.2.2. Cuts the link's padding off `len`.
cdef inline int _parse_ip4(packet_t* p) noexcept nogil:
    cdef uint32_t left = p.len - p.l3
    if left < IPV4_HEADER:
        return short_reason(p, p.l3 + IPV4_HEADER, REASON_IP_SHORT)
    cdef const ipv4_h* ip = <const ipv4_h*> (p.data + p.l3)
    if ip.version_ihl >> 4 != 4:
        return REASON_IP_VERSION
    cdef uint32_t header = (ip.version_ihl & 15) * 4
    if header < IPV4_HEADER:
        return REASON_IP_HEADER_LENGTH
    if header > left:
        return short_reason(p, p.l3 + header, REASON_IP_HEADER_LENGTH)
    cdef uint32_t total = be16toh(ip.total_length)
    if total < header:
        return REASON_IP_TOTAL_LENGTH
    if total > left:
        return short_reason(p, p.l3 + total, REASON_IP_TOTAL_LENGTH)
    if not ipv4_header_ok(<const uint8_t*> ip, header):
        return REASON_IP_CHECKSUM
    p.l4 = <uint16_t> (p.l3 + header)
    p.proto = ip.protocol
    p.len = p.l3 + total
    if p.flags & PKT_SOCKET:
        return REASON_NONE                            # loopback, for one: nobody else has it
    return check_addresses4(be32toh(ip.source), be32toh(ip.destination))


# RFC 8200 3. `proto` and `l4` are what is behind extension headers, or as far as they could be
# followed. A jumbogram (RFC 2675: length 0 and hop-by-hop options) is refused.
cdef inline int _parse_ip6(packet_t* p) noexcept nogil:
    cdef upper_t upper
    cdef uint32_t left = p.len - p.l3
    if left < IPV6_HEADER:
        return short_reason(p, p.l3 + IPV6_HEADER, REASON_IP6_HEADER)
    cdef const ipv6_h* ip = <const ipv6_h*> (p.data + p.l3)
    if be32toh(ip.version_class_label) >> 28 != 6:
        return REASON_IP_VERSION
    cdef uint32_t total = IPV6_HEADER + be16toh(ip.payload_length)
    if total == IPV6_HEADER and ip.next_header == PROTO_HOPOPTS:
        return REASON_IP6_HEADER
    if total > left:
        return short_reason(p, p.l3 + total, REASON_IP6_HEADER)
    p.l4 = p.l3 + IPV6_HEADER
    p.proto = ip.next_header
    p.len = p.l3 + total
    if is_extension(ip.next_header):
        find_upper(<const uint8_t*> ip, total, &upper)
        p.l4 = <uint16_t> (p.l3 + upper.at)
        p.proto = upper.proto
    return REASON_NONE if p.flags & PKT_SOCKET else check_addresses6(ip.source)


# Checks the IP header at l3 of a packet whose family is set: sets l4 and proto, trims len to the
# end of the datagram.
cdef inline int parse_ip(packet_t* p) noexcept nogil:
    if p.len < p.l3:
        return REASON_IP_SHORT
    if p.family == INET:
        return _parse_ip4(p)
    if p.family == INET6:
        return _parse_ip6(p)
    return REASON_NOT_IP


# --- UDP (RFC 768) --------------------------------------------------------------------------------

# Takes a packet that passed parse_ip and is no fragment. The checksum is not looked at.
cdef inline int parse_udp(const packet_t* p, udp_t* out) noexcept nogil:
    if p.len < p.l4 or p.len - p.l4 < UDP_HEADER:
        return REASON_UDP_LENGTH
    cdef const udp_h* udp = <const udp_h*> (p.data + p.l4)
    cdef uint32_t length = be16toh(udp.length)
    if length < UDP_HEADER or length > p.len - p.l4:
        return REASON_UDP_LENGTH
    out.source = be16toh(udp.source)
    out.destination = be16toh(udp.destination)
    out.checksum = be16toh(udp.checksum)
    out.payload = p.l4 + UDP_HEADER
    out.payload_len = length - UDP_HEADER
    return REASON_NONE


# Reads the whole message. A checksum of 0 passes in IPv4 and, by RFC 8200 8.1, fails in IPv6.
cdef inline int verify_udp(const packet_t* p, const udp_t* udp) noexcept nogil:
    cdef uint32_t length = UDP_HEADER + udp.payload_len
    cdef const ipv4_h* ip4
    cdef uint64_t total
    if p.family == INET:
        if udp.checksum == 0:
            return REASON_NONE
        ip4 = <const ipv4_h*> (p.data + p.l3)
        total = pseudo_sum4(be32toh(ip4.source), be32toh(ip4.destination), PROTO_UDP,
                            <uint16_t> length)
    else:
        if udp.checksum == 0:
            return REASON_UDP_CHECKSUM
        total = pseudo_sum6((<const ipv6_h*> (p.data + p.l3)).source, PROTO_UDP, length)
    if sums_to_zero(sum_octets(p.data + p.l4, length, total)):
        return REASON_NONE
    return REASON_UDP_CHECKSUM


# --- L2TP (RFC 2661 3.1) --------------------------------------------------------------------------

# Reads the header of a UDP payload. All 16 forms of L, S, O and P are data messages; a control
# message has L and S and neither O nor P. Reserved bits are ignored. `out` is only meaningful with
# REASON_NONE.
cdef inline int parse_l2tp(const uint8_t* data, uint32_t len, l2tp_t* out) noexcept nogil:
    if len < 2:
        return REASON_L2TP_SHORT
    cdef uint16_t flags = load_be16(data)
    cdef uint16_t version = flags & L2TP_VERSION_MASK
    if version != L2TP_VERSION:
        if version == L2TP_VERSION_L2F:
            return REASON_L2F
        return REASON_L2TPV3 if version == L2TP_VERSION_3 else REASON_L2TP_VERSION
    if flags & L2TP_T and flags & (L2TP_L | L2TP_S | L2TP_O | L2TP_P) != L2TP_L | L2TP_S:
        return REASON_L2TP_CONTROL_FLAGS

    cdef uint32_t header = L2TP_HEADER_MIN
    header += 2 if flags & L2TP_L else 0
    header += 4 if flags & L2TP_S else 0
    header += 2 if flags & L2TP_O else 0
    if len < header:
        return REASON_L2TP_SHORT

    cdef const uint8_t* at = data + 2
    out.length = len
    if flags & L2TP_L:
        out.length = load_be16(at)
        if out.length < header or out.length > len:
            return REASON_L2TP_LENGTH
        at += 2
    out.flags = flags
    out.control = flags & L2TP_T != 0
    out.tunnel = load_be16(at)
    out.session = load_be16(at + 2)
    at += 4
    out.has_ns = flags & L2TP_S != 0
    out.ns = 0
    out.nr = 0
    if flags & L2TP_S:
        out.ns = load_be16(at)
        out.nr = load_be16(at + 2)
        at += 4
    if flags & L2TP_O:
        header += load_be16(at)
        if header > out.length:
            return REASON_L2TP_OFFSET
    out.payload = header
    out.payload_len = out.length - header
    return REASON_NONE
