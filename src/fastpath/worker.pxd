# A worker: one thread's part of an engine, with ports, counters and punts of its own.

cimport cython
from fastpath.orders cimport Orders, order_t
from fastpath.ports.port cimport Port
from libc.stdint cimport int64_t, uint8_t, uint32_t

cdef class Stop:
    cdef uint32_t _set

@cython.final
cdef class Worker(Orders):
    cdef list _attached           # Port by index
    cdef list _tables             # routing table by index of the port, the engine's
    cdef uint32_t _taken          # a thread is in it
    cdef order_t* _order          # what control waits for, or NULL
    cdef uint8_t _line[64]
    cdef bint enter(self) noexcept nogil          # False: another thread is in it
    cdef void leave(self) noexcept nogil
    cdef void obey(self, order_t* order) noexcept nogil
    cdef void _serve(self) noexcept nogil
    # Between two bursts, and waits for it: then nothing that was recorded into before is used any
    # more.
    cdef void look_on(self, int what, void* into) noexcept
    cdef int _give_port(self, int what, int port, Port queue) except -1
    cdef int64_t _round(self) noexcept nogil
    cdef int _check_port(self, port) except -1

# A burst for C code, without the GIL and on any one thread: how many packets were handled, -1 for a
# damaged port, -2 while another thread is in the worker.
cdef int poll_entry(void* worker, int port, int most) noexcept nogil
