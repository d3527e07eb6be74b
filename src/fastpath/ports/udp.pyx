"""A plain UDP socket of the kernel as the tunnel side: no privilege, any network card.

What arrives is given the outer header that the kernel took off (addresses and the source port as
they were, destination port 1701, checksum verified), so that the engine sees a packet as from a
card. What is for control comes by a socket of its own, where no flood of data takes its place
(udp_steering.py). Of what leaves, destination, port and TOS are read and the header is taken off;
the kernel puts its own on, with our port, Don't Fragment and a checksum. Both ways, datagrams of
one length pass the kernel as trains, which costs it little more than one of them (udp_receive.pyx,
udp_send.pyx). Nothing here waits: what finds no room in a buffer is refused and counted. It does
not put fragments together; the kernel does.
"""

cimport cython
from fastpath.atomic cimport ATOMIC_ACQUIRE, atomic_load_u32
from fastpath.ports.udp_receive cimport next_ns, receive_prepare, rx_burst, rx_consume
from fastpath.ports.udp_send cimport send_prepare, tx_burst
from fastpath.ports.udp_types cimport (
    AF_INET, AF_INET6, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP, IPV6_MTU_DISCOVER, IPV6_RECVERR,
    IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_RECVERR, UDP_ARENA, UDP_GRO, UDP_MESSAGES, UDP_SLOT,
    UDP_SLOTS, path_t)
from fastpath.wire cimport IPV4_HEADER, IPV6_HEADER, L2TP_PORT, UDP_HEADER
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy

import ipaddress
import socket

from fastpath.ports.host_port import host_and_port
from fastpath.ports.udp_steering import steer

cdef extern from "<stdlib.h>" nogil:
    void* aligned_alloc(size_t alignment, size_t size)

cdef enum:
    _LINE = 64
    _BUFFER = 4 << 20
    _SO_RCVBUFFORCE = 33
    _SO_SNDBUFFORCE = 32


@cython.final
cdef class UdpPort(Port):
    """A socket bound to one address of ours; `port` 0 lets the kernel choose one.

    Times of packets are those of the monotonic clock less `base_ns`. `buffer`: octets the kernel
    may hold each way, less if it does not allow them. `trains`: whether datagrams may pass the
    kernel together; the same packets come and go without, more slowly. With `reuse` more ports may
    be bound to the same; each gets what some of the peers send; the `first` of them wants that
    nobody else is bound to it yet. `sends_by`: sends by that port's
    socket, which another thread may use, and receives nothing. One thread at a time may use a port.
    ValueError for an address that is not one host's, OSError if it is not ours or the port is in
    use.
    """

    def __cinit__(self, str address, uint16_t port=L2TP_PORT, *, str name="udp",
                  uint64_t base_ns=0, int buffer=_BUFFER, bint trains=True, bint reuse=False,
                  bint first=False, UdpPort sends_by=None):
        host = ipaddress.ip_address(address)
        if host.is_unspecified or host.is_multicast:
            raise ValueError(f"{address} is no address of one host")
        self.name = name
        self.c.fd = -1
        self.c.six = host.version == 6
        self.c.header = (IPV6_HEADER if self.c.six else IPV4_HEADER) + UDP_HEADER
        self.c.base_ns = base_ns
        if sends_by is None:
            self._socket = _bound(host, port, buffer, reuse, first)
            self._receive(host.packed, trains)
        else:
            self._socket = sends_by._socket.dup()
        self.address = (str(host), self._socket.getsockname()[1])
        self.c.fd = self._socket.fileno()
        self.c.tx.singly = 0 if trains else ~<uint64_t>0
        send_prepare(&self.c)
        self.io.state = &self.c
        self.io.tx_burst = tx_burst
        if sends_by is None:
            self.io.rx_burst = rx_burst
            self.io.rx_consume = rx_consume
            self.io.next_ns = next_ns
            self.io.fd = self.c.fd

    @classmethod
    def open(cls, str rest, *, str name, uint64_t base_ns=0, int queues=1):
        """See Port.open. `rest` is ADDRESS[:PORT], IPv6 in brackets if a port follows; the kernel
        spreads peers, each known by address and port, over the queues. Control's part receives
        control messages and PPP's, where the kernel can tell them from data."""
        address, port = host_and_port(rest, L2TP_PORT)
        made = []
        try:
            for _ in range(queues + 1):
                made.append(cls(address, port, name=name, base_ns=base_ns, reuse=True,
                                first=not made))
                port = made[0].address[1]
            if not steer((<UdpPort>made[0])._socket, queues):
                made.pop().close()
                made.append(cls(address, port, name=name, base_ns=base_ns, sends_by=made[0]))
            return made[queues], made[:queues]
        except BaseException:
            for part in made:
                part.close()
            raise

    def _receive(self, bytes packed, bint trains) -> None:
        """Makes it one that receives; `packed` is our address."""
        self.c.rx.slots = <uint8_t*>aligned_alloc(_LINE, UDP_MESSAGES * UDP_SLOT)
        self.c.rx.arena = <uint8_t*>aligned_alloc(_LINE, UDP_ARENA)
        if self.c.rx.slots == NULL or self.c.rx.arena == NULL:
            raise MemoryError
        if trains:
            try:
                self._socket.setsockopt(IPPROTO_UDP, UDP_GRO, 1)
                self.trains = True
            except OSError:
                pass              # Linux before 5.0: one by one then
        receive_prepare(&self.c, <const uint8_t*><const char*>packed)

    def __dealloc__(self):
        free(self.c.rx.slots)
        free(self.c.rx.arena)

    @property
    def ends_at(self) -> str | None:
        """See Port.ends_at: the address it is bound to."""
        return self.address[0]

    def __len__(self) -> int:
        """Datagrams, and trains not taken apart, that were read from the kernel and not consumed
        yet."""
        return self.c.rx.count - self.c.rx.head + self.c.rx.messages - self.c.rx.message

    def counts(self) -> dict[str, int]:
        """Datagrams, messages (datagrams and trains) and system calls each way, and errors by kind
        (udp_types.pxd has their meaning)."""
        return self.c.counts

    @property
    def path_mtus(self) -> dict[str, int]:
        """MTU of the path to addresses of which the kernel told it, because something was too big.
        A later address may take the place of an earlier one; a router's cache ends it too."""
        cdef const path_t* path
        cdef uint8_t address[16]
        cdef uint32_t mtu
        cdef int i
        found = {}
        for i in range(UDP_SLOTS):
            path = &self.c.path[i]
            mtu = atomic_load_u32(<uint32_t*>&path.mtu, ATOMIC_ACQUIRE)
            memcpy(address, path.address, sizeof(address))
            if mtu and atomic_load_u32(<uint32_t*>&path.mtu, ATOMIC_ACQUIRE) == mtu:
                packed = (<const char*>address)[:16 if self.c.six else 4]
                found[str(ipaddress.ip_address(packed))] = mtu
        return found

    def close(self) -> None:
        """Closes the socket. Nothing is received or sent any more; counts stay."""
        self.c.fd = self.io.fd = -1
        self.c.rx.head = self.c.rx.count = self.c.rx.message = self.c.rx.messages = 0
        self._socket.close()


def _bound(host, int port, int buffer, bint reuse, bint first):
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
        if reuse and not first:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((str(host), port))
        if reuse and first:
            # Set before, it would join the sockets of another process of ours, and share its peers.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError:
        made.close()
        raise
    return made
