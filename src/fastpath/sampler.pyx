"""Samples of packets as they pass the pipeline, and what became of them."""

cimport cython
from fastpath.atomic cimport ATOMIC_ACQUIRE, ATOMIC_RELEASE, atomic_load_u32, atomic_store_u32
from fastpath.packet cimport (
    LINK_ETHERNET, LINK_IPV4, LINK_IPV6, LINK_RAW, PKT_DECAPPED, packet_t)
from fastpath.packet_filter cimport PacketFilter, filter_op_t, filter_run
from fastpath.verdict cimport VERDICT_DROP
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from typing import NamedTuple

from fastpath.ports.linktype import LINKS
from fastpath.verdict import REASONS, VERDICTS


class Sample(NamedTuple):
    """A packet that passed."""

    ts: int
    """Arrival, nanoseconds."""
    port: int
    link: str
    frame: bytes
    """As it was received, its first 1,920 octets."""
    wire_len: int
    verdict: str
    reason: str
    """Drop reason, `none` for another verdict."""
    table: int
    nh: int
    """Next hop of its last lookup."""
    decapsulated: bool


cdef inline bint _wanted(const sampler_t* s, const packet_t* p) noexcept nogil:
    cdef const filter_op_t* program
    if s.ethernet == NULL:
        return True
    if p.link == LINK_ETHERNET:
        program = s.ethernet
    elif p.link == LINK_RAW or p.link == LINK_IPV4 or p.link == LINK_IPV6:
        program = s.raw
    else:
        return False
    return filter_run(program, p.frame, p.frame_len, p.wire_len) != 0


cdef int sample_before(sampler_t* s, const packet_t* burst, int n, int port,
                       uint8_t* at) noexcept nogil:
    cdef sample_t* sample
    cdef int taken = 0
    cdef int i
    for i in range(n):
        if s.used + taken == s.room:
            break
        if not _wanted(s, &burst[i]):
            continue
        sample = &s.samples[s.used + taken]
        sample.packet = burst[i]
        sample.packet.port = port
        sample.kept = min(burst[i].frame_len, <uint32_t>SAMPLE_OCTETS)
        memcpy(sample.frame, burst[i].frame, sample.kept)
        at[taken] = <uint8_t>i
        taken += 1
    return taken


cdef void sample_behind(sampler_t* s, const packet_t* burst, int done, const uint8_t* at,
                        int taken) noexcept nogil:
    cdef sample_t* sample
    cdef uint32_t whole = 0
    while whole < <uint32_t>taken and at[whole] < done:
        sample = &s.samples[s.used + whole]
        sample.packet.verdict = burst[at[whole]].verdict
        sample.packet.reason = burst[at[whole]].reason
        sample.packet.table = burst[at[whole]].table
        sample.packet.nh = burst[at[whole]].nh
        sample.packet.flags = burst[at[whole]].flags
        whole += 1
    atomic_store_u32(&s.used, s.used + whole, ATOMIC_RELEASE)


@cython.final
cdef class Sampler:
    """Room for the first `room` packets that `filters` takes (as Tap has them). Raises ValueError
    for a number out of range."""

    def __cinit__(self, int room, *, filters=None):
        if not 1 <= room <= SAMPLES_MAX:
            raise ValueError(f"room for {room} samples is not 1..{SAMPLES_MAX}")
        self.c.samples = <sample_t*>calloc(room, sizeof(sample_t))
        if self.c.samples == NULL:
            raise MemoryError
        self.c.room = room
        if filters is not None:
            self._ethernet, self._raw = filters
            self.c.ethernet, self.c.raw = self._ethernet.ops, self._raw.ops

    def __dealloc__(self):
        free(self.c.samples)

    @property
    def used(self) -> int:
        """Samples that are there."""
        return atomic_load_u32(&self.c.used, ATOMIC_ACQUIRE)

    @property
    def room(self) -> int:
        return self.c.room

    def samples(self, uint32_t start=0) -> list[Sample]:
        """Those from `start` on, oldest first. It may be filled meanwhile."""
        return [_sample(&self.c.samples[i]) for i in range(start, self.used)]


cdef object _sample(const sample_t* s):
    cdef const packet_t* p = &s.packet
    return Sample(p.ts, p.port, LINKS[p.link], s.frame[:s.kept], p.wire_len, VERDICTS[p.verdict],
                  REASONS[p.reason] if p.verdict == VERDICT_DROP else REASONS[0], p.table, p.nh,
                  bool(p.flags & PKT_DECAPPED))
