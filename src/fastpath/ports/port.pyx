"""Base class of all ports (the contract is in port.pxd)."""

from fastpath.packet cimport packet_t
from libc.stdint cimport uint64_t, UINT64_MAX


cdef int _rx_none(void* state, packet_t* packets, int max, uint64_t until_ns) noexcept nogil:
    return 0


cdef void _consume_none(void* state, int n) noexcept nogil:
    pass


cdef uint64_t _never(void* state) noexcept nogil:
    return UINT64_MAX


cdef int _tx_none(void* state, packet_t** packets, int n) noexcept nogil:
    return 0


cdef class Port:
    """One source and sink of packets. By itself it has none and takes none."""

    def __cinit__(self, *args, **kwargs):
        self.name = type(self).__name__
        self.io.state = NULL
        self.io.rx_burst = _rx_none
        self.io.rx_consume = _consume_none
        self.io.next_ns = _never
        self.io.tx_burst = _tx_none

    @property
    def next_ns(self) -> int | None:
        """Arrival time of the next packet in nanoseconds, None if there is none now."""
        cdef uint64_t ns = self.io.next_ns(self.io.state)
        return None if ns == UINT64_MAX else ns

    def error(self):
        """The exception that says what is wrong with a damaged source, None while it is whole."""
        return None

    def close(self) -> None:
        """Releases what the port holds. Further use of it sends and receives nothing."""
