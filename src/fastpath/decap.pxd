# Decapsulation of one packet that is for a tunnel address of ours: what it is, whose it is, and
# where its inner packet begins (RFC 2661 3.1, 8.1). Nothing is written to the packet's octets.

from fastpath.packet cimport PKT_DECAPPED, PKT_SOCKET, PKT_TRUSTED, packet_t
from fastpath.parse cimport l2tp_t, parse_l2tp, parse_ppp, parse_udp, udp_t, verify_udp
from fastpath.session cimport session_entry_t, session_key, session_map_t, session_find
from fastpath.types cimport INET, SESSION_INVALID
from fastpath.verdict cimport (
    REASON_FRAGMENT_TO_US, REASON_L2TP_NESTED, REASON_NONE, REASON_PEER_MISMATCH,
    REASON_UNKNOWN_SESSION)
from fastpath.wire cimport (
    IP_MF, IP_OFFSET, IPV4_HEADER, L2TP_HEADER_MIN, L2TP_L, L2TP_PORT, PPP_IPV4, PROTO_UDP,
    UDP_HEADER, load_be16, load_be32)
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum Decapped:
    DECAP_DROP = 0            # p.reason says why
    DECAP_NOT_L2TP            # for us, but not to the L2TP port
    DECAP_CONTROL             # `datagram` is a control message
    DECAP_PPP                 # `ppp` is a PPP frame other than IPv4, of p.session
    DECAP_INNER               # p is the inner IPv4 packet now, of p.session

cdef struct decap_t:
    udp_t udp
    l2tp_t l2tp
    uint8_t* datagram         # UDP payload
    uint8_t* ppp
    uint32_t ppp_len


cdef inline int _refuse(packet_t* p, uint8_t reason) noexcept nogil:
    p.reason = reason
    return DECAP_DROP


# The key that the session of a data message has if the header is what most are. Only to ask ahead:
# nothing is checked.
cdef inline uint64_t decap_ahead(const packet_t* p) noexcept nogil:
    cdef const uint8_t* ip = p.data + p.l3
    cdef const uint8_t* ids = ip + IPV4_HEADER + UDP_HEADER + 2
    if p.len < p.l3 + <uint32_t> (IPV4_HEADER + UDP_HEADER + L2TP_HEADER_MIN + 2):
        return 0
    if load_be16(ids - 2) & L2TP_L:
        ids += 2
    return session_key(load_be32(ip + 16), load_be16(ids), load_be16(ids + 2))


cdef inline int decap(packet_t* p, const session_map_t* sessions, uint64_t version,
                      decap_t* d) noexcept nogil:
    """Takes a packet that passed parse_ip, with the sessions of a version. p.session is
    SESSION_INVALID on entry if it is not known."""
    cdef uint8_t* ip = p.data + p.l3
    cdef uint16_t fragment = load_be16(ip + 6) & (IP_MF | IP_OFFSET)
    cdef session_entry_t* entry
    cdef int reason
    cdef uint16_t protocol = 0
    cdef uint32_t header = 0
    cdef uint32_t at
    if p.proto != PROTO_UDP:
        return DECAP_NOT_L2TP
    if fragment:
        return _refuse(p, REASON_FRAGMENT_TO_US)
    reason = parse_udp(p, &d.udp)
    if reason != REASON_NONE:
        return _refuse(p, reason)
    if d.udp.destination != L2TP_PORT:
        return DECAP_NOT_L2TP
    if p.flags & PKT_DECAPPED:
        return _refuse(p, REASON_L2TP_NESTED)
    if not p.flags & PKT_TRUSTED:
        reason = verify_udp(p, &d.udp)
        if reason != REASON_NONE:
            return _refuse(p, reason)
    d.datagram = p.data + d.udp.payload
    reason = parse_l2tp(d.datagram, d.udp.payload_len, &d.l2tp)
    if reason != REASON_NONE:
        return _refuse(p, reason)
    if d.l2tp.control:
        return DECAP_CONTROL
    p.session = session_find(sessions, session_key(load_be32(ip + 16), d.l2tp.tunnel,
                                                   d.l2tp.session), version)
    if p.session == SESSION_INVALID:
        return _refuse(p, REASON_UNKNOWN_SESSION)
    entry = &sessions.at[p.session]
    if entry.peer != load_be32(ip + 12) or entry.peer_port != d.udp.source:
        p.session = SESSION_INVALID
        return _refuse(p, REASON_PEER_MISMATCH)
    d.ppp = d.datagram + d.l2tp.payload
    d.ppp_len = d.l2tp.payload_len
    reason = parse_ppp(d.ppp, d.ppp_len, &protocol, &header)
    if reason != REASON_NONE:
        return _refuse(p, reason)
    if protocol != PPP_IPV4:
        return DECAP_PPP
    at = <uint32_t>(d.ppp - p.data) + header
    p.data += at
    p.len = d.ppp_len - header
    p.headroom = <uint16_t>(p.headroom + at if p.headroom + at < 0xFFFF else 0xFFFF)
    p.l3 = 0
    p.table = entry.table
    # What was verified is the outer header: of the inner one nobody knows.
    p.flags = (p.flags & ~<uint8_t>(PKT_TRUSTED | PKT_SOCKET)) | PKT_DECAPPED
    return DECAP_INNER
