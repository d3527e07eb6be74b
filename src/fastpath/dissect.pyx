"""What the data plane makes of a packet, for tests and for people who look into captures.

These are Python faces of the inlines that the engine runs, not a second implementation. Offsets
count octets from the start of the argument. Drop reasons are the names of verdict.REASONS.
"""

from fastpath.checksum cimport (
    SUM_BLOCK, adjust16, checksum_of, ipv4_header_ok, sum_blocks_by, sum_octets, sum_short)
from fastpath.fragment cimport frag_begin, frag_next, frag_t
from fastpath.icmp cimport ICMP_ERROR_MAX, bucket_init, bucket_t, bucket_take
from fastpath.icmp cimport icmp_echo_reply as _icmp_echo_reply, icmp_error as _icmp_error
from fastpath.icmp6 cimport ICMP6_ERROR_MAX
from fastpath.icmp6 cimport icmp6_echo_reply as _icmp6_echo_reply, icmp6_error as _icmp6_error
from fastpath.ip6 cimport find_upper, upper_t
from fastpath.mss cimport cut_mss as _cut_mss
from fastpath.packet cimport packet_t
from fastpath.parse cimport (
    l2tp_t, parse_ip, parse_l2tp, parse_link, parse_ppp, parse_udp, udp_t, verify_udp)
from fastpath.ports.linktype cimport link_number
from fastpath.simd.level cimport level_of
from fastpath.types cimport DATAGRAM_MAX, INET
from fastpath.verdict cimport REASON_NONE
from fastpath.wire cimport (
    IP_MF, IP_OFFSET, L2TP_PORT, PROTO_UDP, be16toh, eth_h, icmp_h, ipv4_h, ipv6_h, sll2_h, sll_h,
    tcp_h, udp_h, vlan_h)
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from fastpath.verdict import REASONS

SIZES = {
    "packet_t": sizeof(packet_t),
    "eth_h": sizeof(eth_h),
    "vlan_h": sizeof(vlan_h),
    "sll_h": sizeof(sll_h),
    "sll2_h": sizeof(sll2_h),
    "ipv4_h": sizeof(ipv4_h),
    "ipv6_h": sizeof(ipv6_h),
    "udp_h": sizeof(udp_h),
    "tcp_h": sizeof(tcp_h),
    "icmp_h": sizeof(icmp_h),
}
"""Octets of the packet descriptor and of each header of wire.pxd."""


def dissect(bytes frame not None, str link="ethernet", wire_len=None) -> dict:
    """Parses a frame layer by layer, up to the first drop reason.

    link is one of fastpath.ports.linktype.LINKS; wire_len is the frame's length on the wire if a
    capture cut it. The answer always has `reason`, `family` (4, 6, or 0), `l3`, `l4`, `proto` and
    `len` (end of the IP datagram), `udp`, `l2tp` and `ppp`; what was not reached is None. Only a
    UDP message from or to port 1701 is looked at as L2TP, and no fragment is. Raises ValueError for
    an unknown link or a wire_len below the frame's own length.
    """
    if wire_len is not None and wire_len < len(frame):
        raise ValueError(f"wire_len {wire_len} is less than the {len(frame)} octets given")
    cdef packet_t p
    memset(&p, 0, sizeof(p))
    p.data = p.frame = <uint8_t*> <const uint8_t*> frame
    p.len = p.frame_len = len(frame)
    p.wire_len = p.frame_len if wire_len is None else wire_len
    p.link = link_number(link)

    cdef int reason = parse_link(&p)
    seen = {"family": p.family, "l3": p.l3 if p.family else None, "l4": None, "proto": None,
            "len": None, "udp": None, "l2tp": None, "ppp": None}
    if reason == REASON_NONE:
        reason = parse_ip(&p)
        if p.l4:
            seen.update(l4=p.l4, proto=p.proto, len=p.len)
    if reason == REASON_NONE and p.proto == PROTO_UDP and not _is_fragment(&p):
        reason = _dissect_udp(&p, seen)
    seen["reason"] = REASONS[reason]
    return seen


cdef inline bint _is_fragment(const packet_t* p) noexcept nogil:
    cdef upper_t upper
    if p.family != INET:
        find_upper(p.data + p.l3, p.len - p.l3, &upper)
        return upper.fragment or upper.headless
    return be16toh((<const ipv4_h*> (p.data + p.l3)).fragment) & (IP_MF | IP_OFFSET) != 0


cdef int _dissect_udp(packet_t* p, dict seen):
    cdef udp_t udp
    cdef l2tp_t l2tp
    cdef uint16_t protocol = 0
    cdef uint32_t header = 0
    cdef int reason = parse_udp(p, &udp)
    if reason != REASON_NONE:
        return reason
    seen["udp"] = {"source": udp.source, "destination": udp.destination, "checksum": udp.checksum,
                   "payload": udp.payload, "payload_len": udp.payload_len}
    reason = verify_udp(p, &udp)
    if reason != REASON_NONE or L2TP_PORT not in (udp.source, udp.destination):
        return reason
    reason = parse_l2tp(p.data + udp.payload, udp.payload_len, &l2tp)
    if reason != REASON_NONE:
        return reason
    seen["l2tp"] = _l2tp_dict(&l2tp, udp.payload)
    if l2tp.control:
        return reason
    cdef uint32_t at = udp.payload + l2tp.payload
    reason = parse_ppp(p.data + at, l2tp.payload_len, &protocol, &header)
    if reason == REASON_NONE:
        seen["ppp"] = {"protocol": protocol, "payload": at + header,
                       "payload_len": l2tp.payload_len - header}
    return reason


cdef dict _l2tp_dict(const l2tp_t* l2tp, uint32_t start):
    return {"flags": l2tp.flags, "control": bool(l2tp.control), "length": l2tp.length,
            "tunnel": l2tp.tunnel, "session": l2tp.session,
            "ns": l2tp.ns if l2tp.has_ns else None, "nr": l2tp.nr if l2tp.has_ns else None,
            "payload": start + l2tp.payload, "payload_len": l2tp.payload_len}


def l2tp_header(bytes data not None) -> dict | str:
    """The fields of an L2TPv2 header (RFC 2661 3.1), or the reason for which it is dropped."""
    cdef l2tp_t l2tp
    cdef int reason = parse_l2tp(data, len(data), &l2tp)
    return _l2tp_dict(&l2tp, 0) if reason == REASON_NONE else REASONS[reason]


def ppp_header(bytes data not None) -> dict | str:
    """`protocol` and `payload` (offset) of a PPP frame, or the reason for which it is dropped."""
    cdef uint16_t protocol = 0
    cdef uint32_t header = 0
    cdef int reason = parse_ppp(data, len(data), &protocol, &header)
    return {"protocol": protocol, "payload": header} if reason == REASON_NONE else REASONS[reason]


def checksum(bytes data not None, variant: str | None = None) -> int:
    """The Internet checksum of octets (RFC 1071), by one of simd.available() if it is named."""
    cdef const uint8_t* octets = data
    cdef uint32_t blocks = <uint32_t> (len(data) // SUM_BLOCK)
    cdef uint32_t at = blocks * SUM_BLOCK
    if variant is None:
        return checksum_of(sum_octets(octets, len(data), 0))
    return checksum_of(sum_short(octets + at, <uint32_t> len(data) - at,
                                 sum_blocks_by(level_of(variant), octets, blocks)))


def cut_mss(bytes packet not None, uint16_t mss) -> tuple[bytes, int]:
    """A packet with the MSS of its SYN cut to `mss` at the most (IPv6: 20 less), and how many were
    cut."""
    cdef bytearray ours = bytearray(packet)
    cdef uint8_t[::1] octets = ours
    cdef int cut = _cut_mss(&octets[0], len(packet), mss)
    return bytes(ours), cut


def header_checksum_ok(bytes header not None) -> bool:
    """Whether an IPv4 header of 20 to 60 octets, options included, has the right checksum."""
    if len(header) not in range(20, 61, 4):
        raise ValueError(f"an IPv4 header has no {len(header)} octets")
    return bool(ipv4_header_ok(header, len(header)))


def update_checksum(uint16_t checksum, uint16_t old, uint16_t new) -> int:
    """The checksum after one of the words under it went from old to new (RFC 1624)."""
    return adjust16(checksum, old, new)


def fragment(bytes packet not None, uint32_t mtu) -> list[bytes]:
    """The fragments of an IPv4 packet for a link of `mtu` octets (RFC 791 2.3).

    Raises ValueError with the drop reason if it cannot be fragmented.
    """
    cdef frag_t frag
    cdef uint8_t into[DATAGRAM_MAX]
    cdef uint32_t length
    cdef int reason = frag_begin(&frag, packet, len(packet), mtu)
    if reason != REASON_NONE:
        raise ValueError(REASONS[reason])
    fragments = []
    while True:
        length = frag_next(&frag, into)
        if length == 0:
            return fragments
        fragments.append(into[:length])


def icmp_error(bytes packet not None, uint32_t source, uint8_t type, uint8_t code,
               uint16_t mtu=0, uint32_t room=ICMP_ERROR_MAX) -> bytes:
    """The ICMP error from our address `source` about an IPv4 packet, b"" if there must be none.

    `mtu` goes out with fragmentation needed (type 3, code 4); `room` is what the answer may fill.
    """
    cdef uint8_t into[ICMP_ERROR_MAX]
    room = min(room, sizeof(into))
    return into[:_icmp_error(into, room, packet, len(packet), source, type, code, mtu)]


def icmp_echo_reply(bytes packet not None) -> bytes:
    """The answer to an IPv4 echo request, b"" if there must be none."""
    cdef uint8_t into[DATAGRAM_MAX]
    return into[:_icmp_echo_reply(into, sizeof(into), packet, len(packet))]


def icmp6_error(bytes packet not None, bytes source not None, uint8_t type, uint8_t code,
                uint16_t mtu=0, uint32_t room=ICMP6_ERROR_MAX) -> bytes:
    """The same of ICMPv6; `source` is 16 octets, `mtu` goes out with packet too big (type 2)."""
    cdef uint8_t into[ICMP6_ERROR_MAX]
    if len(source) != 16:
        raise ValueError(f"an IPv6 address has 16 octets, not {len(source)}")
    room = min(room, sizeof(into))
    return into[:_icmp6_error(into, room, packet, len(packet), source, type, code, mtu)]


def icmp6_echo_reply(bytes packet not None) -> bytes:
    """The answer to an ICMPv6 echo request, b"" if there must be none."""
    cdef uint8_t into[DATAGRAM_MAX]
    return into[:_icmp6_echo_reply(into, sizeof(into), packet, len(packet))]


def bucket(uint32_t rate, uint32_t burst, times: list[int]) -> list[bool]:
    """Whether a token bucket that starts full (`rate` tokens per second, `burst` at the most) has
    one at each of the times, in nanoseconds."""
    cdef bucket_t state
    bucket_init(&state, rate, burst)
    return [bool(bucket_take(&state, <uint64_t> now)) for now in times]
