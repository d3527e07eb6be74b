"""Times bursts as C code calls for them: through the entry of a worker, without the GIL."""

from libc.stdint cimport int64_t, uint64_t, uintptr_t
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

ctypedef int (*poll_t)(void* worker, int port, int most) noexcept nogil


cdef uint64_t _now() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <uint64_t> t.tv_sec * 1000000000 + <uint64_t> t.tv_nsec


def time_bursts(entry, int port, int most, int64_t packets) -> int:
    """Nanoseconds for handling so many packets of a port, up to `most` a call.

    entry: of Worker.entry or Engine.entry. ValueError: the port had less.
    """
    cdef uintptr_t function = entry[0]
    cdef uintptr_t worker = entry[1]
    cdef int64_t done = 0
    cdef int n = 1
    cdef uint64_t start
    cdef uint64_t end
    with nogil:
        start = _now()
        while done < packets and n > 0:
            n = (<poll_t> <void*> function)(<void*> worker, port, most)
            done += n
        end = _now()
    if n <= 0:
        raise ValueError(f"the port had {done - n} packets, not {packets}")
    return end - start
