"""Port that replays captures, pcap and pcapng, several of them merged by time.

Packets point into the mapped files (PKT_READONLY, no headroom): nothing is copied, and no Python
object made, for a packet. A damaged file ends at its fault, after all whole packets before it; the
other files go on. What is sent to it is taken, and gone.
"""

cimport cython
from fastpath.packet cimport PKT_READONLY, packet_t
from fastpath.ports.capture cimport Capture, source_prepare
from fastpath.ports.pcap_source cimport FAULT_NONE, record_t, source_t
from fastpath.types cimport BURST_MAX
from libc.stdint cimport uint8_t, uint16_t, uint64_t, UINT64_MAX
from libc.stdlib cimport calloc, free

from fastpath.ports.capture import PcapError

__all__ = ["PcapError", "PcapPort"]


cdef inline uint64_t _time(const pcap_t* c, const record_t* r) noexcept nogil:
    # A packet without a time of its own may stand before the first one that has one.
    return r.ts - c.origin if r.ts > c.origin else 0


cdef inline void _describe(packet_t* p, const record_t* r, uint64_t ts) noexcept nogil:
    p.data = <uint8_t*>r.data
    p.frame = <uint8_t*>r.data
    p.ts = ts
    p.len = r.len
    p.frame_len = r.len
    p.wire_len = r.wire_len
    p.headroom = 0
    p.link = r.link
    p.flags = PKT_READONLY


cdef int _run(pcap_t* c, int source, packet_t* packets, int room, uint64_t until_ns,
              uint64_t before) noexcept nogil:
    # Describes packets of one source while their time is < before and <= until_ns.
    cdef source_t* s = c.sources[source]
    cdef uint64_t ts
    cdef int n = 0
    while n < room and s.scan < s.tail:
        ts = _time(c, &s.ahead[s.scan])
        if ts >= before or ts > until_ns:
            break
        _describe(&packets[n], &s.ahead[s.scan], ts)
        c.order[c.described + n] = <uint16_t>source
        s.scan += 1
        n += 1
    return n


cdef int _earliest(const pcap_t* c, uint64_t* before) noexcept nogil:
    # The source whose packet is next, and before which time (exclusively) it goes on being that:
    # on a tie the source given first goes first. -1 when no source has a packet.
    cdef uint64_t best_ts = UINT64_MAX
    cdef uint64_t ts
    cdef source_t* s
    cdef int best = -1
    cdef int i
    before[0] = UINT64_MAX
    for i in range(c.count):
        s = c.sources[i]
        if s.scan >= s.tail:
            continue
        ts = _time(c, &s.ahead[s.scan])
        if ts < best_ts:
            # what was best until now stands in front of i in the order of the arguments
            before[0] = best_ts
            best_ts = ts
            best = i
        elif ts + 1 < before[0]:
            before[0] = ts + 1
    return best


cdef int _end(const pcap_t* c) noexcept nogil:
    cdef int i
    for i in range(c.count):
        if c.sources[i].head < c.sources[i].tail:
            return 0
    for i in range(c.count):
        if c.sources[i].fault != FAULT_NONE:
            return -1
    return 0


cdef int _rx_burst(void* state, packet_t* packets, int max, uint64_t until_ns) noexcept nogil:
    cdef pcap_t* c = <pcap_t*>state
    cdef uint64_t before
    cdef int i, n, source
    if max > BURST_MAX:
        max = BURST_MAX
    for i in range(c.count):
        source_prepare(c.sources[i], max)
        c.sources[i].scan = c.sources[i].head
    c.taken = 0
    c.described = 0
    while c.described < max:
        source = _earliest(c, &before)
        if source < 0:
            break
        n = _run(c, source, &packets[c.described], max - c.described, until_ns, before)
        if n == 0:
            break
        c.described += n
    return c.described if c.described else _end(c)


cdef void _rx_consume(void* state, int n) noexcept nogil:
    cdef pcap_t* c = <pcap_t*>state
    cdef source_t* s
    while n > 0 and c.taken < c.described:
        s = c.sources[c.order[c.taken]]
        c.octets += s.ahead[s.head].len
        c.packets += 1
        s.head += 1
        c.taken += 1
        n -= 1


cdef uint64_t _next_ns(void* state) noexcept nogil:
    cdef pcap_t* c = <pcap_t*>state
    cdef uint64_t earliest = UINT64_MAX
    cdef uint64_t ts
    cdef source_t* s
    cdef int i
    for i in range(c.count):
        s = c.sources[i]
        if s.head == s.tail and source_prepare(s, 1) == 0:
            continue
        ts = _time(c, &s.ahead[s.head])
        if ts < earliest:
            earliest = ts
    return earliest


cdef int _tx_burst(void* state, packet_t** packets, int n) noexcept nogil:
    # The other side of a capture is not there; what would reach it is the recorder's business.
    return n


cdef class _Sink(Port):
    """A worker's part of it."""

    def __cinit__(self):
        self.io.tx_burst = _tx_burst


@cython.final
cdef class PcapPort(Port):
    """Replays captures: `PcapPort("a.pcap", "b.pcapng")`.

    Time is nanoseconds since the epoch; with `rebase` it starts at 0 with the earliest first packet
    of all files, whose time is `first_ns`. In each file time never goes back: an earlier time stamp
    counts as the one before it. Packets of several files are merged by that time, on a tie in the
    order of the arguments.

    Raises OSError if a file cannot be opened, is no regular file, or more than 256 are open;
    PcapError if one is empty or no capture; ValueError without a path.
    """

    live = False              # control plays it

    def __cinit__(self, *paths, bint rebase=False):
        cdef Capture capture
        cdef uint64_t first = UINT64_MAX
        if not paths:
            raise ValueError("a capture port needs at least one path")
        self.captures = [Capture(path) for path in paths]
        self.name = self.captures[0].path
        self.c.sources = <source_t**>calloc(len(paths), sizeof(source_t*))
        if self.c.sources == NULL:
            raise MemoryError
        for capture in self.captures:
            self.c.sources[self.c.count] = capture.source
            self.c.count += 1
            source_prepare(capture.source, 1)
            first = min(first, capture.source.first_ts)
        self.first_ns = None if first == UINT64_MAX else first
        self.c.origin = first if rebase and first != UINT64_MAX else 0
        self.io.state = &self.c
        self.io.rx_burst = _rx_burst
        self.io.rx_consume = _rx_consume
        self.io.next_ns = _next_ns
        self.io.tx_burst = _tx_burst

    @classmethod
    def open(cls, str rest, *, str name, uint64_t base_ns=0, int queues=1):
        """See Port.open. `rest` is the path of a file; its times start at 0."""
        if not rest:
            raise ValueError("pcap: needs the name of a file here")
        return cls(rest, rebase=True), [_Sink() for _ in range(queues)]

    def __dealloc__(self):
        free(self.c.sources)

    def close(self) -> None:
        """Unmaps the files: packets described before are gone. Counters and errors stay."""
        cdef Capture capture
        self.c.described = 0
        self.c.taken = 0
        for capture in self.captures:
            capture.close()

    def errors(self) -> list[PcapError]:
        """What ended files early, in the order of the arguments. Complete once all is read."""
        return [e for e in (capture.error() for capture in self.captures) if e is not None]

    def error(self) -> PcapError | None:
        """The first of errors()."""
        return next(iter(self.errors()), None)

    @property
    def packets(self) -> int:
        """Packets consumed."""
        return self.c.packets

    @property
    def octets(self) -> int:
        """Captured octets of the packets consumed."""
        return self.c.octets

    def counts(self) -> dict[str, int]:
        """The two before, by name."""
        return {"packets": self.c.packets, "octets": self.c.octets}

    @property
    def size(self) -> int:
        """Octets of all files together."""
        return sum(capture.size for capture in self.captures)

    @property
    def position(self) -> int:
        """Octets of the files that have been consumed, record headers included."""
        return sum(capture.position for capture in self.captures)
