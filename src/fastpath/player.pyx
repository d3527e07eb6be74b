"""Sends what one port has by another, paced by the monotonic clock, without the GIL.

Packets are sent in bursts of what is due: at a rate, the n-th one n / rate seconds after the
beginning; by the times of a capture, each at its time divided by the speed. Who is late catches up.
What the sink refuses is counted and not tried again, unless it is to be as fast as it goes: then a
full sink is waited for, but not for ever. What cannot be sent at all is skipped. Where nothing is
due, the thread sleeps, and spins for the last moment: a sleep ends some 50 us late.
"""

cimport cython
from fastpath.packet cimport LINK_ETHERNET, packet_t
from fastpath.parse cimport parse_link
from fastpath.ports.capture_output cimport CaptureWriter
from fastpath.ports.port cimport Port
from fastpath.types cimport BURST_MAX, DATAGRAM_MAX, HEADROOM
from fastpath.verdict cimport REASON_NONE
from fastpath.wire cimport IPV4_HEADER, IPV6_HEADER, load_be16
from libc.stdint cimport uint8_t, uint32_t, uint64_t, UINT64_MAX
from libc.stdlib cimport free
from libc.string cimport memcpy, memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cdef extern from "<stdlib.h>" nogil:
    void* aligned_alloc(size_t alignment, size_t size)

cdef extern from "<time.h>" nogil:
    enum: TIMER_ABSTIME
    int clock_nanosleep(int clock, int flags, const timespec* until, timespec* left)

cdef enum:
    _LINE = 64
    _ARENA = 1 << 20          # copies of a burst; it is sent earlier where they do not fit
    _SECOND = 1000000000
    _SPIN = 80000             # nanoseconds before the time for which a sleep would be too long
    _PAUSE = 50000            # nanoseconds between two tries of a full sink
    _TRIES = 400
    _STEP = 50000000          # nanoseconds after which Python may look at signals


cdef uint64_t _now() noexcept nogil:
    cdef timespec at
    clock_gettime(CLOCK_MONOTONIC, &at)
    return <uint64_t>at.tv_sec * _SECOND + <uint64_t>at.tv_nsec


cdef void _sleep_until(uint64_t time) noexcept nogil:
    cdef timespec at
    if time > _now() + 2 * _SPIN:
        at.tv_sec = (time - _SPIN) // _SECOND
        at.tv_nsec = (time - _SPIN) % _SECOND
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL)
    while _now() < time:
        pass


@cython.final
cdef class Player:
    """Sends to `sink`: of each frame its IP packet, or with `frames` all of it, where it is whole
    Ethernet. A CaptureWriter for a sink gets every frame, with the time at which it was sent.

    speed: of the times of what is sent, 1.0 for real time; rate: packets a second; with neither, as
    fast as it goes. One thread at a time may use it, and nobody else the sink meanwhile.
    """

    def __cinit__(self, sink not None, *, bint frames=False, double speed=0.0, double rate=0.0):
        self._arena = <uint8_t*>aligned_alloc(_LINE, _ARENA)
        if self._arena == NULL:
            raise MemoryError
        if isinstance(sink, CaptureWriter):
            self._file = sink
            self._capture = &(<CaptureWriter>sink).io
            self.c.form = FORM_RECORD
        else:
            self._sink = sink
            self.c.form = FORM_FRAME if frames else FORM_PACKET
        self.c.speed = speed
        self.c.rate = rate

    def __dealloc__(self):
        free(self._arena)

    def begin(self) -> None:
        """A lap begins: at once if it is the first one or is not paced, else when the one before
        is over."""
        cdef player_t* c = &self.c
        if c.start == 0:
            c.start = _now()
        elif c.rate > 0:
            c.start += <uint64_t>(c.offered * _SECOND / c.rate)
        elif c.speed > 0:
            c.start += <uint64_t>(c.last / c.speed)
        c.offered = c.last = 0

    def step(self, Port source not None, limit: int | None = None) -> bool:
        """Goes on for 50 ms at the most. False: the source is at its end (error() says whether it
        is a damaged one), or `limit` packets of it were offered."""
        cdef uint64_t most = UINT64_MAX if limit is None else limit
        cdef int more
        with nogil:
            more = self._play(source, most, _now() + _STEP)
        return more > 0

    def counts(self) -> dict[str, int]:
        """Packets and octets sent, refused by the sink, and skipped."""
        return {"packets": self.c.packets, "octets": self.c.octets, "refused": self.c.refused,
                "skipped": self.c.skipped}

    cdef int _play(self, Port source, uint64_t limit, uint64_t end) noexcept nogil:
        cdef packet_t packets[BURST_MAX]
        cdef player_t* c = &self.c
        cdef uint64_t now = _now()
        cdef uint64_t until
        cdef int n
        while now < end:
            if c.offered >= limit:
                return 0
            n = self._due(&until, now)
            if n:
                n = <int>min(<uint64_t>n, limit - c.offered)
                n = source.io.rx_burst(source.io.state, packets, n, until)
            if n > 0:
                c.offered += n
                c.last = packets[n - 1].ts
                self._give(packets, n)
                source.io.rx_consume(source.io.state, n)
            elif n < 0 or self._wait(source, end) == 0:
                return 0
            now = _now()
        return 1

    cdef int _due(self, uint64_t* until, uint64_t now) noexcept nogil:
        """How many packets are due, and those of which times."""
        cdef player_t* c = &self.c
        cdef double passed = <double>(now - c.start) if now > c.start else 0.0
        cdef double count
        until[0] = UINT64_MAX
        if now < c.start:
            return 0
        if c.speed > 0:
            until[0] = <uint64_t>min(passed * c.speed, 9e18)
        elif c.rate > 0:
            count = passed * c.rate / _SECOND + 1.0 - c.offered
            return <int>min(max(count, 0.0), <double>BURST_MAX)
        return BURST_MAX

    cdef int _wait(self, Port source, uint64_t end) noexcept nogil:
        """Until the next packet is due, `end` at the latest. 0: there is none."""
        cdef player_t* c = &self.c
        cdef uint64_t following = source.io.next_ns(source.io.state)
        cdef double after = 0.0
        if following == UINT64_MAX:
            return 0
        if c.speed > 0:
            after = following / c.speed
        elif c.rate > 0:
            after = c.offered * _SECOND / c.rate
        _sleep_until(min(end, c.start + <uint64_t>min(after + 1.0, 9e18)))
        return 1

    # Packets --------------------------------------------------------------------------------

    cdef void _give(self, packet_t* packets, int n) noexcept nogil:
        cdef packet_t* p
        cdef bint whole
        cdef int i
        for i in range(n):
            p = &packets[i]
            whole = p.wire_len <= p.frame_len
            if self.c.form == FORM_RECORD:
                self._capture.record(self._capture.state, _now(), p.frame, p.frame_len, p.wire_len,
                                     p.link, 0, 1, NULL)
                self.c.packets += 1
                self.c.octets += p.frame_len
            elif self.c.form == FORM_FRAME and p.link == LINK_ETHERNET and whole:
                self._keep(p)
            elif self.c.form == FORM_PACKET and self._packet(p):
                self._keep(p)
            else:
                self.c.skipped += 1
        self._flush()

    cdef bint _packet(self, packet_t* p) noexcept nogil:
        """Makes `data` and `len` those of the IP packet, without what pads the frame. False: there
        is none, or not all of it."""
        cdef uint32_t total = 0
        if parse_link(p) != REASON_NONE or p.len <= p.l3:
            return False
        p.data += p.l3
        p.len -= p.l3
        if p.len >= IPV4_HEADER and p.data[0] >> 4 == 4:
            total = load_be16(p.data + 2)
        elif p.len >= IPV6_HEADER and p.data[0] >> 4 == 6:
            total = IPV6_HEADER + <uint32_t>load_be16(p.data + 4)
        if total < IPV4_HEADER or total > p.len:
            return False
        p.len = total
        return True

    cdef void _keep(self, packet_t* p) noexcept nogil:
        """Copies it to where it may be changed."""
        cdef player_t* c = &self.c
        cdef uint64_t room = (HEADROOM + p.len + _LINE - 1) & ~<uint64_t>(_LINE - 1)
        cdef packet_t* copy
        if p.len > DATAGRAM_MAX:
            c.skipped += 1
            return
        if c.used + room > _ARENA:
            self._flush()
        copy = &self._copy[c.waiting]
        memset(copy, 0, sizeof(packet_t))
        copy.data = copy.frame = self._arena + c.used + HEADROOM
        copy.len = copy.frame_len = copy.wire_len = p.len
        copy.headroom = HEADROOM
        copy.ts = p.ts
        memcpy(copy.data, p.data, p.len)
        self._burst[c.waiting] = copy
        c.used += room
        c.waiting += 1

    cdef void _flush(self) noexcept nogil:
        cdef player_t* c = &self.c
        cdef int done = 0
        cdef int tries = 0
        cdef int taken, i
        while done < c.waiting:
            taken = self._sink.io.tx_burst(self._sink.io.state, self._burst + done,
                                           c.waiting - done)
            for i in range(done, done + taken):
                c.octets += self._burst[i].len
            c.packets += taken
            done += taken
            if done < c.waiting:
                if c.speed > 0 or c.rate > 0 or tries == _TRIES:
                    break
                tries += 1
                _sleep_until(_now() + _PAUSE)
        c.refused += c.waiting - done
        c.waiting = 0
        c.used = 0
