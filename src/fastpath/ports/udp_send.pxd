# The sending half of the UDP port: packets of the engine as messages of the kernel.

from fastpath.packet cimport packet_t
from fastpath.ports.udp_types cimport udp_t

# What never changes of messages and addresses.
cdef void send_prepare(udp_t* u) noexcept nogil

# The function of port_io (port.pxd); `state` is a udp_t.
cdef int tx_burst(void* state, packet_t** packets, int n) noexcept nogil
