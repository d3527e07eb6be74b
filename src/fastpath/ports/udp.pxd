# Sockets of the kernel as the tunnel side: one for each worker, all bound to one address.

from fastpath.ports.port cimport Port
from fastpath.ports.udp_types cimport udp_t

cdef class UdpPort(Port):
    cdef udp_t c
    cdef object _socket
    cdef readonly tuple address   # (address, port) it is bound to
    cdef readonly bint trains     # whether the kernel may put received datagrams together
