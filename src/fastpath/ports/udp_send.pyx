"""Sends a burst: what goes to one destination and has one length leaves as a train.

Trains to several destinations grow side by side; they leave in the order in which they began, so
what goes to one destination stays in order. The kernel's offer to cut a train (UDP_SEGMENT) may not
hold on a path (IPsec, a device that computes no checksum): then its destination's slot is marked,
and datagrams of that slot go one by one from there on.

Nothing waits here, nor is tried again later: what finds no room is refused and counted, as in the
full ring of a card. To wait for the socket to become writable would make a worker that serves other
ports stand still for one full device.
"""

from fastpath.packet cimport packet_t
from fastpath.ports.udp_error cimport count_error, slot_of, take_errors
from fastpath.ports.udp_types cimport (
    AF_INET, AF_INET6, CMSG_DATA, CMSG_LEN, CMSG_SPACE, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP,
    IPV6_TCLASS, IP_TOS, MSG_DONTWAIT, SOCKET_ADDRESS4, SOCKET_ADDRESS6, SOCKET_PORT, UDP_BURST,
    UDP_JOINED, UDP_SEGMENT, UDP_TRAIN, UDP_TRAIN_OCTETS, cmsghdr, iovec, msghdr, sendmmsg, sendmsg,
    sockaddr_in6, train_t, udp_send_t, udp_t)
from fastpath.wire cimport (
    IP_MF, IP_OFFSET, IPV4_HEADER, IPV6_HEADER, PROTO_UDP, UDP_HEADER, load_be16)
from libc.errno cimport EAGAIN, EINTR, EINVAL, EIO, EMSGSIZE, ENOBUFS, ENOMEM, errno
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

cdef enum:
    _RETRIES = 4              # of a call that told of another datagram's fate
    _SOCKADDR4 = 16           # octets of a sockaddr_in


cdef void send_prepare(udp_t* u) noexcept nogil:
    cdef uint16_t family = AF_INET6 if u.six else AF_INET
    cdef msghdr* message
    cdef int i
    for i in range(UDP_BURST):
        memset(&u.tx.destination[i], 0, sizeof(sockaddr_in6))
        memcpy(&u.tx.destination[i], &family, sizeof(family))
        message = &u.tx.message_at[i].msg_hdr
        message.msg_name = &u.tx.destination[i]
        message.msg_namelen = sizeof(sockaddr_in6) if u.six else _SOCKADDR4


# Trains -------------------------------------------------------------------------------------------

cdef bint _read(udp_t* u, int i, const packet_t* p, uint8_t* to, uint8_t* tos) noexcept nogil:
    """Payload, destination and TOS of packet i. False: it is no whole datagram of our family."""
    cdef const uint8_t* ip = p.data
    cdef uint32_t header = IPV6_HEADER if u.six else IPV4_HEADER
    cdef uint32_t length
    if p.len < header + UDP_HEADER:
        return False
    if u.six:
        if ip[0] >> 4 != 6 or ip[6] != PROTO_UDP:
            return False
        tos[0] = <uint8_t>(ip[0] << 4 | ip[1] >> 4)
        memcpy(to + SOCKET_ADDRESS6, ip + 24, 16)
    else:
        header = (ip[0] & 15) * 4
        if (ip[0] >> 4 != 4 or header < IPV4_HEADER or p.len < header + UDP_HEADER
                or ip[9] != PROTO_UDP or load_be16(ip + 6) & (IP_MF | IP_OFFSET)):
            return False
        tos[0] = ip[1]
        memcpy(to + SOCKET_ADDRESS4, ip + 16, 4)
    ip += header
    length = load_be16(ip + 4)
    if length < UDP_HEADER or length > p.len - header:
        return False
    memcpy(to + SOCKET_PORT, ip + 2, 2)
    u.tx.payload[i].iov_base = <void*>(ip + UDP_HEADER)
    u.tx.payload[i].iov_len = length - UDP_HEADER
    return True


cdef bint _joins(const udp_t* u, const train_t* train, const uint8_t* theirs, const uint8_t* to,
                 uint8_t tos, uint32_t octets) noexcept nogil:
    """Whether a datagram to `to` can be the next one of a train to `theirs`."""
    if (octets > train.segment or octets == 0 or train.ended or train.tos != tos
            or train.count == UDP_TRAIN or train.octets + octets > UDP_TRAIN_OCTETS):
        return False
    if memcmp(theirs + SOCKET_PORT, to + SOCKET_PORT, 2) != 0:
        return False
    if u.six:
        return memcmp(theirs + SOCKET_ADDRESS6, to + SOCKET_ADDRESS6, 16) == 0
    return memcmp(theirs + SOCKET_ADDRESS4, to + SOCKET_ADDRESS4, 4) == 0


cdef void _couple(udp_t* u, int i, const sockaddr_in6* to, uint8_t tos) noexcept nogil:
    """Puts packet i into the train of its destination, or begins one."""
    cdef udp_send_t* tx = &u.tx
    cdef const uint8_t* octets_to = <const uint8_t*>to
    cdef uint16_t port
    cdef uint32_t slot
    cdef uint32_t octets = <uint32_t>tx.payload[i].iov_len
    cdef train_t* train
    cdef int at
    memcpy(&port, octets_to + SOCKET_PORT, 2)
    slot = slot_of(octets_to + (SOCKET_ADDRESS6 if u.six else SOCKET_ADDRESS4), u.six, port)
    at = tx.open[slot]
    if at < 0 or not _joins(u, &tx.train[at], <const uint8_t*>&tx.destination[at], octets_to, tos,
                            octets):
        at = tx.trains
        tx.trains += 1
        train = &tx.train[at]
        train.segment = octets
        train.octets = train.count = 0
        train.tos = tos
        train.slot = <uint8_t>slot
        train.ended = tx.singly >> slot & 1
        memcpy(&tx.destination[at], to, sizeof(sockaddr_in6) if u.six else _SOCKADDR4)
        tx.open[slot] = at
    train = &tx.train[at]
    train.count += 1
    train.octets += octets
    train.ended |= octets != train.segment
    tx.belongs[i] = at


cdef void _form(udp_t* u, packet_t** packets, int n) noexcept nogil:
    """Makes trains of a burst."""
    cdef udp_send_t* tx = &u.tx
    cdef uint16_t family = AF_INET6 if u.six else AF_INET
    cdef sockaddr_in6 to
    cdef uint16_t first = 0
    cdef uint16_t filled[UDP_BURST]
    cdef uint8_t tos = 0
    cdef int i, at
    memset(&to, 0, sizeof(to))
    memcpy(&to, &family, sizeof(family))
    memset(tx.open, 0xFF, sizeof(tx.open))
    tx.trains = 0
    tx.used = 0
    for i in range(n):
        if _read(u, i, packets[i], <uint8_t*>&to, &tos):
            _couple(u, i, &to, tos)
        else:
            tx.belongs[i] = -1
            u.counts.not_datagrams += 1
    for at in range(tx.trains):
        filled[at] = tx.train[at].first = first
        first += tx.train[at].count
    for i in range(n):
        at = tx.belongs[i]
        if at >= 0:
            tx.octets[filled[at]] = tx.payload[i]
            tx.number[filled[at]] = i
            filled[at] += 1
    for at in range(tx.trains):
        _address(u, at)


cdef cmsghdr* _control(msghdr* message, int level, int kind, size_t octets) noexcept nogil:
    """One more control message behind those that are there."""
    cdef cmsghdr* c = <cmsghdr*>(<uint8_t*>message.msg_control + message.msg_controllen)
    c.cmsg_level = level
    c.cmsg_type = kind
    c.cmsg_len = CMSG_LEN(octets)
    message.msg_controllen += CMSG_SPACE(octets)
    return c


cdef void _join(udp_t* u, int at) noexcept nogil:
    """Puts the datagrams of a train together: a copy in the cache costs less than what the kernel
    does for each piece it gathers."""
    cdef const train_t* train = &u.tx.train[at]
    cdef uint8_t* to = u.tx.store + u.tx.used
    cdef const iovec* piece
    cdef int i
    u.tx.joined[at].iov_base = to
    u.tx.joined[at].iov_len = train.octets
    u.tx.used += train.octets
    for i in range(train.first, train.first + train.count):
        piece = &u.tx.octets[i]
        memcpy(to, piece.iov_base, piece.iov_len)
        to += piece.iov_len
    u.tx.message_at[at].msg_hdr.msg_iov = &u.tx.joined[at]
    u.tx.message_at[at].msg_hdr.msg_iovlen = 1


cdef void _address(udp_t* u, int at) noexcept nogil:
    """The message of a train."""
    cdef const train_t* train = &u.tx.train[at]
    cdef msghdr* message = &u.tx.message_at[at].msg_hdr
    cdef uint16_t segment = <uint16_t>train.segment
    cdef int tos = train.tos
    message.msg_iov = &u.tx.octets[train.first]
    message.msg_iovlen = train.count
    if train.count > 1 and train.segment <= UDP_JOINED:
        _join(u, at)
    message.msg_control = &u.tx.control[at][0]
    message.msg_controllen = 0
    if train.count > 1:
        memcpy(CMSG_DATA(_control(message, IPPROTO_UDP, UDP_SEGMENT, sizeof(segment))), &segment,
               sizeof(segment))
    if tos:
        memcpy(CMSG_DATA(_control(message, IPPROTO_IPV6 if u.six else IPPROTO_IP,
                                  IPV6_TCLASS if u.six else IP_TOS, sizeof(tos))),
               &tos, sizeof(tos))


# To the kernel ------------------------------------------------------------------------------------

cdef bint _is_full(int error) noexcept nogil:
    return error == EAGAIN or error == ENOBUFS or error == ENOMEM


cdef int _send_one(udp_t* u, int at, int i) noexcept nogil:
    """Sends datagram i of a train by itself. 0, or an errno, which is counted unless there was no
    room."""
    cdef msghdr message = u.tx.message_at[at].msg_hdr
    cdef uint8_t* control = <uint8_t*>message.msg_control
    cdef size_t cut = CMSG_SPACE(sizeof(uint16_t))
    cdef int tries = 0
    cdef int error
    message.msg_iov = &u.tx.octets[u.tx.train[at].first + i]
    message.msg_iovlen = 1
    # The length of a train's datagrams comes first (_address).
    message.msg_control = control + cut
    message.msg_controllen -= cut
    while sendmsg(u.fd, &message, MSG_DONTWAIT) < 0:
        error = errno
        if _is_full(error):
            return error
        if tries < _RETRIES and (error == EINTR or take_errors(u)):
            tries += 1
            continue
        count_error(u, error, 1)
        return error
    u.counts.tx_packets += 1
    u.counts.tx_messages += 1
    u.counts.tx_batches += 1
    return 0


cdef int _send_singly(udp_t* u, int at, int error) noexcept nogil:
    """Sends a train that the kernel refused as it was, datagram by datagram. How many are done
    with; the rest found no room."""
    cdef const train_t* train = &u.tx.train[at]
    cdef int outcome = _send_one(u, at, 0)
    cdef int i = 1
    if _is_full(outcome):
        return 0
    if outcome == EMSGSIZE:
        # So are the others of its length: one may be shorter.
        i = train.count - (train.octets != train.count * train.segment)
        count_error(u, EMSGSIZE, i - 1)
    elif outcome == 0 and error != EMSGSIZE:
        u.counts.trains_refused += 1
        u.tx.singly |= <uint64_t>1 << train.slot
    while i < train.count:
        if _is_full(_send_one(u, at, i)):
            return i
        i += 1
    return i


cdef int _send(udp_t* u, int* part) noexcept nogil:
    """Sends the trains. How many are done with, and how many datagrams of the next one; the rest
    found no room."""
    cdef udp_send_t* tx = &u.tx
    cdef int at = 0
    cdef int tries = 0
    cdef int i, sent, error
    part[0] = 0
    while at < tx.trains:
        sent = sendmmsg(u.fd, tx.message_at + at, tx.trains - at, MSG_DONTWAIT)
        if sent > 0:
            for i in range(at, at + sent):
                u.counts.tx_packets += tx.train[i].count
            u.counts.tx_messages += sent
            u.counts.tx_batches += 1
            at += sent
            tries = 0
            if at < tx.trains:
                # What ended it may have been the fate of a datagram sent before, which the socket
                # has forgotten now, but its queue has not.
                take_errors(u)
            continue
        error = errno
        if _is_full(error):
            break
        if tries < _RETRIES and (error == EINTR or take_errors(u)):
            # A signal, or the fate of a datagram sent before: this one was not tried.
            tries += 1
            continue
        tries = 0
        if tx.train[at].count > 1 and (error == EINVAL or error == EIO or error == EMSGSIZE):
            part[0] = _send_singly(u, at, error)
            if part[0] < tx.train[at].count:
                break
            part[0] = 0
        else:
            count_error(u, error, tx.train[at].count)
        at += 1
    return at


cdef int _refuse(udp_t* u, packet_t** packets, int n, int at, int part) noexcept nogil:
    """Puts the packets that were taken before those that were not: trains from `at` on, but for
    `part` datagrams of the first. How many were taken."""
    cdef udp_send_t* tx = &u.tx
    cdef packet_t* refused[UDP_BURST]
    cdef int first = tx.train[at].first + part
    cdef int last = tx.train[tx.trains - 1].first + tx.train[tx.trains - 1].count
    cdef int kept = 0
    cdef int i
    for i in range(first, last):
        refused[i - first] = packets[tx.number[i]]
        packets[tx.number[i]] = NULL
    for i in range(n):
        if packets[i] != NULL:
            packets[kept] = packets[i]
            kept += 1
    memcpy(packets + kept, refused, (last - first) * sizeof(packet_t*))
    return kept


cdef int tx_burst(void* state, packet_t** packets, int n) noexcept nogil:
    cdef udp_t* u = <udp_t*>state
    cdef int done = 0
    cdef int at, part, count, taken
    if u.fd < 0:
        return 0
    while done < n:
        count = min(n - done, <int>UDP_BURST)
        _form(u, packets + done, count)
        at = _send(u, &part)
        if at < u.tx.trains:
            taken = _refuse(u, packets + done, count, at, part)
            u.counts.no_buffers += count - taken
            return done + taken
        done += count
    return n
