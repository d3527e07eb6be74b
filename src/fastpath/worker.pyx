"""Workers: threads that share tables and triggers, and nothing that each packet writes.

A worker is used by one thread at a time. Control gives it orders from any thread: they are carried
out at once if nobody is in it, else by its own thread between two bursts, while control waits.
"""

cimport cython
from fastpath.atomic cimport (
    ATOMIC_ACQUIRE, ATOMIC_RELAXED, ATOMIC_RELEASE, ATOMIC_SEQ_CST, atomic_exchange_u32,
    atomic_load_pointer, atomic_load_u32, atomic_store_pointer, atomic_store_u32,
    atomic_swap_pointer, sched_yield)
from fastpath.filters cimport FilterTable
from fastpath.forwarding cimport Forwarding
from fastpath.icmp cimport bucket_init
from fastpath.orders cimport ORDER_ATTACH, ORDER_RESET, Orders, order_t
from fastpath.ports.port cimport Port
from fastpath.ring cimport PuntRing
from fastpath.transmit cimport port_entry_t
from fastpath.trigger cimport TriggerTable
from fastpath.types cimport BURST_MAX
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport UINT64_MAX, int64_t, uint32_t, uint64_t
from posix.unistd cimport usleep

import numpy as np

cdef enum:
    SIGNAL_STEP = 1 << 18     # packets between two looks at signals: some 10 ms
    ROUNDS = 4096             # rounds over all ports between two looks at signals
    IDLE_ROUNDS = 256         # empty ones after which a worker sleeps
    IDLE_US = 50


cdef class Stop:
    """Tells workers to end: `run_until(stop)` returns soon after `stop.set()`."""

    def set(self) -> None:
        atomic_store_u32(&self._set, 1, ATOMIC_RELEASE)

    def is_set(self) -> bool:
        return bool(atomic_load_u32(&self._set, ATOMIC_ACQUIRE))


@cython.final
@cython.no_gc_clear       # __dealloc__ needs what it refers to
cdef class Worker(Orders):
    """Made by Engine.add_worker(). Ports of its own feed it, `port` being the engine's index."""

    def __cinit__(self, Forwarding forwarding not None, uint32_t error_rate, uint32_t echo_rate,
                  TriggerTable triggers not None, FilterTable filters not None,
                  uint64_t punt_ring, uint32_t early_rate, list tables not None,
                  bint stop_on_event):
        self.triggers = triggers
        self._filters = filters
        self._tables = tables
        self._punts = PuntRing(punt_ring)
        self._stop_on_event = stop_on_event
        bucket_init(&self._early, early_rate, early_rate)
        self._attached = []
        self._now = 0

    # Ports and packets ----------------------------------------------------------------------

    def attach(self, int port, Port queue not None) -> None:
        """Lets this worker receive and send by the engine's port `port`: `queue` is this worker's
        part of it. It may run meanwhile. KeyError if the engine has no such port."""
        if port < 0 or port >= len(self._tables) or self._tables[port] is None:
            raise KeyError(f"port {port} is not attached; there are {len(self._tables)}")
        self._give_port(ORDER_ATTACH, port, queue)

    def detach(self, int port) -> None:
        """Takes its part of a port away; the worker may run meanwhile. Its counters stay. KeyError
        if it has none."""
        self._check_port(port)
        self._give_port(ORDER_ATTACH, port, None)

    def reset_port(self, int port) -> None:
        """The counters of a port that it has no part of begin at 0 again."""
        if port < self.ports and self.port[port].io == NULL:
            self._give_port(ORDER_RESET, port, None)

    cdef int _give_port(self, int what, int port, Port queue) except -1:
        cdef order_t order
        order.what = what
        order.timed = False
        order.port = port
        order.io = NULL if queue is None else &queue.io
        order.table = self._tables[port] if queue is not None else 0
        while len(self._attached) <= port:
            self._attached.append(None)
        with nogil:
            self.obey(&order)
        # Until then it may have used the one before.
        self._attached[port] = queue
        return 0

    def poll(self, int port, int most=BURST_MAX, until_ns: int | None = None) -> int:
        """One burst of at most `most` packets, none later than `until_ns`, from one port.

        Returns how many packets were handled, -1 if the port is damaged (see its error()).
        RuntimeError while another thread is in the worker.
        """
        cdef uint64_t until = UINT64_MAX if until_ns is None else until_ns
        cdef int n
        self._check_port(port)
        if most < 1 or most > BURST_MAX:
            raise ValueError(f"most {most} is not 1..{BURST_MAX}")
        self._claim()
        with nogil:
            n = self.take_burst(port, most, until)
            self.leave()
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
        self._check_port(port)
        while left > 0:
            self._claim()
            with nogil:
                n = self.take_bursts(port, until, min(left, <uint64_t>SIGNAL_STEP))
                self.leave()
            if n <= 0:
                return n if done == 0 else done
            done += n
            left -= n
            if n < SIGNAL_STEP or self._events:
                break
            PyErr_CheckSignals()
        return done

    def run_until(self, Stop stop not None) -> int:
        """Bursts from all its ports in turn until `stop` is set; sleeps while there are none.

        Returns how many packets were handled; raises as poll(). The GIL is free meanwhile.
        """
        cdef uint64_t done = 0
        cdef int64_t n = 0
        cdef int empty = 0
        cdef int i
        self._claim()
        try:
            while not atomic_load_u32(&stop._set, ATOMIC_ACQUIRE):
                with nogil:
                    for i in range(ROUNDS):
                        n = self._round()
                        done += n
                        empty = 0 if n else empty + 1
                        if empty >= IDLE_ROUNDS:
                            self.offline()
                            usleep(IDLE_US)
                            self.online()
                        if atomic_load_u32(&stop._set, ATOMIC_RELAXED):
                            break
                PyErr_CheckSignals()
        finally:
            self.leave()
        return done

    cdef int64_t _round(self) noexcept nogil:
        """One burst from each port."""
        cdef int64_t done = 0
        cdef int i, n
        self._serve()
        for i in range(self.ports):
            if self.port[i].io != NULL:
                n = self.take_burst(i, BURST_MAX, UINT64_MAX)
                done += max(n, 0)
        return done

    def entry(self) -> tuple[int, int]:
        """How C code takes a burst: the address of `int poll(void* worker, int port, int most)`,
        which needs no GIL, and the worker to pass. Valid as long as this object lives."""
        return <size_t>&poll_entry, <size_t><void*>self

    def counters(self) -> np.ndarray:
        """Its counters as one live record (see fastpath.counters.DTYPE)."""
        return self.record[0]

    def port_counters(self, int port) -> dict[str, int]:
        """Packets and octets received, sent and refused by its part of a port."""
        cdef port_entry_t* entry
        self._check_port(port)
        entry = &self.port[port]
        return {"name": self._attached[port].name,
                "rx_packets": entry.rx_packets, "rx_octets": entry.rx_octets,
                "tx_packets": entry.tx_packets, "tx_octets": entry.tx_octets,
                "tx_refused": entry.tx_refused}

    def has_port(self, int port) -> bool:
        """Whether it has a part of the engine's port."""
        return 0 <= port < self.ports and self.port[port].io != NULL

    cdef int _check_port(self, port) except -1:
        if port < 0 or port >= self.ports or self.port[port].io == NULL:
            raise KeyError(f"port {port} is not attached; there are {self.ports}")
        return 0

    # Threads --------------------------------------------------------------------------------

    def _claim(self) -> None:
        if not self.enter():
            raise RuntimeError("another thread is in this worker")

    cdef bint enter(self) noexcept nogil:
        if atomic_exchange_u32(&self._taken, 1, ATOMIC_SEQ_CST):
            return False
        self.online()
        return True

    cdef void leave(self) noexcept nogil:
        while True:
            self._serve()
            self.offline()
            atomic_store_u32(&self._taken, 0, ATOMIC_SEQ_CST)
            # An order that came since then is for whoever sees it first, control included.
            if atomic_load_pointer(<const void**>&self._order, ATOMIC_SEQ_CST) == NULL:
                return
            if not self.enter():
                return

    cdef void _serve(self) noexcept nogil:
        """Carries out what control waits for. The worker is the caller's."""
        cdef order_t* order = <order_t*>atomic_load_pointer(<const void**>&self._order,
                                                            ATOMIC_ACQUIRE)
        if order != NULL:
            self._carry(order)
            atomic_store_pointer(<const void**>&self._order, NULL, ATOMIC_RELEASE)
            atomic_store_u32(&order.done, 1, ATOMIC_RELEASE)

    cdef void obey(self, order_t* order) noexcept nogil:
        """Has an order carried out, on this thread or on the one that is in the worker."""
        order.done = 0
        while not atomic_swap_pointer(<const void**>&self._order, NULL, order):
            sched_yield()
        while not atomic_load_u32(&order.done, ATOMIC_ACQUIRE):
            if self.enter():
                self.leave()
            else:
                sched_yield()

    cdef void look_on(self, int what, void* into) noexcept:
        cdef order_t order
        order.what = what
        order.into = into
        order.timed = False
        with nogil:
            self.obey(&order)


cdef int poll_entry(void* worker, int port, int most) noexcept nogil:
    cdef int n
    if not (<Worker>worker).enter():
        return -2
    n = (<Worker>worker).take_burst(port, most, UINT64_MAX)
    (<Worker>worker).leave()
    return n
