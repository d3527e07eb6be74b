# A worker's life on a thread of its own, and how it and control wake each other.
#
# Neither waits for the other. A worker that has something for control rings a bell, one system call
# for all that control has not heard yet. A worker without packets leaves its worker, so that orders
# are carried out on control's thread, and waits in poll(2) for its ports and for control. Under
# load it does not ask for one packet after another: it pauses where few came, so that each system
# call and each superpacket stands for more of them.

from fastpath.transmit cimport PORTS_MAX
from fastpath.worker cimport Worker
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
        short revents
    enum: POLLIN
    int poll(pollfd* waiting, unsigned long count, int milliseconds)

cdef enum:
    PATIENCE_LEAST = 4        # empty rounds over all ports before a worker sleeps, adaptively
    PATIENCE_MOST = 128
    NAP_NS = 100000           # a sleep that ended sooner was not worth it: more patience
    VAIN_MOST = 16            # times it may be woken for nothing, one after another, without pause
    RETRY_MS = 100            # a port that is down is asked again
    # More than a packet in GAP_NS over a time of WINDOW_NS is load, and worth a pause: at the
    # tenth of what a worker can do there is none, and nothing waits for its end.
    GAP_NS = 10000
    WINDOW_NS = 250000
    PAUSE_NS = 50000
    FEW = 128                 # packets of a round, half a burst

cdef class Bell:
    cdef int _fd
    cdef uint32_t _rung       # control has not answered yet
    cdef void ring(self) noexcept nogil

cdef class Service:
    cdef readonly Worker worker
    cdef readonly Bell bell
    cdef readonly bint busy
    cdef int _wake            # eventfd: control has something for this worker
    cdef uint32_t _stopped
    cdef int _patience        # empty rounds before the next sleep
    cdef int _vain            # sleeps since a packet came that ended at once
    cdef int _downs           # ports that are down
    cdef uint64_t _retry_ns   # when they are asked again
    cdef uint8_t _down[PORTS_MAX]
    cdef uint64_t _errors[PORTS_MAX]
    cdef uint64_t _window_ns  # when the window of time began, and packets since
    cdef uint64_t _recent
    cdef bint _loaded         # in the window before
    cdef readonly uint64_t sleeps
    cdef readonly uint64_t pauses
    cdef readonly uint64_t packets
    cdef void _serve(self) noexcept nogil
    cdef int64_t _round(self) noexcept nogil
    cdef void _note(self, int port, bint fails) noexcept nogil
    cdef bint _is_loaded(self) noexcept nogil
    cdef void _pause(self) noexcept nogil
    cdef void _sleep(self) noexcept nogil
    cdef int _wait_for(self, pollfd* waiting) noexcept nogil
