"""Port in memory: Python pushes the packets that the engine receives and pops those it sent.

Received packets are handed out in slots of the port's own, writable and with HEADROOM octets in
front of each, and the queued originals stay untouched. Nothing here waits or keeps time: a packet
is due at the time it was pushed with.
"""

cimport cython
from fastpath.atomic cimport spin_lock, spin_unlock
from fastpath.packet cimport packet_t
from fastpath.ports.linktype cimport link_number
from fastpath.ports.pcap_format cimport MAXIMUM_SNAPLEN
from fastpath.ports.pcap_source cimport TIME_MAX
from fastpath.types cimport HEADROOM
from libc.stdint cimport uint8_t, uint32_t, uint64_t, UINT32_MAX, UINT64_MAX
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove, memset

cdef extern from "<stdlib.h>" nogil:
    void* aligned_alloc(size_t alignment, size_t size)

cdef enum:
    _LINE = 64
    _WORD = 8                 # queued packets begin at multiples of it, with zeros between them
    # Slots of a burst: 256 frames of an Ethernet with 1500 octets fit, or three of the largest.
    _SLOTS = 1 << 20
    _TX_LIMIT = 1 << 20


cdef int _grow(void** at, uint64_t* room, uint64_t wanted, size_t octets) noexcept nogil:
    cdef uint64_t size = room[0] if room[0] else 1024
    cdef void* grown
    if wanted <= room[0]:
        return 0
    while size < wanted:
        size *= 2
    grown = realloc(at[0], size * octets)
    if grown == NULL:
        return -1
    at[0] = grown
    room[0] = size
    return 0


cdef void _compact(queue_t* q) noexcept nogil:
    # Gives back the room of what was taken once that is most of the queue: each octet moves at
    # most once for each octet taken.
    cdef uint64_t first, i
    if q.head == q.tail:
        q.head = q.tail = q.used = 0
    elif q.head > q.room // 2 and q.head > q.tail - q.head:
        first = q.packets[q.head].at
        memmove(q.store, q.store + first, q.used - first)
        memmove(q.packets, q.packets + q.head, (q.tail - q.head) * sizeof(queued_t))
        q.tail -= q.head
        q.head = 0
        q.used -= first
        for i in range(q.tail):
            q.packets[i].at -= first


cdef int _append(queue_t* q, const uint8_t* data, uint32_t length, uint64_t ts,
                 uint32_t wire_len) noexcept nogil:
    cdef queued_t* p
    cdef uint64_t room = (<uint64_t>length + _WORD - 1) & ~<uint64_t>(_WORD - 1)
    if (_grow(<void**>&q.packets, &q.room, q.tail + 1, sizeof(queued_t)) < 0
            or _grow(<void**>&q.store, &q.size, q.used + room, 1) < 0):
        return -1
    p = &q.packets[q.tail]
    p.at = q.used
    p.ts = ts
    p.len = length
    p.wire_len = wire_len
    if length:
        memset(q.store + q.used + room - _WORD, 0, _WORD)
        memcpy(q.store + q.used, data, length)
    q.used += room
    q.tail += 1
    return 0


cdef void _free(queue_t* q) noexcept nogil:
    free(q.packets)
    free(q.store)
    q.packets = NULL
    q.store = NULL
    q.head = q.tail = q.room = q.used = q.size = 0


cdef inline uint64_t _due(const mem_t* m, const queued_t* p) noexcept nogil:
    # Each lap goes on at the last time of the one before it. last_ts <= TIME_MAX / loops.
    return p.ts + m.lap * m.last_ts


cdef int _rx_burst(void* state, packet_t* packets, int max, uint64_t until_ns) noexcept nogil:
    cdef mem_t* m = <mem_t*>state
    cdef queue_t* q = &m.rx
    cdef uint64_t used = 0
    cdef uint64_t slot
    cdef queued_t* from_
    cdef packet_t* p
    if m.loops == 0:
        _compact(q)
    m.scan = q.head
    m.described = 0
    while m.described < max and m.scan + m.described < q.tail:
        from_ = &q.packets[m.scan + m.described]
        slot = (HEADROOM + from_.len + _LINE - 1) & ~<uint64_t>(_LINE - 1)
        if _due(m, from_) > until_ns or used + slot > _SLOTS:
            break
        p = &packets[m.described]
        p.data = p.frame = m.slots + used + HEADROOM
        if from_.len:
            memcpy(p.data, q.store + from_.at, from_.len)
        p.ts = _due(m, from_)
        p.len = p.frame_len = from_.len
        p.wire_len = from_.wire_len
        p.headroom = HEADROOM
        p.link = m.link
        p.flags = 0
        used += slot
        m.described += 1
    return m.described


cdef void _rx_consume(void* state, int n) noexcept nogil:
    cdef mem_t* m = <mem_t*>state
    n = min(n, m.described)
    m.described -= n
    m.rx.head += n
    if m.rx.head == m.rx.tail and m.lap + 1 < m.loops:
        m.lap += 1
        m.rx.head = 0
        m.described = 0


cdef uint64_t _next_ns(void* state) noexcept nogil:
    cdef mem_t* m = <mem_t*>state
    return _due(m, &m.rx.packets[m.rx.head]) if m.rx.head < m.rx.tail else UINT64_MAX


cdef int _tx_burst(void* state, packet_t** packets, int n) noexcept nogil:
    cdef mem_t* m = <mem_t*>state
    cdef int i = 0
    spin_lock(&m.lock)
    while i < n and (m.discard or (
            m.tx.tail < m.limit
            and _append(&m.tx, packets[i].data, packets[i].len, packets[i].ts,
                        packets[i].len) == 0)):
        m.tx_packets += 1
        m.tx_octets += packets[i].len
        i += 1
    m.tx_dropped += n - i
    spin_unlock(&m.lock)
    return i


cdef int _copy_sent(mem_t* m, queue_t* into, bint taken) noexcept nogil:
    """A copy of what was sent, which is the caller's to free; with `taken` it is gone from here."""
    cdef queue_t* q = &m.tx
    cdef int fault = 0
    memset(into, 0, sizeof(queue_t))
    spin_lock(&m.lock)
    if (_grow(<void**>&into.packets, &into.room, q.tail, sizeof(queued_t)) < 0
            or _grow(<void**>&into.store, &into.size, q.used, 1) < 0):
        fault = -1
    elif q.tail:
        memcpy(into.packets, q.packets, q.tail * sizeof(queued_t))
        memcpy(into.store, q.store, q.used)
        into.tail = q.tail
        into.used = q.used
        if taken:
            q.tail = q.used = 0
    spin_unlock(&m.lock)
    if fault:
        _free(into)
    return fault


cdef class _Part(Port):
    """A worker's part of it, which only sends."""

    cdef object _of

    def __cinit__(self, MemPort of):
        self._of = of
        self.name = of.name
        self.io.state = &of.c
        self.io.tx_burst = _tx_burst


@cython.final
cdef class MemPort(Port):
    """A port that Python feeds and drains.

    `link` names what pushed frames begin with (fastpath.ports.linktype.LINKS). `loop` > 0: what is
    pushed is offered that many times, each lap going on at the last time of the lap before.
    `tx_limit` is how many sent packets are kept until Python takes them; more are not taken and
    counted in `tx_dropped`. `discard_tx`: sent packets are only counted.

    One thread at a time may use it, the engine's included; what open() makes for workers only
    sends. Raises ValueError for a link type that does not exist, OverflowError for a negative
    number.
    """

    live = False              # control pushes into it

    def __cinit__(self, str name="mem", str link="raw", *, uint64_t loop=0,
                  uint64_t tx_limit=_TX_LIMIT, bint discard_tx=False):
        self.name = name
        self.c.link = link_number(link)
        self.c.loops = loop
        self.c.limit = tx_limit
        self.c.discard = discard_tx
        self.c.slots = <uint8_t*>aligned_alloc(_LINE, _SLOTS)
        if self.c.slots == NULL:
            raise MemoryError
        self.io.state = &self.c
        self.io.rx_burst = _rx_burst
        self.io.rx_consume = _rx_consume
        self.io.next_ns = _next_ns
        self.io.tx_burst = _tx_burst

    @classmethod
    def open(cls, str rest, *, str name, uint64_t base_ns=0, int queues=1):
        """See Port.open. `rest` has no meaning."""
        cdef MemPort port = cls(name)
        return port, [_Part(port) for _ in range(queues)]

    def __dealloc__(self):
        _free(&self.c.rx)
        _free(&self.c.tx)
        free(self.c.slots)

    cdef uint64_t _push(self, const uint8_t* data, uint64_t length, uint64_t ts,
                        uint64_t wire_len) except? 0:
        if length > MAXIMUM_SNAPLEN:
            raise ValueError(f"frame of {length} octets, at most {MAXIMUM_SNAPLEN} are allowed")
        if not length <= wire_len <= UINT32_MAX:
            raise ValueError(f"wire length {wire_len} of a frame of {length} octets")
        if ts > TIME_MAX // max(<uint64_t>1, self.c.loops):
            raise ValueError(f"time {ts} is out of range for {self.c.loops} laps")
        ts = max(ts, self.c.last_ts)
        if _append(&self.c.rx, data, <uint32_t>length, ts, <uint32_t>wire_len) < 0:
            raise MemoryError
        self.c.last_ts = ts
        return length

    def push(self, const uint8_t[::1] frame not None, uint64_t ts=0, wire_len=None) -> None:
        """Queues a frame (bytes or any buffer of octets) that arrives at `ts` nanoseconds.

        A time before that of the frame in front counts as the same time. `wire_len` is what the
        frame had on the wire if it is more than what is here. Raises ValueError if the frame is
        longer than 262,144 octets or than its wire length, or `ts` out of range.
        """
        cdef uint64_t length = frame.shape[0]
        self._push(&frame[0] if length else NULL, length, ts,
                   length if wire_len is None else wire_len)

    def push_many(self, frames, uint64_t ts=0, uint64_t gap=0) -> int:
        """Queues an iterable of frames, `gap` nanoseconds apart. Returns how many."""
        cdef int count = 0
        for frame in frames:
            self.push(frame, ts + count * gap)
            count += 1
        return count

    def push_arrays(self, const uint8_t[::1] buffer not None, const uint64_t[::1] offsets not None,
                    const uint64_t[::1] lengths not None, ts=None) -> int:
        """Queues the frames at `offsets` of `buffer`; `ts` is an array of uint64 or None for 0.

        Returns how many. Raises ValueError, with the frames before it queued, at a frame that is
        not inside the buffer.
        """
        cdef const uint64_t[::1] times = ts
        cdef uint64_t size = buffer.shape[0]
        cdef Py_ssize_t i
        if offsets.shape[0] != lengths.shape[0] or (
                ts is not None and times.shape[0] != offsets.shape[0]):
            raise ValueError("offsets, lengths and times differ in number")
        for i in range(offsets.shape[0]):
            if offsets[i] > size or lengths[i] > size - offsets[i]:
                raise ValueError(f"frame {i} is not inside the buffer")
            self._push(&buffer[offsets[i]] if lengths[i] else NULL, lengths[i],
                       0 if ts is None else times[i], lengths[i])
        return offsets.shape[0]

    def rewind(self) -> None:
        """With `loop`: offers everything again from the first lap."""
        if self.c.loops:
            self.c.lap = 0
            self.c.rx.head = 0
            self.c.described = 0

    def sent(self) -> list[tuple[int, bytes]]:
        """Packets sent and not popped yet: (time in nanoseconds, octets), oldest first."""
        return self._sent(False)

    def pop_all(self) -> list[tuple[int, bytes]]:
        """Takes what sent() shows."""
        return self._sent(True)

    cdef list _sent(self, bint taken):
        cdef queue_t q
        if _copy_sent(&self.c, &q, taken) < 0:
            raise MemoryError
        try:
            return [(q.packets[i].ts, (<const char*>q.store)[q.packets[i].at:
                                                             q.packets[i].at + q.packets[i].len])
                    for i in range(q.tail)]
        finally:
            _free(&q)

    def tx_arrays(self):
        """Takes the packets sent as four numpy arrays: octets (uint8), offsets, lengths and times
        (uint64). Each packet begins at a multiple of 8 octets; what lies between them is 0."""
        import numpy

        cdef queue_t q
        cdef uint64_t i
        if _copy_sent(&self.c, &q, True) < 0:
            raise MemoryError
        buffer = numpy.empty(q.used, numpy.uint8)
        offsets = numpy.empty(q.tail, numpy.uint64)
        lengths = numpy.empty(q.tail, numpy.uint64)
        times = numpy.empty(q.tail, numpy.uint64)
        cdef uint8_t[::1] octets = buffer
        cdef uint64_t[::1] starts = offsets
        cdef uint64_t[::1] sizes = lengths
        cdef uint64_t[::1] stamps = times
        if q.used:
            memcpy(&octets[0], q.store, q.used)
        for i in range(q.tail):
            starts[i] = q.packets[i].at
            sizes[i] = q.packets[i].len
            stamps[i] = q.packets[i].ts
        _free(&q)
        return buffer, offsets, lengths, times

    def __len__(self) -> int:
        """Frames pushed and not consumed yet; with `loop`, of this lap."""
        return self.c.rx.tail - self.c.rx.head

    @property
    def tx_waiting(self) -> int:
        """Packets sent and not popped yet."""
        return self.c.tx.tail

    @property
    def tx_packets(self) -> int:
        """Packets sent, discarded ones included."""
        return self.c.tx_packets

    @property
    def tx_octets(self) -> int:
        """Octets of the packets sent."""
        return self.c.tx_octets

    @property
    def tx_dropped(self) -> int:
        """Packets that were not taken because `tx_limit` was reached."""
        return self.c.tx_dropped

    def counts(self) -> dict[str, int]:
        """The three before, by name."""
        return {"tx_packets": self.c.tx_packets, "tx_octets": self.c.tx_octets,
                "tx_dropped": self.c.tx_dropped}

    def close(self) -> None:
        """Drops all frames and packets queued, and takes no more to send. Counters stay."""
        self.c.described = 0
        _free(&self.c.rx)
        spin_lock(&self.c.lock)
        self.c.limit = 0
        self.c.discard = False
        _free(&self.c.tx)
        spin_unlock(&self.c.lock)
