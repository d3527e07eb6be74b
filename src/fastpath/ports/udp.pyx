"""A plain UDP socket of the kernel as the tunnel side: no privilege, any network card.

What arrives is given the outer header that the kernel took off (addresses and the source port as
they were, destination port 1701, checksum verified), so that the engine sees a packet as from a
card. Of what leaves, destination, port and TOS are read and the header is taken off; the kernel
puts its own on, with our port, Don't Fragment and a checksum. Nothing here waits: what finds no
room in a buffer is refused and counted. It does not put fragments together; the kernel does.
"""

cimport cython
from fastpath.checksum cimport ipv4_header_seal
from fastpath.packet cimport LINK_IPV4, LINK_IPV6, PKT_SOCKET, PKT_TRUSTED, packet_t
from fastpath.types cimport HEADROOM
from fastpath.wire cimport (
    IP_DF, IP_MF, IP_OFFSET, IPV4_HEADER, IPV6_HEADER, L2TP_PORT, PROTO_UDP, UDP_HEADER,
    load_be16, store_be16)
from libc.errno cimport (
    EAGAIN, ECONNREFUSED, EHOSTUNREACH, EINTR, EMSGSIZE, ENETUNREACH, ENOBUFS, ENOMEM, errno)
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t, UINT64_MAX
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

import ipaddress
import socket

from fastpath.ports.host_port import host_and_port

cdef extern from "<stdlib.h>" nogil:
    void* aligned_alloc(size_t alignment, size_t size)

cdef enum:
    _LINE = 64
    # Offsets of port and address in sockaddr_in and sockaddr_in6 (RFC 3493 3.3).
    _SOCKET_PORT = 2
    _SOCKET_ADDRESS4 = 4
    _SOCKET_ADDRESS6 = 8
    _RETRIES = 4              # of a call that told of another datagram's fate
    _ERRORS = 256             # of the kernel's queue of errors, taken at one time
    _RECEIVE_BUFFER = 4 << 20
    _SO_RCVBUFFORCE = 33
    _SO_SNDBUFFORCE = 32


cdef void _count_error(udp_t* u, int error) noexcept nogil:
    if error == ECONNREFUSED:
        u.counts.refused += 1
    elif error == EMSGSIZE:
        u.counts.too_big += 1
    elif error == EAGAIN or error == ENOBUFS or error == ENOMEM:
        u.counts.no_buffers += 1
    elif error == EHOSTUNREACH or error == ENETUNREACH:
        u.counts.unreachable += 1
    else:
        u.counts.other_errors += 1


cdef int _take_errors(udp_t* u) noexcept nogil:
    """Counts and empties the kernel's queue of errors about datagrams sent before (ip(7)
    IP_RECVERR); else the socket stays readable for ever. How many there were, without those that
    the sender was told at once."""
    cdef uint64_t control[64]
    cdef msghdr message
    cdef cmsghdr* c
    cdef sock_extended_err* error
    cdef int seen = 0
    cdef int taken = 0
    while seen < _ERRORS:
        memset(&message, 0, sizeof(message))
        message.msg_control = control
        message.msg_controllen = sizeof(control)
        if recvmsg(u.fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0:
            break
        seen += 1
        c = CMSG_FIRSTHDR(&message)
        while c != NULL:
            error = <sock_extended_err*>CMSG_DATA(c)
            if (((c.cmsg_level == IPPROTO_IP and c.cmsg_type == IP_RECVERR)
                    or (c.cmsg_level == IPPROTO_IPV6 and c.cmsg_type == IPV6_RECVERR))
                    and error.ee_origin != SO_EE_ORIGIN_LOCAL):
                _count_error(u, <int>error.ee_errno)
                taken += 1
            c = CMSG_NXTHDR(&message, c)
    return taken


# Receiving ----------------------------------------------------------------------------------------

cdef uint64_t _now(const udp_t* u) noexcept nogil:
    cdef timespec at
    clock_gettime(CLOCK_MONOTONIC, &at)
    return <uint64_t>at.tv_sec * 1000000000 + <uint64_t>at.tv_nsec - u.base_ns


cdef void _write_header(udp_t* u, int i) noexcept nogil:
    """The outer header of datagram i, in front of it."""
    cdef uint8_t* ip = u.slots + <size_t>i * UDP_SLOT + HEADROOM
    cdef const uint8_t* source = <const uint8_t*>&u.rx_from[i]
    cdef uint32_t length = u.rx[i].msg_len + UDP_HEADER
    memcpy(ip, u.front, u.header)
    if u.six:
        store_be16(ip + 4, <uint16_t>length)
        memcpy(ip + 8, source + _SOCKET_ADDRESS6, 16)
    else:
        store_be16(ip + 2, <uint16_t>(length + IPV4_HEADER))
        memcpy(ip + 12, source + _SOCKET_ADDRESS4, 4)
        ipv4_header_seal(ip, IPV4_HEADER)
    ip += u.header - UDP_HEADER
    memcpy(ip, source + _SOCKET_PORT, 2)
    store_be16(ip + 4, <uint16_t>length)


cdef int _fill(udp_t* u) noexcept nogil:
    """Asks the kernel if nothing waits here. How many datagrams wait."""
    cdef int i, n
    cdef int tries = 0
    if u.head < u.count or u.fd < 0:
        return u.count - u.head
    u.head = u.count = 0
    for i in range(UDP_BATCH):
        u.rx[i].msg_hdr.msg_namelen = sizeof(sockaddr_in6)
    while True:
        n = recvmmsg(u.fd, u.rx, UDP_BATCH, MSG_DONTWAIT, NULL)
        if n > 0:
            break
        if errno == EAGAIN or tries == _RETRIES:
            return 0
        tries += 1
        if errno != EINTR:
            # It tells of a datagram sent before, not of the one that is received.
            n = errno
            if _take_errors(u) == 0:
                _count_error(u, n)
    u.ts = _now(u)
    u.count = n
    u.counts.rx_packets += n
    u.counts.rx_batches += 1
    for i in range(n):
        _write_header(u, i)
    return n


cdef int _rx_burst(void* state, packet_t* packets, int max, uint64_t until_ns) noexcept nogil:
    cdef udp_t* u = <udp_t*>state
    cdef int n = min(max, _fill(u))
    cdef packet_t* p
    cdef int i
    if n == 0 or u.ts > until_ns:
        return 0
    for i in range(n):
        p = &packets[i]
        p.data = p.frame = u.slots + <size_t>(u.head + i) * UDP_SLOT + HEADROOM
        p.ts = u.ts
        p.len = p.frame_len = p.wire_len = u.header + u.rx[u.head + i].msg_len
        p.headroom = HEADROOM
        p.link = LINK_IPV6 if u.six else LINK_IPV4
        p.flags = PKT_TRUSTED | PKT_SOCKET
    return n


cdef void _rx_consume(void* state, int n) noexcept nogil:
    cdef udp_t* u = <udp_t*>state
    u.head = min(u.head + n, u.count)


cdef uint64_t _next_ns(void* state) noexcept nogil:
    cdef udp_t* u = <udp_t*>state
    return u.ts if _fill(u) else UINT64_MAX


# Sending ------------------------------------------------------------------------------------------

cdef bint _address(udp_t* u, int at, const packet_t* p) noexcept nogil:
    """Makes message `at` of a packet. False: it is no whole UDP datagram of our family."""
    cdef const uint8_t* ip = p.data
    cdef uint8_t* to = <uint8_t*>&u.tx_to[at]
    cdef uint32_t header = IPV6_HEADER if u.six else IPV4_HEADER
    cdef uint32_t length
    cdef int tos
    if p.len < header + UDP_HEADER:
        return False
    if u.six:
        if ip[0] >> 4 != 6 or ip[6] != PROTO_UDP:
            return False
        tos = (ip[0] & 15) << 4 | ip[1] >> 4
        memcpy(to + _SOCKET_ADDRESS6, ip + 24, 16)
    else:
        header = (ip[0] & 15) * 4
        if (ip[0] >> 4 != 4 or header < IPV4_HEADER or p.len < header + UDP_HEADER
                or ip[9] != PROTO_UDP or load_be16(ip + 6) & (IP_MF | IP_OFFSET)):
            return False
        tos = ip[1]
        memcpy(to + _SOCKET_ADDRESS4, ip + 16, 4)
    ip += header
    length = load_be16(ip + 4)
    if length < UDP_HEADER or length > p.len - header:
        return False
    memcpy(to + _SOCKET_PORT, ip + 2, 2)
    u.tx_octets[at].iov_base = <void*>(ip + UDP_HEADER)
    u.tx_octets[at].iov_len = length - UDP_HEADER
    _set_tos(u, at, tos)
    return True


cdef void _set_tos(udp_t* u, int at, int tos) noexcept nogil:
    cdef msghdr* message = &u.tx[at].msg_hdr
    cdef cmsghdr* c
    message.msg_control = NULL if tos == 0 else &u.tx_control[at][0]
    message.msg_controllen = 0 if tos == 0 else CMSG_SPACE(sizeof(int))
    if tos:
        c = CMSG_FIRSTHDR(message)
        c.cmsg_level = IPPROTO_IPV6 if u.six else IPPROTO_IP
        c.cmsg_type = IPV6_TCLASS if u.six else IP_TOS
        c.cmsg_len = CMSG_LEN(sizeof(int))
        memcpy(CMSG_DATA(c), &tos, sizeof(tos))


cdef int _send(udp_t* u, int n) noexcept nogil:
    """Sends messages 0 to n. How many are done with; the rest found no room."""
    cdef int at = 0
    cdef int tries = 0
    cdef int sent, error
    while at < n:
        sent = sendmmsg(u.fd, u.tx + at, n - at, MSG_DONTWAIT)
        if sent > 0:
            at += sent
            tries = 0
            u.counts.tx_packets += sent
            u.counts.tx_batches += 1
            continue
        error = errno
        if error == EAGAIN or error == ENOBUFS or error == ENOMEM:
            u.counts.no_buffers += n - at
            break
        if tries < _RETRIES and (error == EINTR or _take_errors(u)):
            # A signal, or the fate of a datagram sent before: this one was not tried.
            tries += 1
            continue
        _count_error(u, error)
        at += 1
        tries = 0
    return at


cdef int _tx_burst(void* state, packet_t** packets, int n) noexcept nogil:
    cdef udp_t* u = <udp_t*>state
    cdef int taken = 0
    cdef int count, done
    if u.fd < 0:
        return 0
    while taken < n:
        count = 0
        while taken < n and count < UDP_BATCH:
            if _address(u, count, packets[taken]):
                u.tx_number[count] = taken
                count += 1
            else:
                u.counts.not_datagrams += 1
            taken += 1
        done = _send(u, count)
        if done < count:
            return u.tx_number[done]
    return n


# The port -----------------------------------------------------------------------------------------

@cython.final
cdef class UdpPort(Port):
    """A socket bound to one address of ours; `port` 0 lets the kernel choose one.

    Times of packets are those of the monotonic clock less `base_ns`. `buffer`: octets the kernel
    may hold each way, less if it does not allow them. With `reuse` more ports may be bound to the
    same; each gets what some of the peers send. `sends_by`: sends by that port's socket, which
    another thread may use, and receives nothing. One thread at a time may use a port. ValueError
    for an address that is not one host's, OSError if it is not ours or the port is in use.
    """

    def __cinit__(self, str address, uint16_t port=L2TP_PORT, *, str name="udp",
                  uint64_t base_ns=0, int buffer=_RECEIVE_BUFFER, bint reuse=False,
                  UdpPort sends_by=None):
        host = ipaddress.ip_address(address)
        if host.is_unspecified or host.is_multicast:
            raise ValueError(f"{address} is no address of one host")
        self.name = name
        self.c.fd = -1
        self.c.six = host.version == 6
        self.c.base_ns = base_ns
        self.c.slots = <uint8_t*>aligned_alloc(_LINE, UDP_BATCH * UDP_SLOT)
        if self.c.slots == NULL:
            raise MemoryError
        if sends_by is None:
            self._socket = _bound(host, port, buffer, reuse)
        else:
            self._socket = sends_by._socket.dup()
        self.address = (str(host), self._socket.getsockname()[1])
        self.c.fd = self._socket.fileno()
        self._prepare(host.packed)
        self.io.state = &self.c
        self.io.tx_burst = _tx_burst
        if sends_by is None:
            self.io.rx_burst = _rx_burst
            self.io.rx_consume = _rx_consume
            self.io.next_ns = _next_ns
            self.io.fd = self.c.fd

    @classmethod
    def open(cls, str rest, *, str name, uint64_t base_ns=0, int queues=1):
        """See Port.open. `rest` is ADDRESS[:PORT], IPv6 in brackets if a port follows; the kernel
        spreads peers, each known by address and port, over the queues."""
        address, port = host_and_port(rest, L2TP_PORT)
        parts = []
        try:
            for _ in range(queues):
                parts.append(cls(address, port, name=name, base_ns=base_ns, reuse=queues > 1))
                port = parts[0].address[1]
            return cls(address, port, name=name, base_ns=base_ns, sends_by=parts[0]), parts
        except BaseException:
            for part in parts:
                part.close()
            raise

    @property
    def ends_at(self) -> str | None:
        """See Port.ends_at: the address it is bound to."""
        return self.address[0]

    def __dealloc__(self):
        free(self.c.slots)

    def _prepare(self, bytes packed) -> None:
        """What never changes of headers, messages and addresses."""
        cdef udp_t* u = &self.c
        cdef uint16_t family = AF_INET6 if u.six else AF_INET
        cdef uint32_t size = sizeof(sockaddr_in6) if u.six else 16
        cdef int i
        u.header = (IPV6_HEADER if u.six else IPV4_HEADER) + UDP_HEADER
        if u.six:
            u.front[0] = 0x60
            u.front[6] = PROTO_UDP
            u.front[7] = 64
            memcpy(u.front + 24, <const char*>packed, 16)
        else:
            u.front[0] = 0x45
            store_be16(u.front + 6, IP_DF)
            u.front[8] = 64
            u.front[9] = PROTO_UDP
            memcpy(u.front + 16, <const char*>packed, 4)
        store_be16(u.front + u.header - 6, L2TP_PORT)
        for i in range(UDP_BATCH):
            u.rx_octets[i].iov_base = u.slots + <size_t>i * UDP_SLOT + HEADROOM + u.header
            u.rx_octets[i].iov_len = UDP_SLOT - HEADROOM - u.header
            u.rx[i].msg_hdr.msg_name = &u.rx_from[i]
            u.rx[i].msg_hdr.msg_iov = &u.rx_octets[i]
            u.rx[i].msg_hdr.msg_iovlen = 1
            memcpy(&u.tx_to[i], &family, sizeof(family))
            u.tx[i].msg_hdr.msg_name = &u.tx_to[i]
            u.tx[i].msg_hdr.msg_namelen = size
            u.tx[i].msg_hdr.msg_iov = &u.tx_octets[i]
            u.tx[i].msg_hdr.msg_iovlen = 1

    def __len__(self) -> int:
        """Datagrams that were read from the kernel and not consumed yet."""
        return self.c.count - self.c.head

    def counts(self) -> dict[str, int]:
        """Datagrams and system calls each way, and errors by kind (udp.pxd has their meaning)."""
        return self.c.counts

    def close(self) -> None:
        """Closes the socket. Nothing is received or sent any more; counts stay."""
        self.c.fd = self.io.fd = -1
        self.c.head = self.c.count = 0
        self._socket.close()


def _bound(host, int port, int buffer, bint reuse):
    """A socket that is bound, with its options set."""
    six = host.version == 6
    made = socket.socket(AF_INET6 if six else AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        if six:
            made.setsockopt(IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.setsockopt(IPPROTO_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_DO)
            made.setsockopt(IPPROTO_IPV6, IPV6_RECVERR, 1)
        else:
            made.setsockopt(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
            made.setsockopt(IPPROTO_IP, IP_RECVERR, 1)
        for forced, asked in ((_SO_RCVBUFFORCE, socket.SO_RCVBUF),
                              (_SO_SNDBUFFORCE, socket.SO_SNDBUF)):
            try:
                made.setsockopt(socket.SOL_SOCKET, forced, buffer)
            except PermissionError:
                made.setsockopt(socket.SOL_SOCKET, asked, buffer)
        if reuse:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((str(host), port))
    except OSError:
        made.close()
        raise
    return made
