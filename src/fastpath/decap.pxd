# Decapsulation of one packet that is for a tunnel address of ours: what it is, whose it is, and
# where its inner packet begins (RFC 2661 3.1, 8.1). Nothing is written to the packet's octets.

from fastpath.ip6 cimport IP6_DESTINATION, IP6_SOURCE, find_upper, is_of_link, upper_t
from fastpath.packet cimport PKT_DECAPPED, PKT_SOCKET, PKT_TRUSTED, packet_t
from fastpath.parse cimport l2tp_t, parse_l2tp, parse_ppp, parse_udp, udp_t, verify_udp
from fastpath.session cimport (
    session_entry_t, session_find, session_key, session_local6, session_map_t)
from fastpath.types cimport INET, INET6, SESSION_INVALID
from fastpath.verdict cimport (
    REASON_FRAGMENT_TO_US, REASON_L2TP_NESTED, REASON_NONE, REASON_PEER_MISMATCH,
    REASON_UDP_CHECKSUM, REASON_UNKNOWN_SESSION)
from fastpath.wire cimport (
    IP_MF, IP_OFFSET, IPV4_HEADER, IPV6_HEADER, L2TP_HEADER_MIN, L2TP_L, L2TP_PORT, PPP_IPV4,
    PPP_IPV6, PROTO_UDP, UDP_HEADER, load_be16, load_be32)
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp

cdef enum Decapped:
    DECAP_DROP = 0            # p.reason says why
    DECAP_NOT_L2TP            # for us, but not to the L2TP port
    DECAP_CONTROL             # `datagram` is a control message
    DECAP_PPP                 # `ppp` is a PPP frame for control, of p.session
    DECAP_INNER               # p is the inner packet now, of p.session and with its family

cdef struct decap_t:
    udp_t udp
    l2tp_t l2tp
    uint8_t* datagram         # UDP payload
    uint8_t* ppp
    uint32_t ppp_len


cdef inline int _refuse(packet_t* p, uint8_t reason) noexcept nogil:
    p.reason = reason
    return DECAP_DROP


# Our address, as the key of a session has it.
cdef inline uint32_t _local(const packet_t* p, const uint8_t* ip) noexcept nogil:
    return load_be32(ip + 16) if p.family == INET else session_local6(ip + IP6_DESTINATION)


cdef inline bint _is_fragment(const packet_t* p, const uint8_t* ip) noexcept nogil:
    cdef upper_t upper
    if p.family == INET:
        return load_be16(ip + 6) & (IP_MF | IP_OFFSET) != 0
    if ip[6] == PROTO_UDP:
        return False
    find_upper(ip, p.len - p.l3, &upper)
    return upper.fragment or upper.headless


# An IPv6 message without a checksum. Of a socket's the kernel has judged that.
cdef inline bint _is_unsummed(const packet_t* p, const udp_t* udp) noexcept nogil:
    return p.family == INET6 and udp.checksum == 0 and not p.flags & PKT_SOCKET


# Finds the session of a data message and holds it against who sent it.
cdef inline int _find_session(packet_t* p, const uint8_t* ip, const session_map_t* sessions,
                              uint64_t version, const decap_t* d) noexcept nogil:
    cdef uint64_t key = session_key(_local(p, ip), d.l2tp.tunnel, d.l2tp.session)
    cdef const session_entry_t* entry
    cdef const uint8_t* local6 = NULL
    cdef bint ours
    if p.family != INET:
        local6 = ip + IP6_DESTINATION
    p.session = session_find(sessions, key, local6, version)
    if p.session == SESSION_INVALID:
        return REASON_UNKNOWN_SESSION
    entry = &sessions.at[p.session]
    if p.family == INET:
        ours = entry.peer == load_be32(ip + 12)
    else:
        ours = memcmp(sessions.ends[p.session].peer, ip + IP6_SOURCE, 16) == 0
    if not ours or entry.peer_port != d.udp.source:
        p.session = SESSION_INVALID
        return REASON_PEER_MISMATCH
    # Over IPv6 the checksum alone tells that a message is for us (RFC 8200 8.1): only a session
    # that is set up to go without may leave it out (RFC 6935 5).
    if _is_unsummed(p, &d.udp) and not entry.unsummed:
        p.session = SESSION_INVALID
        return REASON_UDP_CHECKSUM
    return REASON_NONE


# The key that the session of a data message has if the header is what most are. Only to ask ahead:
# nothing is checked.
cdef inline uint64_t decap_ahead(const packet_t* p) noexcept nogil:
    cdef const uint8_t* ip = p.data + p.l3
    cdef uint32_t header = IPV4_HEADER if p.family == INET else IPV6_HEADER
    cdef const uint8_t* ids = ip + header + UDP_HEADER + 2
    if p.len < p.l3 + header + <uint32_t> (UDP_HEADER + L2TP_HEADER_MIN + 2):
        return 0
    if load_be16(ids - 2) & L2TP_L:
        ids += 2
    return session_key(_local(p, ip), load_be16(ids), load_be16(ids + 2))


cdef inline int decap(packet_t* p, const session_map_t* sessions, uint64_t version,
                      decap_t* d) noexcept nogil:
    """Takes a packet that passed parse_ip, with the sessions of a version. p.session is
    SESSION_INVALID on entry if it is not known."""
    cdef uint8_t* ip = p.data + p.l3
    cdef int reason
    cdef uint16_t protocol = 0
    cdef uint32_t header = 0
    cdef uint32_t at
    if p.proto != PROTO_UDP:
        return DECAP_NOT_L2TP
    if _is_fragment(p, ip):
        return _refuse(p, REASON_FRAGMENT_TO_US)
    reason = parse_udp(p, &d.udp)
    if reason != REASON_NONE:
        return _refuse(p, reason)
    if d.udp.destination != L2TP_PORT:
        return DECAP_NOT_L2TP
    if p.flags & PKT_DECAPPED:
        return _refuse(p, REASON_L2TP_NESTED)
    # Whether an IPv6 message may have none is seen when its session is known.
    if not (p.flags & PKT_TRUSTED or _is_unsummed(p, &d.udp)):
        reason = verify_udp(p, &d.udp)
        if reason != REASON_NONE:
            return _refuse(p, reason)
    d.datagram = p.data + d.udp.payload
    reason = parse_l2tp(d.datagram, d.udp.payload_len, &d.l2tp)
    if reason != REASON_NONE:
        return _refuse(p, reason)
    if d.l2tp.control:
        if _is_unsummed(p, &d.udp):
            return _refuse(p, REASON_UDP_CHECKSUM)
        return DECAP_CONTROL
    reason = _find_session(p, ip, sessions, version, d)
    if reason != REASON_NONE:
        return _refuse(p, reason)
    d.ppp = d.datagram + d.l2tp.payload
    d.ppp_len = d.l2tp.payload_len
    reason = parse_ppp(d.ppp, d.ppp_len, &protocol, &header)
    if reason != REASON_NONE:
        return _refuse(p, reason)
    if protocol == PPP_IPV6:
        # Neighbours of a link talk about it; what is from farther away is forwarded.
        if is_of_link(d.ppp + header, d.ppp_len - header):
            return DECAP_PPP
    elif protocol != PPP_IPV4:
        return DECAP_PPP
    p.family = INET if protocol == PPP_IPV4 else INET6
    at = <uint32_t>(d.ppp - p.data) + header
    p.data += at
    p.len = d.ppp_len - header
    p.headroom = <uint16_t>(p.headroom + at if p.headroom + at < 0xFFFF else 0xFFFF)
    p.l3 = 0
    p.table = sessions.at[p.session].table
    # What was verified is the outer header: of the inner one nobody knows.
    p.flags = (p.flags & ~<uint8_t>(PKT_TRUSTED | PKT_SOCKET)) | PKT_DECAPPED
    return DECAP_INNER
