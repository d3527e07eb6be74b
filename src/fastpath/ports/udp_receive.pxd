# The receiving half of the UDP port: messages of the kernel as packets of the engine.

from fastpath.packet cimport packet_t
from fastpath.ports.udp_types cimport udp_t
from libc.stdint cimport uint8_t, uint64_t

# What never changes of slots, messages and headers; `address` is ours, in network order.
cdef void receive_prepare(udp_t* u, const uint8_t* address) noexcept nogil

# The functions of port_io (port.pxd); `state` is a udp_t.
cdef int rx_burst(void* state, packet_t* packets, int max, uint64_t until_ns) noexcept nogil
cdef void rx_consume(void* state, int n) noexcept nogil
cdef uint64_t next_ns(void* state) noexcept nogil
