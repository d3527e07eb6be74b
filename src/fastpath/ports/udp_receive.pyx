"""Receives datagrams and trains, and takes the trains apart.

A packet needs its outer header and HEADROOM in front of it, and behind its datagram the next one
begins. So of a train every other datagram is copied, and those between stay where the kernel put
them: what is written in front of one that stays falls on the old place of one that was copied.
Only where datagrams are shorter than what goes in front of them all but the first are copied: they
are a line or two each.

No more messages are asked for at one time than fill a burst, as far as the last ones tell: their
datagrams are used while they are in the cache, where as many full trains would not fit.
"""

from fastpath.checksum cimport ipv4_header_seal
from fastpath.packet cimport LINK_IPV4, LINK_IPV6, PKT_SOCKET, PKT_TRUSTED, packet_t
from fastpath.ports.udp_error cimport count_error, take_errors
from fastpath.ports.udp_types cimport (
    CLOCK_MONOTONIC, CMSG_DATA, CMSG_FIRSTHDR, IPPROTO_UDP, MSG_CTRUNC, MSG_DONTWAIT, MSG_TRUNC,
    RECEIVE_CONTROL, SOCKET_ADDRESS4, SOCKET_ADDRESS6, SOCKET_PORT, UDP_ARENA, UDP_FRONT, UDP_GRO,
    UDP_MESSAGES, UDP_SLOT, UDP_WAITING, clock_gettime, cmsghdr, datagram_t, mmsghdr, msghdr,
    recvmmsg, sockaddr_in6, timespec, udp_receive_t, udp_t)
from fastpath.types cimport HEADROOM
from fastpath.wire cimport (
    IP_DF, IPV4_HEADER, IPV6_HEADER, L2TP_PORT, PROTO_UDP, UDP_HEADER, store_be16)
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t, UINT64_MAX
from libc.string cimport memcpy, memset

cdef enum:
    _RETRIES = 4              # of a call that told of another datagram's fate
    _BEFORE = HEADROOM + UDP_FRONT
    _LINE = 64
    _LEAST = 4                # messages asked for at the least


cdef void receive_prepare(udp_t* u, const uint8_t* address) noexcept nogil:
    cdef udp_receive_t* rx = &u.rx
    cdef uint8_t* front = rx.front + UDP_FRONT - u.header
    cdef int i
    rx.wanted = UDP_MESSAGES
    if u.six:
        front[0] = 0x60
        front[6] = PROTO_UDP
        front[7] = 64
        memcpy(front + 24, address, 16)
    else:
        front[0] = 0x45
        store_be16(front + 6, IP_DF)
        front[8] = 64
        front[9] = PROTO_UDP
        memcpy(front + 16, address, 4)
    store_be16(rx.front + UDP_FRONT - 6, L2TP_PORT)
    for i in range(UDP_MESSAGES):
        rx.octets[i].iov_base = rx.slots + <size_t>i * UDP_SLOT + _BEFORE
        rx.octets[i].iov_len = UDP_SLOT - _BEFORE
        rx.message_at[i].msg_hdr.msg_name = &rx.source[i]
        rx.message_at[i].msg_hdr.msg_iov = &rx.octets[i]
        rx.message_at[i].msg_hdr.msg_iovlen = 1
        rx.message_at[i].msg_hdr.msg_control = &rx.control[i][0]


# From the kernel ----------------------------------------------------------------------------------

cdef uint64_t _now(const udp_t* u) noexcept nogil:
    cdef timespec at
    clock_gettime(CLOCK_MONOTONIC, &at)
    return <uint64_t>at.tv_sec * 1000000000 + <uint64_t>at.tv_nsec - u.base_ns


cdef uint32_t _segment(msghdr* message, uint32_t octets) noexcept nogil:
    """Octets of the datagrams of a message but the last; all of it if it is one datagram."""
    cdef const cmsghdr* c = CMSG_FIRSTHDR(message)
    cdef int told = 0
    if c != NULL and c.cmsg_level == IPPROTO_UDP and c.cmsg_type == UDP_GRO:
        memcpy(&told, CMSG_DATA(<cmsghdr*>c), sizeof(told))
    return <uint32_t>told if 0 < told < <int>octets else octets


cdef int _ask(udp_t* u) noexcept nogil:
    """Messages from the kernel, how many."""
    cdef udp_receive_t* rx = &u.rx
    cdef int tries = 0
    cdef int i, n, error
    for i in range(rx.wanted):
        rx.message_at[i].msg_hdr.msg_namelen = sizeof(sockaddr_in6)
        rx.message_at[i].msg_hdr.msg_controllen = RECEIVE_CONTROL * sizeof(uint64_t)
    while True:
        n = recvmmsg(u.fd, rx.message_at, rx.wanted, MSG_DONTWAIT, NULL)
        if n > 0:
            break
        error = errno
        if error == EAGAIN or tries == _RETRIES:
            return 0
        tries += 1
        # It tells of a datagram sent before, not of the one that is received.
        if error != EINTR and take_errors(u) == 0:
            count_error(u, error, 1)
    u.counts.rx_messages += n
    u.counts.rx_batches += 1
    rx.ts = _now(u)
    return n


cdef int _fill(udp_t* u) noexcept nogil:
    """How many datagrams wait, after asking the kernel once if none do."""
    cdef udp_receive_t* rx = &u.rx
    if rx.head < rx.count or u.fd < 0:
        return rx.count - rx.head
    rx.head = rx.count = 0
    rx.used = 0
    if rx.message < rx.messages:
        _take_apart(u)
        return rx.count
    rx.message = rx.offset = 0
    rx.messages = _ask(u)
    if rx.messages:
        _take_apart(u)
        rx.wanted = min(<int>UDP_MESSAGES, max(<int>_LEAST, UDP_WAITING * rx.message
                                               // max(rx.count, 1)))
    return rx.count


# Trains -------------------------------------------------------------------------------------------

cdef void _set_length(const udp_t* u, uint8_t* ip, uint32_t octets) noexcept nogil:
    """Makes an outer header that of so many octets of payload."""
    cdef uint16_t length = <uint16_t>(octets + UDP_HEADER)
    if u.six:
        store_be16(ip + 4, length)
    else:
        store_be16(ip + 2, <uint16_t>(length + IPV4_HEADER))
        ipv4_header_seal(ip, IPV4_HEADER)
    store_be16(ip + u.header - 4, length)


cdef bint _begin(udp_t* u) noexcept nogil:
    """The header and length of the datagrams of the message that comes next. False: it is not
    whole."""
    cdef udp_receive_t* rx = &u.rx
    cdef mmsghdr* message = &rx.message_at[rx.message]
    cdef const uint8_t* source = <const uint8_t*>&rx.source[rx.message]
    cdef uint8_t* ip = rx.outer + UDP_FRONT - u.header
    if message.msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC):
        u.counts.rx_truncated += 1
        return False
    rx.segment = _segment(&message.msg_hdr, message.msg_len)
    memcpy(rx.outer, rx.front, UDP_FRONT)
    if u.six:
        memcpy(ip + 8, source + SOCKET_ADDRESS6, 16)
    else:
        memcpy(ip + 12, source + SOCKET_ADDRESS4, 4)
    memcpy(ip + u.header - UDP_HEADER, source + SOCKET_PORT, 2)
    _set_length(u, ip, rx.segment)
    return True


cdef void _take_apart(udp_t* u) noexcept nogil:
    """Describes datagrams of the messages that are there, as many as there is room for."""
    cdef udp_receive_t* rx = &u.rx
    while rx.message < rx.messages:
        if rx.offset == 0 and not _begin(u):
            rx.message += 1
            continue
        if not _datagrams(u):
            break
        rx.message += 1
        rx.offset = 0
    u.counts.rx_packets += rx.count


cdef bint _datagrams(udp_t* u) noexcept nogil:
    """Describes those of one message from `offset` on. False: there was no room for all."""
    cdef udp_receive_t* rx = &u.rx
    cdef uint32_t total = rx.message_at[rx.message].msg_len
    cdef uint32_t segment = rx.segment
    # Odd numbers of lines: the beginnings of copies use all cache sets.
    cdef uint32_t room = ((_BEFORE + segment + _LINE - 1) & ~<uint32_t>(_LINE - 1)) | _LINE
    cdef uint8_t* payload = rx.slots + <size_t>rx.message * UDP_SLOT + _BEFORE + rx.offset
    cdef bint some_stay = segment >= _BEFORE
    cdef bint stays = rx.offset == 0 or (some_stay and rx.offset // segment % 2 == 0)
    cdef datagram_t* d
    cdef uint8_t* at
    cdef uint32_t octets
    while True:
        if rx.count == UDP_WAITING or rx.used + room > UDP_ARENA:
            return False
        octets = min(segment, total - rx.offset)
        at = payload
        if not stays:
            at = rx.arena + rx.used + _BEFORE
            memcpy(at, payload, octets)
            rx.used += room
        memcpy(at - UDP_FRONT, rx.outer, UDP_FRONT)
        at -= u.header
        if octets != segment:
            _set_length(u, at, octets)
        d = &rx.waiting[rx.count]
        d.at = at
        d.len = octets + u.header
        rx.count += 1
        rx.offset += octets
        payload += octets
        if rx.offset >= total:
            return True
        stays = some_stay and not stays


# To the engine ------------------------------------------------------------------------------------

cdef int rx_burst(void* state, packet_t* packets, int max, uint64_t until_ns) noexcept nogil:
    cdef udp_t* u = <udp_t*>state
    cdef int n = min(max, _fill(u))
    cdef const datagram_t* d = &u.rx.waiting[u.rx.head]
    cdef packet_t* p
    cdef int i
    if n == 0 or u.rx.ts > until_ns:
        return 0
    for i in range(n):
        p = &packets[i]
        p.data = p.frame = d[i].at
        p.ts = u.rx.ts
        p.len = p.frame_len = p.wire_len = d[i].len
        p.headroom = HEADROOM
        p.link = LINK_IPV6 if u.six else LINK_IPV4
        p.flags = PKT_TRUSTED | PKT_SOCKET
    return n


cdef void rx_consume(void* state, int n) noexcept nogil:
    cdef udp_receive_t* rx = &(<udp_t*>state).rx
    rx.head = min(rx.head + n, rx.count)


cdef uint64_t next_ns(void* state) noexcept nogil:
    cdef udp_t* u = <udp_t*>state
    return u.rx.ts if _fill(u) else UINT64_MAX
