"""The engine: a data plane as Python sees it. One thread, bursts in, verdicts and packets out."""

from fastpath.address cimport ADDRESS_OCTETS, address_text, read_address
from fastpath.adjacency cimport ADJ_HOLD, ADJ_IP, ADJ_SESSION, adjacency_t
from fastpath.counters cimport (
    COUNTER_INJECTED, COUNTER_TRIGGERS_DROPPED, COUNTER_TRIGGERS_FLUSHED,
    add_count)
from fastpath.forwarding cimport Forwarding
from fastpath.lpm cimport fib_t
from fastpath.output cimport PORTS_MAX, Output, port_entry_t
from fastpath.packet cimport packet_t
from fastpath.ports.port cimport Port
from fastpath.ring cimport PuntRing, punt_t
from fastpath.session cimport session_count_t
from fastpath.transaction cimport Transaction
from fastpath.trigger cimport TriggerTable
from fastpath.types cimport BURST_MAX, DATAGRAM_MAX, INET, INET6, NH_DROP, nh_t
from fastpath.verdict cimport REASON_NONE
from fastpath.wire cimport store_be32
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport UINT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from typing import NamedTuple

import numpy as np

from fastpath.verdict import REASONS, VERDICTS

cdef enum:
    SIGNAL_STEP = 1 << 18     # packets between two looks at signals: some 10 ms


class Punt(NamedTuple):
    """A packet for the control plane."""

    verdict: str
    """`PUNT_L2TP`: data is the UDP payload; `PUNT_PPP`: a PPP frame; `PUNT_LOCAL`: an IP packet."""
    ts: int
    """Arrival, nanoseconds."""
    table: int
    source: tuple[str, int]
    """Outer IPv4 address and UDP port (0 if it has none)."""
    destination: tuple[str, int]
    nh: int
    """Adjacency of the session a PPP frame came by; 0 otherwise."""
    data: bytes


class SessionCounters(NamedTuple):
    packets_in: int
    octets_in: int
    """Inner IP octets, as the next."""
    packets_out: int
    octets_out: int
    last_ns: int
    """Engine time of the last packet either way, 0 for none yet."""
    refused: int
    """Inner packets that were dropped."""


cdef class Engine(Pipeline):
    """A data plane. Everything is called on one thread.

    adjacencies, sessions: capacity; stop_on_event: a poll ends behind the first packet that the
    control plane has to hear of, as virtual time needs it; error_rate, echo_rate: ICMP errors and
    echo replies a second.
    """

    def __cinit__(self, *, adjacencies=131072, sessions=65536, punt_ring=1 << 20,
                  trigger_keys=131072, bint stop_on_event=False, error_rate=100, echo_rate=1000,
                  seed=0):
        self.forwarding = Forwarding(adjacencies, sessions)
        self.triggers = TriggerTable(trigger_keys, seed=seed)
        self._output = Output(self.forwarding, error_rate, echo_rate)
        self._punts = PuntRing(punt_ring)
        self._ports = []
        self._stop_on_event = stop_on_event
        self._now = 0

    # Set-up ---------------------------------------------------------------------------------

    def add_table(self, name: str, address: str | None = None) -> int:
        """A virtual router's routing table; see Forwarding.add_table."""
        return self.forwarding.add_table(name, address)

    def attach(self, Port port not None, int table) -> int:
        """Takes packets of `port` into a table, and lets adjacencies send to it. Returns its
        index."""
        self.forwarding.check_table(table)
        if len(self._ports) == PORTS_MAX:
            raise MemoryError(f"all {PORTS_MAX} ports are in use")
        self._output.port[len(self._ports)].io = &port.io
        self._output.port[len(self._ports)].table = table
        self._ports.append(port)
        self._output.ports = len(self._ports)
        return len(self._ports) - 1

    def set_capture(self, recorder) -> None:
        """Records every packet once: as it left, or as received if it went no further. None ends
        it."""
        self._output.set_capture(recorder)
        self._recorder = recorder

    def transaction(self) -> Transaction:
        """Changes of routes, adjacencies and sessions; see Transaction. One at a time."""
        if self._transaction is not None:
            raise RuntimeError("a transaction is open already")
        self._transaction = Transaction(self.forwarding, self._end_transaction)
        return self._transaction

    def _end_transaction(self) -> None:
        self._transaction = None

    def resolve(self, int table, str destination) -> int:
        """Next hop index of an address as packets see it now; 0 for no route."""
        cdef uint8_t[ADDRESS_OCTETS] octets
        cdef int family = INET6 if ":" in destination else INET
        cdef fib_t* fib
        cdef nh_t nh = NH_DROP
        self.forwarding.check_table(table)
        read_address(family, destination, octets)
        fib = self.forwarding.table[table].v4
        if family == INET6:
            fib = self.forwarding.table[table].v6
        fib.lookup(fib.version, octets, &nh, 1)
        return nh

    @property
    def now_ns(self) -> int:
        """Time of the packet handled last, or as the control plane said since."""
        return self._now

    # Packets --------------------------------------------------------------------------------

    def poll(self, int port, int most=BURST_MAX, until_ns: int | None = None) -> int:
        """One burst of at most `most` packets, none later than `until_ns`, from one port.

        Returns how many packets were handled, -1 if the port is damaged (see its error()).
        """
        cdef uint64_t until = UINT64_MAX if until_ns is None else until_ns
        cdef int n
        if port < 0 or port >= self._output.ports:
            raise KeyError(f"port {port} is not attached; there are {self._output.ports}")
        if most < 1 or most > BURST_MAX:
            raise ValueError(f"most {most} is not 1..{BURST_MAX}")
        with nogil:
            n = self._poll(port, most, until)
        return n

    def run(self, int port, until_ns: int | None = None, limit: int | None = None) -> int:
        """Bursts from one port until it has no packet at or before `until_ns`, a punt or an
        admitted trigger waits for the control plane, or `limit` packets were handled.

        Returns and raises as poll(); a signal whose handler raises ends it between two bursts.
        """
        cdef uint64_t until = UINT64_MAX if until_ns is None else until_ns
        cdef uint64_t left = UINT64_MAX if limit is None else limit
        cdef uint64_t done = 0
        cdef int64_t n
        if port < 0 or port >= self._output.ports:
            raise KeyError(f"port {port} is not attached; there are {self._output.ports}")
        while left > 0:
            with nogil:
                n = self._run(port, until, min(left, <uint64_t>SIGNAL_STEP))
            if n <= 0:
                return n if done == 0 else done
            done += n
            left -= n
            if n < SIGNAL_STEP or self._events:
                break
            PyErr_CheckSignals()
        return done

    def step(self, until_ns: int | None = None) -> int:
        """One burst from each port. Returns how many packets were handled."""
        return sum(max(0, self.poll(i, until_ns=until_ns)) for i in range(self._output.ports))

    def entry(self) -> tuple[int, int]:
        """How C code takes a burst: the address of `int poll(void* worker, int port, int most)`,
        which needs no GIL, and the worker to pass. Valid as long as this object lives."""
        return <size_t>&poll_entry, <size_t><void*>self

    # Control --------------------------------------------------------------------------------

    def punts(self, int most=1024) -> list[Punt]:
        """Up to `most` packets for the control plane, oldest first."""
        cdef punt_t* record
        cdef list out = []
        while len(out) < most:
            record = self._punts.peek()
            if record == NULL:
                break
            data = (<uint8_t*>record)[sizeof(punt_t):sizeof(punt_t) + record.len]
            out.append(Punt(VERDICTS[record.verdict], record.ts, record.table,
                            (_dotted(record.source), record.source_port),
                            (_dotted(record.destination), record.destination_port),
                            record.nh, data))
            self._punts.pop()
        return out

    def inject(self, bytes frame not None, nh: int, now_ns: int | None = None) -> None:
        """Sends for the control plane: an IPv4 packet over an `ip` adjacency, or a PPP frame, with
        its PPP header, inside a session. Raises KeyError for another adjacency, ValueError for a
        frame that does not fit.
        """
        cdef adjacency_t* a = self.forwarding.adjacencies.get(nh)
        cdef packet_t* p
        cdef const uint8_t* octets = frame
        cdef int reason = REASON_NONE
        if a.kind != ADJ_IP and a.kind != ADJ_SESSION:
            raise KeyError(f"next hop {nh} sends nothing")
        if not 1 <= len(frame) <= DATAGRAM_MAX - 64:
            raise ValueError(f"a frame of {len(frame)} octets is not 1..{DATAGRAM_MAX - 64}")
        if now_ns is not None:
            self._now = now_ns
        p = self._output.make(len(frame), self._now)
        memcpy(p.data, octets, len(frame))
        p.len = len(frame)
        self._output.comment = b"control"
        if a.kind == ADJ_SESSION:
            self._output.encapsulate(p, a)
        else:
            reason = self._output.send(p, a)
        self._output.comment = NULL
        self._output.flush()
        if reason != REASON_NONE:
            raise ValueError(f"a packet of {len(frame)} octets is over the next hop's MTU of"
                             f" {a.mtu} and cannot be cut: {REASONS[reason]}")
        add_count(self._output.counters, COUNTER_INJECTED, 1)

    def flush_trigger(self, key: int, nh: int, now_ns: int | None = None) -> int:
        """Sends what is buffered for a key over a session, in order of arrival, and ends its hold.

        The key is gone afterwards. Returns how many packets were sent. Raises KeyError for a stale
        key or a next hop that is not a session.
        """
        cdef adjacency_t* a = self.forwarding.adjacencies.get(nh)
        cdef packet_t* p
        cdef uint32_t index = key & 0xFFFFFFFF
        cdef int waiting = self.triggers.buffered(key)
        cdef int sent = 0
        if a.kind != ADJ_SESSION:
            raise KeyError(f"next hop {nh} is not a session")
        if now_ns is not None:
            self._now = now_ns
        self._output.comment = b"TRIGGER flushed"
        for _ in range(waiting):
            p = self._take(index, True)
            if self._output.forward_held(p, a, self._now):
                sent += 1
            else:
                self._record_dropped(p)
        self._output.comment = NULL
        add_count(self._output.counters, COUNTER_TRIGGERS_FLUSHED, sent)
        add_count(self._output.counters, COUNTER_TRIGGERS_DROPPED, waiting - sent)
        self._output.flush()
        if a.flags & ADJ_HOLD and self.forwarding.adjacencies.side[<nh_t> nh].hold == key:
            a.flags &= ~<uint8_t>ADJ_HOLD
        self.triggers.finish(key)
        return sent

    def drop_trigger(self, key: int, bint forget=True) -> int:
        """Gives up what is buffered for a key. With `forget` the key goes too, and the next packet
        is a new event; else later packets are discarded. Returns how many packets were dropped.
        """
        cdef packet_t* p
        cdef uint32_t index = key & 0xFFFFFFFF
        cdef int dropped = self.triggers.buffered(key)
        for _ in range(dropped):
            p = self._take(index, False)
            self._record_dropped(p)
        self._output.flush()
        add_count(self._output.counters, COUNTER_TRIGGERS_DROPPED, dropped)
        if forget:
            self.triggers.forget(key)
        else:
            self.triggers.discard(key)
        return dropped

    cdef void _record_dropped(self, packet_t* p) noexcept nogil:
        if self._output.capture != NULL:
            self._output.record_received(p, b"TRIGGER dropped")

    cdef packet_t* _take(self, uint32_t index, bint flushed) noexcept nogil:
        cdef packet_t* p = self._output.make(DATAGRAM_MAX, self._now)
        p.len = self.triggers.take(index, p, flushed)
        p.frame_len = p.wire_len = p.len
        return p

    # Counters -------------------------------------------------------------------------------

    def counters(self) -> np.ndarray:
        """All counters as one live record (see fastpath.counters.DTYPE); copy it to keep a moment.
        """
        return self._output.record[0]

    def port_counters(self, int port) -> dict[str, int]:
        """Packets and octets received, sent and refused by a port."""
        cdef port_entry_t* entry
        if port < 0 or port >= self._output.ports:
            raise KeyError(f"port {port} is not attached")
        entry = &self._output.port[port]
        return {"name": self._ports[port].name,
                "rx_packets": entry.rx_packets, "rx_octets": entry.rx_octets,
                "tx_packets": entry.tx_packets, "tx_octets": entry.tx_octets,
                "tx_refused": entry.tx_refused}

    def session_counters(self, nh: int) -> SessionCounters:
        """What a session has carried. Raises KeyError for a next hop that is not a session."""
        cdef adjacency_t* a = self.forwarding.adjacencies.get(nh)
        cdef session_count_t* received
        cdef session_count_t* sent
        if a.kind != ADJ_SESSION:
            raise KeyError(f"next hop {nh} is not a session")
        received = &self._output.counts.received[a.session]
        sent = &self._output.counts.sent[a.session]
        return SessionCounters(received.packets, received.octets, sent.packets, sent.octets,
                               max(received.last_ns, sent.last_ns), received.refused)


cdef int poll_entry(void* worker, int port, int most) noexcept nogil:
    return (<Engine>worker)._poll(port, most, UINT64_MAX)


cdef str _dotted(uint32_t address):
    cdef uint8_t[4] octets
    store_be32(octets, address)
    return address_text(INET, octets)
