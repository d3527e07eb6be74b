"""Workers of a router that runs: their threads never hold the GIL, so that control may be busy with
whatever it likes (contract in service.pxd)."""

cimport cython
from fastpath.atomic cimport (
    ATOMIC_ACQUIRE, ATOMIC_RELAXED, ATOMIC_RELEASE, ATOMIC_SEQ_CST, atomic_exchange_u32,
    atomic_load_u32, atomic_load_u8, atomic_store_u32, atomic_store_u8, sched_yield)
from fastpath.epoch cimport coarse_ns, epoch_pass
from fastpath.transmit cimport PORTS_MAX
from fastpath.types cimport BURST_MAX
from fastpath.worker cimport Worker
from libc.stdint cimport int64_t, uint64_t, UINT64_MAX
from posix.unistd cimport usleep

import os

cdef extern from "<sys/eventfd.h>" nogil:
    int eventfd_read(int fd, uint64_t* count)
    int eventfd_write(int fd, uint64_t count)

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int CLOCK_MONOTONIC
    int clock_gettime(int clock, timespec* at)
    int nanosleep(const timespec* time, timespec* left)

cdef extern from "<sys/prctl.h>" nogil:
    enum: PR_SET_TIMERSLACK
    int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)

cdef enum:
    _MS = 1000000             # nanoseconds


cdef uint64_t _now() noexcept nogil:
    cdef timespec at
    clock_gettime(CLOCK_MONOTONIC, &at)
    return <uint64_t>at.tv_sec * 1000000000 + <uint64_t>at.tv_nsec


cdef int _open() except -1:
    return os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)


cdef void _tell(int fd) noexcept nogil:
    # It can fail only where it is told already: the count is at its end.
    eventfd_write(fd, 1)


cdef void _hear(int fd) noexcept nogil:
    cdef uint64_t count
    eventfd_read(fd, &count)


@cython.final
cdef class Bell:
    """How workers tell control that there are punts or triggers: `fileno()` becomes readable.

    Control answers, and takes what there is then: what comes later rings again.
    """

    def __cinit__(self):
        self._fd = -1
        self._fd = _open()

    def __dealloc__(self):
        self.close()

    def fileno(self) -> int:
        """The descriptor, -1 once it is closed."""
        return self._fd

    def answer(self) -> None:
        """It was heard; to be called before what it tells of is taken."""
        _hear(self._fd)
        # As the worker exchanges too, one of both comes first: either it rings anew, or what it has
        # put into its ring before is seen from here on.
        atomic_exchange_u32(&self._rung, 0, ATOMIC_SEQ_CST)

    def close(self) -> None:
        """No worker may use it any more."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    cdef void ring(self) noexcept nogil:
        if not atomic_exchange_u32(&self._rung, 1, ATOMIC_SEQ_CST):
            _tell(self._fd)


@cython.final
cdef class Service:
    """One worker's loop: `run()` on its thread, everything else on control's.

    It takes bursts from all ports of the worker in turn. A port that fails is down: that is
    counted, it is asked again ten times a second, and the others go on. `busy`: it never sleeps.
    """

    def __cinit__(self, Worker worker not None, Bell bell not None, *, bint busy=False):
        self._wake = -1
        self.worker = worker
        self.bell = bell
        self.busy = busy
        self._patience = PATIENCE_LEAST
        self._wake = _open()

    def __dealloc__(self):
        self.close()

    def run(self) -> None:
        """Until stop(). It holds no lock of Python's meanwhile."""
        with nogil:
            self._serve()

    def stop(self) -> None:
        """Ends run() behind the burst under way."""
        atomic_store_u32(&self._stopped, 1, ATOMIC_RELEASE)
        self.wake()

    def wake(self) -> None:
        """Has it look at its ports anew: one came or went."""
        if self._wake >= 0:
            _tell(self._wake)

    def is_down(self, int port) -> bool:
        """Whether its part of a port gives no packets, because of an error."""
        return 0 <= port < PORTS_MAX and bool(atomic_load_u8(&self._down[port], ATOMIC_RELAXED))

    def errors(self, int port) -> int:
        """How often its part of a port failed."""
        return self._errors[port] if 0 <= port < PORTS_MAX else 0

    def close(self) -> None:
        """Releases its descriptor, after run() has ended."""
        if self._wake >= 0:
            os.close(self._wake)
            self._wake = -1

    cdef void _serve(self) noexcept nogil:
        cdef int empty = 0
        cdef int64_t n
        # Else the kernel makes a pause longer by 50 us (timerslack in proc(5)).
        prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
        # Whoever is in it carries out one order and leaves.
        while not self.worker.enter():
            sched_yield()
        while not atomic_load_u32(&self._stopped, ATOMIC_ACQUIRE):
            n = self._round()
            if n:
                empty = 0
                self._vain = 0
                self.packets += n
                self._recent += n
                if n < FEW and not self.busy and self._is_loaded():
                    self._pause()
                continue
            # No burst has taken the newest version, and without that the old ones stay.
            self.worker._version = epoch_pass(self.worker.forwarding.epoch, self.worker._slot)
            empty += 1
            if self.busy:
                continue
            if self._is_loaded():
                self._pause()
            elif empty >= self._patience:
                self._sleep()
                empty = 0
        self.worker.leave()

    cdef int64_t _round(self) noexcept nogil:
        """One burst from each port. How many packets."""
        cdef int64_t done = 0
        cdef bint again = self._downs and coarse_ns() >= self._retry_ns
        cdef int i, n
        self.worker._serve()
        if again:
            self._retry_ns = coarse_ns() + <uint64_t>RETRY_MS * _MS
        for i in range(self.worker.ports):
            if self.worker.port[i].io == NULL or (self._down[i] and not again):
                continue
            n = self.worker.take_burst(i, BURST_MAX, UINT64_MAX)
            if n < 0 or self._down[i]:
                self._note(i, n < 0)
            if n > 0:
                done += n
                if self.worker._events:
                    self.bell.ring()
        return done

    cdef void _note(self, int port, bint fails) noexcept nogil:
        """A port failed, or one that was down was asked again."""
        self._errors[port] += fails
        if fails != self._down[port]:
            self._downs += 1 if fails else -1
            self._retry_ns = coarse_ns() + <uint64_t>RETRY_MS * _MS
            atomic_store_u8(&self._down[port], fails, ATOMIC_RELAXED)

    cdef bint _is_loaded(self) noexcept nogil:
        """Whether so many packets come that some gather in a pause."""
        cdef uint64_t now = _now()
        cdef uint64_t passed = now - self._window_ns
        if passed >= WINDOW_NS:
            self._loaded = self._recent * GAP_NS >= passed
            self._window_ns = now
            self._recent = 0
        return self._loaded

    cdef void _pause(self) noexcept nogil:
        """Lets packets gather. It stays in its worker: orders wait no longer than packets."""
        cdef timespec pause
        pause.tv_sec = 0
        pause.tv_nsec = PAUSE_NS
        nanosleep(&pause, NULL)
        self.pauses += 1

    cdef void _sleep(self) noexcept nogil:
        """Until a packet or control comes. Meanwhile orders are carried out by who gives them."""
        cdef pollfd waiting[PORTS_MAX + 1]
        cdef int count = self._wait_for(waiting)
        cdef uint64_t before = _now()
        cdef uint64_t slept
        self.worker.leave()
        self.sleeps += 1
        if self._vain >= VAIN_MOST:
            # A descriptor says that there is something, and there is not.
            usleep(1000)
        poll(waiting, count, RETRY_MS if self._downs else -1)
        if waiting[0].revents:
            _hear(self._wake)
        slept = _now() - before
        if slept < NAP_NS:
            self._vain += 1
            self._patience = min(2 * self._patience, <int>PATIENCE_MOST)
        else:
            self._vain = 0
            self._patience = max(self._patience // 2, <int>PATIENCE_LEAST)
        while not self.worker.enter():
            sched_yield()

    cdef int _wait_for(self, pollfd* waiting) noexcept nogil:
        """Fills in what to wait for. How many descriptors."""
        cdef int count = 1
        cdef int i
        waiting[0].fd = self._wake
        waiting[0].events = POLLIN
        for i in range(self.worker.ports):
            if self.worker.port[i].io == NULL or self.worker.port[i].io.fd < 0 or self._down[i]:
                continue
            waiting[count].fd = self.worker.port[i].io.fd
            waiting[count].events = POLLIN
            count += 1
        return count
