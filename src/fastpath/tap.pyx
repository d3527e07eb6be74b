"""Taps: copies of what passes the workers of an engine, each packet once, in the form in which it
left or, if it went no further, as it was received."""

cimport cython
from fastpath.engine cimport Engine
from fastpath.packet cimport LINK_ETHERNET, LINK_IPV4, LINK_IPV6, LINK_RAW
from fastpath.packet_filter cimport PacketFilter, filter_op_t, filter_run
from fastpath.ports.capture_output cimport CaptureWriter
from fastpath.ports.linktype cimport link_number
from fastpath.ring cimport OctetRing
from fastpath.sampler cimport Sampler
from fastpath.orders cimport ORDER_RECORD, ORDER_SAMPLE
from fastpath.worker cimport Worker
from libc.stdint cimport UINT64_MAX, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    TAPS_MAX = 64
    SNAPLEN_MAX = 65535 + 64


cdef void _record(void* state, uint64_t ts, const uint8_t* data, uint32_t length,
                  uint32_t wire_len, uint8_t link, uint16_t port, int outbound,
                  const char* comment) noexcept nogil:
    cdef tap_t* tap = <tap_t*>state
    cdef const filter_op_t* program
    cdef uint32_t kept
    cdef uint64_t need
    cdef tapped_t* record
    tap.seen += 1
    if not tap.ports >> (port & 63) & 1:
        return
    if tap.ethernet != NULL:
        if link == LINK_ETHERNET:
            program = tap.ethernet
        elif link == LINK_RAW or link == LINK_IPV4 or link == LINK_IPV6:
            program = tap.raw
        else:
            return
        if filter_run(program, data, length, wire_len) == 0:
            return
    kept = min(length, tap.snaplen)
    need = (sizeof(tapped_t) + kept + 7) & ~<uint64_t>7
    record = <tapped_t*>(<OctetRing>tap.ring).room(need)
    if record == NULL:
        tap.missed += 1
        return
    record.ts = ts
    record.comment = comment
    record.size = <uint32_t>need
    record.len = kept
    record.wire_len = max(wire_len, length)
    record.port = port
    record.link = link
    record.outbound = outbound
    memcpy(record + 1, data, kept)
    (<OctetRing>tap.ring).publish(need)
    tap.taken += 1


@cython.final
cdef class Tap:
    """One worker's. `filters`: programs for packets behind an Ethernet header and for bare IP
    packets; packets with another link header never pass a filter. `ports`: engine's indexes, None
    for all. `ring`: octets, a power of two. Raises ValueError for numbers out of range."""

    def __cinit__(self, *, filters=None, ports=None, int snaplen=SNAPLEN_MAX,
                  uint64_t ring=1 << 22):
        if not 1 <= snaplen <= SNAPLEN_MAX:
            raise ValueError(f"snaplen {snaplen} is not 1..{SNAPLEN_MAX}")
        self._ring = OctetRing(ring)
        self.c.ring = <void*>self._ring
        self.c.snaplen = snaplen
        self.c.ports = UINT64_MAX
        if ports is not None:
            self.c.ports = 0
            for port in ports:
                if not 0 <= port < 64:
                    raise ValueError(f"port {port} is not 0..63")
                self.c.ports |= <uint64_t>1 << <int>port
        if filters is not None:
            self._ethernet, self._raw = filters
            self.c.ethernet, self.c.raw = self._ethernet.ops, self._raw.ops
        self.io.state = &self.c
        self.io.record = _record

    def counts(self) -> dict[str, int]:
        """Packets seen, taken by the filter, and missed for want of room."""
        return {"seen": self.c.seen, "taken": self.c.taken, "missed": self.c.missed}


def drain(list taps not None, CaptureWriter writer not None, int most=1024,
          uint64_t octets=UINT64_MAX) -> int:
    """Moves packets of several taps into a capture, by their times: up to `most` of them, and no
    more once `octets` were moved. How many were.

    Port p is interface 2 p for bare IP packets and 2 p + 1 for others: so each interface has one
    link type. One thread at a time.
    """
    cdef const tapped_t* heads[TAPS_MAX]
    cdef uint8_t raw = link_number("raw")
    cdef uint64_t moved = 0
    cdef int done = 0
    cdef int n = len(taps)
    cdef int i, first
    cdef bint bare
    cdef Tap tap
    if n > TAPS_MAX:
        raise ValueError(f"{n} taps, at most {TAPS_MAX} are drained together")
    for i, tap in enumerate(taps):
        heads[i] = <const tapped_t*>tap._ring.oldest()
    while done < most and moved < octets:
        first = -1
        for i in range(n):
            if heads[i] != NULL and (first < 0 or heads[i].ts < heads[first].ts):
                first = i
        if first < 0:
            break
        record = heads[first]
        bare = record.link in (LINK_RAW, LINK_IPV4, LINK_IPV6)
        writer.io.record(writer.io.state, record.ts, <const uint8_t*>(record + 1), record.len,
                         record.wire_len, raw if bare else record.link,
                         <uint16_t>(2 * record.port + (not bare)), record.outbound,
                         record.comment)
        moved += record.size
        done += 1
        tap = taps[first]
        tap._ring.release(record.size)
        heads[first] = <const tapped_t*>tap._ring.oldest()
    return done


def new_taps(Engine engine not None, **options) -> list[Tap]:
    """One tap for each worker of the engine."""
    return [Tap(**options) for _ in engine._workers]


def new_samplers(Engine engine not None, int room, **options) -> list[Sampler]:
    """One sampler for each worker of the engine."""
    return [Sampler(room, **options) for _ in engine._workers]


def tap_workers(Engine engine not None, taps) -> None:
    """Each worker of the engine records into its own tap from now on, None: into none. Workers may
    run meanwhile: when this returns, none uses what it had before; the caller keeps taps alive
    until then. ValueError unless there is one for each worker."""
    cdef Worker worker
    cdef Tap tap
    _check_number(engine, taps)
    for i, worker in enumerate(engine._workers):
        tap = None if taps is None else taps[i]
        worker.look_on(ORDER_RECORD, NULL if tap is None else <void*>&tap.io)


def sample_workers(Engine engine not None, samplers) -> None:
    """The same for samples of packets (sampler.pyx)."""
    cdef Worker worker
    cdef Sampler sampler
    _check_number(engine, samplers)
    for i, worker in enumerate(engine._workers):
        sampler = None if samplers is None else samplers[i]
        worker.look_on(ORDER_SAMPLE, NULL if sampler is None else <void*>&sampler.c)


cdef int _check_number(Engine engine, given) except -1:
    if given is not None and len(given) != len(engine._workers):
        raise ValueError(f"{len(given)} for {len(engine._workers)} workers")
    return 0
