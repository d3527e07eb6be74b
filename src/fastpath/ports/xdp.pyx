"""AF_XDP on an Ethernet interface: frames come from the driver, or from right behind it.

The XDP program (fastpath.ebpf) hands what is ours to the socket of its queue; the kernel's stack
gets the rest. Packets are described where they were received, and copied once to where they are
sent from. A worker has every n-th queue of the interface. Control sends by a packet socket.
"""

cimport cython
from fastpath.atomic cimport ATOMIC_ACQUIRE, atomic_load_u32
from fastpath.checksum cimport fold_16, sum_octets
from fastpath.packet cimport LINK_ETHERNET, packet_t
from fastpath.ports.neighbours cimport (
    ETHERNET_HEADER, Neighbours, ethernet_header, kernel_send)
from fastpath.ports.offload cimport (
    TCP_CHECKSUM, UDP_CHECKSUM, find_segment, pseudo_sum, segment_t)
from fastpath.ports.xsk cimport (
    XSK_RING, Xsk, xdp_desc, xsk_collect, xsk_frame, xsk_give_back, xsk_queue, xsk_send, xsk_t,
    xsk_waiting, xsk_wake)
from fastpath.wire cimport (
    ETHERTYPE_IPV4, ETHERTYPE_IPV6, IPV4_HEADER, IPV6_HEADER, load_16, load_be16, store_16)
from libc.errno cimport ENETDOWN, ENXIO
from libc.stdint cimport UINT64_MAX, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

import select
import struct

from fastpath.ports.interface import Attachment, interface_name
from fastpath.ports.packet import PacketPort

cdef enum:
    DRIVER_ROOM = 256 + 128   # octets that the kernel leaves in front of a frame (xsk.pxd)
    SMALL = 2048              # places of frames; one page is the most there may be
    LARGE = 4096

_SOFTWARE = ("veth", "virtio_net", "tun", "")


# Receiving ----------------------------------------------------------------------------------------

cdef void _complete(xdp_t* x, uint8_t* frame, uint32_t octets) noexcept nogil:
    """The checksum that a sender on this machine left to a card, as if there were one. XDP does not
    tell; but then the field holds the pseudo header's sum, where else there is its complement with
    everything."""
    cdef uint16_t kind = load_be16(frame + 12)
    cdef uint8_t* ip = frame + ETHERNET_HEADER
    cdef uint32_t len = octets - ETHERNET_HEADER
    cdef uint32_t length, at
    cdef segment_t s
    cdef uint64_t pseudo
    if kind == ETHERTYPE_IPV4 and len >= IPV4_HEADER:
        length = load_be16(ip + 2)
    elif kind == ETHERTYPE_IPV6 and len >= IPV6_HEADER:
        length = load_be16(ip + 4) + <uint32_t>IPV6_HEADER
    else:
        return
    if length > len or not find_segment(ip, length, &s):
        return
    at = s.l4 + (TCP_CHECKSUM if s.tcp else UDP_CHECKSUM)
    pseudo = pseudo_sum(ip, &s, length - s.l4)
    if load_16(ip + at) != fold_16(pseudo):
        return
    if fold_16(sum_octets(ip + s.l4, length - s.l4, pseudo)) == 0xFFFF:
        return
    pseudo = <uint16_t>~fold_16(sum_octets(ip + s.l4, length - s.l4, 0))
    store_16(ip + at, <uint16_t>pseudo if pseudo else 0xFFFF)
    x.counts.rx_completed += 1


cdef int _describe(xdp_t* x, xsk_t* q, packet_t* packets, int n) noexcept nogil:
    cdef const xdp_desc* frame
    cdef timespec now
    cdef uint64_t ts
    cdef packet_t* p
    cdef int i
    clock_gettime(CLOCK_MONOTONIC, &now)
    ts = <uint64_t>now.tv_sec * 1000000000 + <uint64_t>now.tv_nsec - x.base_ns
    for i in range(n):
        frame = xsk_frame(q, i)
        p = &packets[i]
        p.data = p.frame = q.memory + frame.addr
        p.ts = ts
        p.len = p.frame_len = p.wire_len = frame.len
        p.headroom = <uint16_t>(frame.addr & (q.chunk - 1))
        p.link = LINK_ETHERNET
        p.flags = 0
        if x.partial and frame.len > ETHERNET_HEADER:
            _complete(x, p.data, frame.len)
    return n


cdef int _rx_burst(void* state, packet_t* packets, int max, uint64_t until_ns) noexcept nogil:
    """Packets of one queue, each in its turn."""
    cdef xdp_t* x = <xdp_t*>state
    cdef xsk_t* q
    cdef int i, n
    x.described = 0
    if not x.open:
        return 0
    for i in range(x.queues):
        q = x.queue[x.next]
        xsk_give_back(q)
        n = <int>min(xsk_waiting(q), <uint32_t>max)
        if n:
            x.current = x.next
            x.described = n
            return _describe(x, q, packets, n)
        xsk_wake(q)
        x.next = (x.next + 1) % x.queues
    return 0


cdef void _rx_consume(void* state, int n) noexcept nogil:
    """Places go back with the next rx_burst: until then what lies in them stays."""
    cdef xdp_t* x = <xdp_t*>state
    if 0 < <uint32_t>n <= x.described:
        x.queue[x.current].taken += n
        x.counts.rx_packets += n
        x.next = (x.current + 1) % x.queues
        x.described = 0


cdef uint64_t _next_ns(void* state) noexcept nogil:
    cdef packet_t packet
    return packet.ts if _rx_burst(state, &packet, 1, UINT64_MAX) else UINT64_MAX


# Sending ------------------------------------------------------------------------------------------

cdef void _flush(xdp_t* x, xsk_t* q, int n) noexcept nogil:
    cdef int error = xsk_send(q)
    if error == ENETDOWN or error == ENXIO:
        x.counts.down += n
    elif error:
        x.counts.other_errors += 1


cdef int _tx_burst(void* state, packet_t** packets, int n) noexcept nogil:
    cdef xdp_t* x = <xdp_t*>state
    cdef xsk_t* q
    cdef packet_t* p
    cdef uint64_t place
    cdef uint8_t* at
    cdef int queued = 0
    cdef int i = 0
    if not x.open:
        return 0
    q = x.queue[x.current]
    if q.down and xsk_send(q) != 0:
        x.counts.down += n
        return 0
    xsk_collect(q)
    while i < n:
        p = packets[i]
        if q.spare == 0:
            _flush(x, q, 0)
            xsk_collect(q)
            if q.spare == 0:
                x.counts.no_buffers += n - i
                break
        place = q.free[q.spare - 1]
        at = q.memory + place
        i += 1
        if p.len > x.mtu:
            x.counts.too_big += 1
        elif ethernet_header(x.slots, x.own, p, at):
            memcpy(at + ETHERNET_HEADER, p.data, p.len)
            q.spare -= 1
            xsk_queue(q, place, p.len + ETHERNET_HEADER)
            queued += 1
        else:
            kernel_send(x.kernel, p, p.ts)
    if queued:
        x.counts.tx_packets += queued
        _flush(x, q, queued)
    return i


# The port -----------------------------------------------------------------------------------------

@cython.final
cdef class XdpPort(Port):
    """A worker's part of a port on an interface: the queues with these numbers.

    Times of packets are those of the monotonic clock less `base_ns`. Raises OSError for what is not
    to be had, PermissionError without the capabilities, ValueError for an MTU that fits no frame.
    """

    def __cinit__(self, attachment not None, queues not None, *, str name="xdp",
                  uint64_t base_ns=0):
        cdef Xsk made
        cdef Neighbours neighbours = attachment.neighbours
        interface = attachment.interface
        chunk = SMALL if interface.mtu + ETHERNET_HEADER + 8 + DRIVER_ROOM <= SMALL else LARGE
        if interface.mtu + ETHERNET_HEADER + 8 + DRIVER_ROOM > LARGE:
            raise ValueError(f"{interface.name} has an MTU of {interface.mtu} octets,"
                             f" at most {LARGE - DRIVER_ROOM - 8 - ETHERNET_HEADER} fit")
        if not 1 <= len(queues) <= XDP_QUEUES:
            raise ValueError(f"{len(queues)} queues, 1..{XDP_QUEUES} of one worker are allowed")
        self.name = name
        self.c.base_ns = base_ns
        self.c.mtu = interface.mtu
        self.c.partial = interface.driver in _SOFTWARE
        self._kernel = KernelPath(interface.name)
        self.c.kernel = &self._kernel.c
        self.c.slots = neighbours.slot
        self.c.own = &neighbours.own
        self._queues = []
        for number in queues:
            made = Xsk(interface.index, number, chunk)
            self._queues.append(made)
            self.c.queue[self.c.queues] = &made.c
            self.c.queues += 1
            attachment.steering.sockets[struct.pack("=I", number)] = struct.pack(
                "=I", made.fileno())
        self.io.fd = self._queues[0].fileno()
        if len(queues) > 1:
            self._waits = select.epoll()
            for made in self._queues:
                self._waits.register(made.fileno(), select.EPOLLIN)
            self.io.fd = self._waits.fileno()
        self.attachment = attachment
        attachment.join()
        self.c.open = True
        self.io.state = &self.c
        self.io.rx_burst = _rx_burst
        self.io.rx_consume = _rx_consume
        self.io.next_ns = _next_ns
        self.io.tx_burst = _tx_burst

    @classmethod
    def open(cls, str rest, *, str name, uint64_t base_ns=0, int queues=1):
        """Parts on the interface `rest` (see Port.open). With more of them than the interface has
        queues the last ones only send."""
        attachment = Attachment(interface_name(rest))
        made = []
        try:
            interface = attachment.interface
            # The loopback interface has none.
            station = interface.address if any(interface.address) else b""
            attachment.steering.redirect(interface.index, station)
            made.append(PacketPort(attachment, name=name, base_ns=base_ns, receives=False))
            for part in range(queues):
                numbers = range(part, attachment.interface.queues, queues)
                if len(numbers):
                    made.append(cls(attachment, numbers, name=name, base_ns=base_ns))
                else:
                    made.append(PacketPort(attachment, name=name, base_ns=base_ns,
                                           receives=False))
        except BaseException:
            for part in made:
                part.close()
            attachment.steering.close()
            raise
        return made[0], made[1:]

    @property
    def steering(self):
        """Which packets are ours: fastpath.ebpf.steering.Steering, of all parts."""
        return self.attachment.steering

    @property
    def zero_copy(self) -> bool:
        """Whether the driver receives into our memory."""
        return all(queue.zero_copy for queue in self._queues)

    def set_neighbour(self, slot: int, mac: bytes | None) -> None:
        """Where packets of a slot go from now on, by all parts (see Neighbours.set)."""
        self.attachment.neighbours.set(slot, mac)

    def counts(self) -> dict[str, int]:
        """Packets each way, and errors by kind (see xdp.pxd), the kernel's counts among it."""
        found = {**self.c.counts, **self._kernel.counts()}
        for queue in self._queues:
            for key, value in queue.counts().items():
                found[key] = found.get(key, 0) + value
        return found

    def close(self) -> None:
        """Closes its sockets; with the last part the interface is the kernel's again."""
        if not self.c.open:
            return
        self.c.open = False
        self.c.described = 0
        self.io.fd = -1
        if self._waits is not None:
            self._waits.close()
        for queue in self._queues:
            queue.close()
        self._kernel.close()
        self.attachment.leave()
