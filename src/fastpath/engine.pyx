"""The engine: a data plane as Python sees it. Bursts in, verdicts and packets out."""

cimport cython
from fastpath.address cimport ADDRESS_OCTETS, addr_text, read_address
from fastpath.adjacency cimport ADJ_IP, ADJ_SESSION, adjacency_t
from fastpath.atomic cimport (
    ATOMIC_ACQUIRE, ATOMIC_RELEASE, atomic_exchange_u32, atomic_store_u32)
from fastpath.filters cimport FilterTable
from fastpath.forwarding cimport Forwarding
from fastpath.orders cimport (
    ORDER_DROP, ORDER_EARLY, ORDER_FLUSH, ORDER_INJECT, ORDER_RESOLVE, ORDER_SEND, order_t)
from fastpath.transmit cimport PORTS_MAX
from fastpath.ports.port cimport Port
from fastpath.ring cimport PuntRing, punt_t
from fastpath.session cimport session_count_t
from fastpath.transaction cimport Transaction
from fastpath.trigger cimport TriggerTable
from fastpath.types cimport BURST_MAX, DATAGRAM_MAX, INET, INET6
from fastpath.update cimport Update
from fastpath.verdict cimport REASON_NONE
from fastpath.worker cimport Worker
from libc.stdint cimport uint8_t, uint32_t

from typing import NamedTuple

import numpy as np

from fastpath.counters import DTYPE
from fastpath.verdict import REASONS, VERDICTS
from fastpath.worker_state import WorkerState, worker_states

class Punt(NamedTuple):
    """A packet for the control plane."""

    verdict: str
    """`PUNT_L2TP`: data is the UDP payload; `PUNT_PPP`: a PPP frame; `PUNT_LOCAL`: an IP packet."""
    ts: int
    """Arrival, nanoseconds."""
    table: int
    source: tuple[str, int]
    """Outer IP address and UDP port (0 if it has none)."""
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


@cython.no_gc_clear       # __dealloc__ needs what it refers to
cdef class Engine:
    """A data plane. Control calls it on one thread; its workers may run on others.

    adjacencies, sessions: capacity; stop_on_event: a poll ends behind the first packet that the
    control plane has to hear of, as virtual time needs it; early_rate: LCP frames of no session
    that control gets a second, of each worker, because it may be about to set that up; error_rate,
    echo_rate: ICMP errors and echo replies a second, of each worker; punt_ring: octets of each
    worker's ring.
    """

    def __cinit__(self, *, adjacencies=131072, sessions=65536, punt_ring=1 << 20,
                  trigger_keys=131072, bint stop_on_event=False, error_rate=100, echo_rate=1000,
                  early_rate=0, seed=0, retired=1 << 28, stall_ns=1000000000):
        self.forwarding = Forwarding(adjacencies, sessions, retired, stall_ns)
        self.update = Update(self.forwarding)
        self.triggers = TriggerTable(trigger_keys, seed=seed)
        self.filters = FilterTable(self.forwarding)
        self._tables = []
        self._options = (self.forwarding, error_rate, echo_rate, self.triggers, self.filters,
                         punt_ring, early_rate, self._tables)
        self._workers = []
        self.worker = self.add_worker(stop_on_event=stop_on_event)

    # Set-up ---------------------------------------------------------------------------------

    def add_table(self, name: str, address: str | None = None,
                  address6: str | None = None) -> int:
        """A virtual router's routing table; see Forwarding.add_table."""
        return self.forwarding.add_table(name, address, address6)

    def attach(self, Port port not None, int table) -> int:
        """Takes packets of `port` into a table, and lets adjacencies send to it. Returns its
        index. It is worker 0 that uses `port`; others bring a Port of their own for the index."""
        cdef int index = (self._tables.index(None) if None in self._tables
                          else len(self._tables))
        self.forwarding.check_table(table)
        if index == PORTS_MAX:
            raise MemoryError(f"all {PORTS_MAX} ports are in use")
        if index == len(self._tables):
            self._tables.append(table)
        self._tables[index] = table
        for worker in self._workers:
            worker.reset_port(index)
        self.worker.attach(index, port)
        return index

    def detach(self, int port) -> None:
        """Takes a port away from all workers; it may be closed then. Nothing may lead to it any
        more, for the next one attached may get its index. KeyError if there is no such port."""
        if not 0 <= port < len(self._tables) or self._tables[port] is None:
            raise KeyError(f"port {port} is not attached; there are {len(self._tables)}")
        for worker in self._workers:
            if worker.has_port(port):
                worker.detach(port)
        self._tables[port] = None

    def add_worker(self, *, bint stop_on_event=False) -> Worker:
        """One more worker, for a thread of its own. MemoryError beyond 64."""
        if len(self._workers) == WORKERS_MAX:
            raise MemoryError(f"all {WORKERS_MAX} workers are in use")
        worker = Worker(*self._options, stop_on_event)
        self._workers.append(worker)
        self.worker_at[self.worker_count] = <void*>worker
        atomic_store_u32(&self.worker_count, self.worker_count + 1, ATOMIC_RELEASE)
        return worker

    def set_capture(self, recorder) -> None:
        """Records every packet of worker 0 once: as it left, or as received if it went no further.
        None ends it."""
        self.worker.set_capture(recorder)
        self._recorder = recorder

    def transaction(self) -> Transaction:
        """Changes of routes, adjacencies and sessions; see Transaction. One at a time: another
        thread waits, RuntimeError if this one has one open."""
        return Transaction(self.update)

    def workers(self) -> list[WorkerState]:
        """Where the workers are; one that does not pass keeps memory from being used again."""
        return worker_states(self.forwarding)

    @property
    def retired(self) -> int:
        """Octets, about, that wait until no worker looks at them any more."""
        return self.forwarding.retired_octets()

    def resolve(self, int table, str destination) -> int:
        """Next hop index of an address as packets see it now; 0 for no route."""
        cdef uint8_t[ADDRESS_OCTETS] octets
        cdef int family = INET6 if ":" in destination else INET
        cdef order_t order
        self.forwarding.check_table(table)
        read_address(family, destination, octets)
        order.what = ORDER_RESOLVE
        order.table = table
        order.frame = octets
        order.length = family
        self._give(&order, None)
        return order.result

    @property
    def now_ns(self) -> int:
        """Time of the packet handled last, or as the control plane said since."""
        return self.worker._now

    # Packets --------------------------------------------------------------------------------

    def poll(self, int port, int most=BURST_MAX, until_ns: int | None = None) -> int:
        """A burst for worker 0; see Worker.poll."""
        return self.worker.poll(port, most, until_ns)

    def run(self, int port, until_ns: int | None = None, limit: int | None = None) -> int:
        """Bursts for worker 0; see Worker.run."""
        return self.worker.run(port, until_ns, limit)

    def step(self, until_ns: int | None = None) -> int:
        """One burst from each port for worker 0. Returns how many packets were handled."""
        return sum(max(0, self.poll(i, until_ns=until_ns)) for i, table in enumerate(self._tables)
                   if table is not None)

    def entry(self) -> tuple[int, int]:
        """How C code takes a burst for worker 0; see Worker.entry."""
        return self.worker.entry()

    # Control --------------------------------------------------------------------------------

    def punts(self, int most=1024) -> list[Punt]:
        """Up to `most` packets for the control plane: of each worker in turn, its oldest first.
        None while another thread takes them. A PUNT_PPP of next hop 0 is for early_frame()."""
        cdef const punt_t* record
        cdef PuntRing ring
        cdef Worker worker
        cdef list out = []
        if atomic_exchange_u32(&self.reading, 1, ATOMIC_ACQUIRE):
            return out
        try:
            for turn in range(len(self._workers)):
                worker = self._workers[(self.first + turn) % len(self._workers)]
                ring = worker._punts
                while len(out) < most:
                    record = ring.peek()
                    if record == NULL:
                        break
                    out.append(_punt(record))
                    ring.pop()
            # Of a flood of one worker the others' do not have to wait.
            self.first = (self.first + 1) % len(self._workers)
        finally:
            atomic_store_u32(&self.reading, 0, ATOMIC_RELEASE)
        return out

    def early_frame(self, bytes packet not None, *, bint last=False) -> tuple[int, bytes] | None:
        """The session, by its next hop, and the PPP frame of a packet that was punted because it
        was of no session; None: there still is none. With `last` that is counted as a drop."""
        cdef const uint8_t* octets = packet
        cdef order_t order
        order.what = ORDER_EARLY
        order.frame = octets
        order.length = <uint32_t>len(packet)
        order.forget = last
        self._give(&order, None)
        if order.result == 0:
            return None
        return order.result, packet[order.frame - octets:order.frame - octets + order.length]

    def inject(self, bytes frame not None, nh: int, now_ns: int | None = None, *,
               bint wait=False) -> None:
        """Sends for the control plane: an IP packet over an `ip` adjacency, or a PPP frame, with
        its PPP header, inside a session. With `wait` it leaves together with others, at send() at
        the latest, and never behind what is sent by that port later. Raises KeyError for another
        adjacency, ValueError for a frame that does not fit.
        """
        cdef adjacency_t* a = self.forwarding.adjacencies.get(nh)
        cdef order_t order
        if a.kind != ADJ_IP and a.kind != ADJ_SESSION:
            raise KeyError(f"next hop {nh} sends nothing")
        if not 1 <= len(frame) <= DATAGRAM_MAX - 64:
            raise ValueError(f"a frame of {len(frame)} octets is not 1..{DATAGRAM_MAX - 64}")
        order.what = ORDER_INJECT
        order.nh = nh
        order.frame = frame
        order.length = <uint32_t>len(frame)
        order.waits = wait
        self._give(&order, now_ns)
        if order.result != REASON_NONE:
            raise ValueError(f"a packet of {len(frame)} octets is over the next hop's MTU of"
                             f" {a.mtu} and cannot be cut: {REASONS[order.result]}")

    def send(self) -> None:
        """Sends what waits: one burst by each port."""
        cdef order_t order
        order.what = ORDER_SEND
        self._give(&order, None)

    def flush_trigger(self, key: int, nh: int, now_ns: int | None = None) -> int:
        """Sends what is buffered for a key over a session, in order of arrival, and ends its hold.

        The key is gone afterwards. Returns how many packets were sent. Raises KeyError for a stale
        key or a next hop that is not a session.
        """
        cdef adjacency_t* a = self.forwarding.adjacencies.get(nh)
        cdef order_t order
        self.triggers.index_of(key)
        if a.kind != ADJ_SESSION:
            raise KeyError(f"next hop {nh} is not a session")
        order.what = ORDER_FLUSH
        order.nh = nh
        order.key = key
        self._give(&order, now_ns)
        return order.result

    def drop_trigger(self, key: int, bint forget=True) -> int:
        """Gives up what is buffered for a key. With `forget` the key goes too, and the next packet
        is a new event; else later packets are discarded. Returns how many packets were dropped.
        """
        cdef order_t order
        self.triggers.index_of(key)
        order.what = ORDER_DROP
        order.nh = 0
        order.key = key
        order.forget = forget
        self._give(&order, None)
        return order.result

    cdef Worker asked(self):
        """A worker without ports and orders, for looking at tables from any thread."""
        if self.asker is None:
            self.asker = Worker(*self._options, False)
        return self.asker

    cdef int _give(self, order_t* order, now_ns) except -1:
        """Has worker 0 carry out an order, whichever thread is in it, and waits for it."""
        order.timed = now_ns is not None
        order.now = now_ns if now_ns is not None else 0
        with nogil:
            self.worker.obey(order)
        return 0

    # Counters -------------------------------------------------------------------------------

    def counters(self) -> np.ndarray:
        """All counters as one record (see fastpath.counters.DTYPE). Of one worker it is live: copy
        it to keep a moment. Of several it is their sum now."""
        if len(self._workers) == 1:
            return self.worker.counters()
        total = np.zeros(1, dtype=DTYPE)
        for worker in self._workers:
            total.view(np.uint64)[:] += worker.record.view(np.uint64)
        return total[0]

    def port_counters(self, int port) -> dict[str, int]:
        """Packets and octets received, sent and refused by a port, its name that of worker 0's."""
        total = self.worker.port_counters(port)
        for worker in self._workers[1:]:
            if worker.has_port(port):
                counts = worker.port_counters(port)
                total.update({name: total[name] + n for name, n in counts.items()
                              if name != "name"})
        return total

    def session_counters(self, nh: int) -> SessionCounters:
        """What a session has carried. Raises KeyError for a next hop that is not a session."""
        cdef adjacency_t* a = self.forwarding.adjacencies.get(nh)
        cdef session_count_t received, sent
        if a.kind != ADJ_SESSION:
            raise KeyError(f"next hop {nh} is not a session")
        received = self.forwarding.count_of(a.session, False)
        sent = self.forwarding.count_of(a.session, True)
        return SessionCounters(received.packets, received.octets, sent.packets, sent.octets,
                               max(received.last_ns, sent.last_ns), received.refused)


cdef object _punt(const punt_t* record):
    data = (<const uint8_t*>(record + 1))[:record.len]
    return Punt(VERDICTS[record.verdict], record.ts, record.table,
                (addr_text(&record.source), record.source_port),
                (addr_text(&record.destination), record.destination_port),
                record.nh, data)
