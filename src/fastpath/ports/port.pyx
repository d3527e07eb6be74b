"""Base class of all ports (the contract is in port.pxd)."""

from fastpath.packet cimport packet_t
from fastpath.types cimport BURST_MAX, HEADROOM
from libc.stdint cimport uint8_t, uint16_t, uint64_t, UINT64_MAX
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from fastpath.ports.linktype import LINKS


cdef int _rx_none(void* state, packet_t* packets, int max, uint64_t until_ns) noexcept nogil:
    return 0


cdef void _consume_none(void* state, int n) noexcept nogil:
    pass


cdef uint64_t _never(void* state) noexcept nogil:
    return UINT64_MAX


cdef int _tx_none(void* state, packet_t** packets, int n) noexcept nogil:
    return 0


cdef class Port:
    """One source and sink of packets. By itself it has none and takes none."""

    live = True               # packets come when they like, and workers receive them

    def __cinit__(self, *args, **kwargs):
        self.name = type(self).__name__
        self.io.state = NULL
        self.io.rx_burst = _rx_none
        self.io.rx_consume = _consume_none
        self.io.next_ns = _never
        self.io.tx_burst = _tx_none
        self.io.fd = -1

    @classmethod
    def open(cls, str rest, *, str name, uint64_t base_ns=0, int queues=1):
        """Makes the port that the URL `scheme:rest` of a configuration asks for.

        Returns a part of it for control and a list of `queues` parts, one for each worker. Where
        the class is `live`, the workers' parts receive and send and control's only sends; else
        control's receives, and the workers' only send. `name` is what it is called, `base_ns` what
        the monotonic clock says at the engine's time 0. Raises ValueError for a `rest` that the
        scheme does not know, OSError for what is not to be had; then nothing stays open.
        """
        raise ValueError(f"{cls.__name__} is not opened by a URL")

    @property
    def ends_at(self) -> str | None:
        """The local address of all tunnels that end at this port, None if any may."""
        return None

    def set_mtu(self, int mtu) -> None:
        """Tells an interface that is the port's own how long packets may be that come from it,
        octets. Raises OSError if the kernel does not want it."""

    @property
    def link(self) -> str:
        """How the interface under it is: "up", "down", or "gone" if it was deleted."""
        return "up"

    def fileno(self) -> int:
        """For poll and its like: readable when a packet waits. -1: nothing tells of packets."""
        return self.io.fd

    def counts(self) -> dict[str, int]:
        """What the backend itself counts, by name; errors by kind among it."""
        return {}

    @property
    def next_ns(self) -> int | None:
        """Arrival time of the next packet in nanoseconds, None if there is none now."""
        cdef uint64_t ns = self.io.next_ns(self.io.state)
        return None if ns == UINT64_MAX else ns

    def read(self, int max=BURST_MAX, until_ns=None) -> list[tuple[int, str, int, bytes]]:
        """Takes up to `max` packets (256 at the most) whose time is at most `until_ns`.

        Each is (time in nanoseconds, name of its link type, octets on the wire, octets captured).
        An empty list: there is none now, or the source ended; error() tells if it is damaged.
        """
        cdef packet_t packets[BURST_MAX]
        cdef uint64_t until = UINT64_MAX if until_ns is None else until_ns
        cdef int n = self.io.rx_burst(self.io.state, packets, min(max, <int>BURST_MAX), until)
        result = [(packets[i].ts, LINKS[packets[i].link], packets[i].wire_len,
                   (<const char*>packets[i].frame)[:packets[i].frame_len]) for i in range(n)]
        if n > 0:
            self.io.rx_consume(self.io.state, n)
        return result

    def send(self, const uint8_t[::1] data not None, uint64_t ts=0, *,
             uint16_t neighbour=0) -> bool:
        """Sends one IP packet, on Ethernet toward the neighbour of a slot. False: the port did not
        take it."""
        return self.send_many((bytes(data),), ts, neighbour=neighbour) == 1

    def send_many(self, packets, uint64_t ts=0, *, uint16_t neighbour=0) -> int:
        """Sends IP packets, each `bytes`, in bursts of up to 256. Returns how many the port
        took."""
        packets = tuple(packets)
        return sum(self._send_burst(packets[at:at + BURST_MAX], ts, neighbour)
                   for at in range(0, len(packets), BURST_MAX))

    cdef int _send_burst(self, tuple data, uint64_t ts, uint16_t neighbour) except -1:
        cdef packet_t packets[BURST_MAX]
        cdef packet_t* burst[BURST_MAX]
        cdef size_t size = sum(len(octets) for octets in data) + len(data) * HEADROOM
        cdef uint8_t* copy = <uint8_t*>malloc(max(size, <size_t>1))
        cdef uint8_t* at = copy
        cdef int n = <int>len(data)
        cdef int i
        if copy == NULL:
            raise MemoryError
        try:
            memset(packets, 0, n * sizeof(packet_t))
            for i in range(n):
                at += HEADROOM
                packets[i].len = packets[i].frame_len = packets[i].wire_len = len(data[i])
                packets[i].data = packets[i].frame = at
                packets[i].headroom = HEADROOM
                packets[i].ts = ts
                packets[i].neighbour = neighbour
                burst[i] = &packets[i]
                memcpy(at, <const char*>data[i], packets[i].len)
                at += packets[i].len
            return self.io.tx_burst(self.io.state, burst, n)
        finally:
            free(copy)

    def drain(self, until_ns=None) -> int:
        """Takes all packets whose time is at most `until_ns`, and drops them. Returns how many."""
        cdef packet_t packets[BURST_MAX]
        cdef uint64_t until = UINT64_MAX if until_ns is None else until_ns
        cdef uint64_t total = 0
        cdef int n
        with nogil:
            while True:
                n = self.io.rx_burst(self.io.state, packets, BURST_MAX, until)
                if n <= 0:
                    break
                self.io.rx_consume(self.io.state, n)
                total += n
        return total

    def error(self):
        """The exception that says what is wrong with a damaged source, None while it is whole."""
        return None

    def close(self) -> None:
        """Releases what the port holds. Further use of it sends and receives nothing."""
