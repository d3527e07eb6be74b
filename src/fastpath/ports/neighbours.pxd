# What ports on Ethernet share: the table of neighbours, written by control while all parts read it,
# and the way of packets whose neighbour is not known, through the kernel.

from fastpath.atomic cimport ATOMIC_RELAXED, atomic_load_u64
from fastpath.icmp cimport bucket_t
from fastpath.packet cimport packet_t
from fastpath.types cimport NEIGHBOURS_MAX
from fastpath.wire cimport ETHERTYPE_IPV4, ETHERTYPE_IPV6, store_be16
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    ETHERNET_HEADER = 14
    NEIGHBOUR_VALID = 1       # in the last octet of a slot

# A slot is one word, so that it changes at once: MAC 6 octets | 0 | NEIGHBOUR_VALID.
cdef class Neighbours:
    cdef uint64_t slot[NEIGHBOURS_MAX]
    cdef uint64_t own         # the interface's own address, in the same form

# Writes the Ethernet header of a packet. False: its neighbour is not known.
cdef inline bint ethernet_header(const uint64_t* slots, const uint64_t* own, const packet_t* p,
                                 uint8_t* out) noexcept nogil:
    cdef uint64_t to = atomic_load_u64(&slots[p.neighbour & (NEIGHBOURS_MAX - 1)], ATOMIC_RELAXED)
    cdef uint64_t source = atomic_load_u64(own, ATOMIC_RELAXED)
    if to == 0:
        return False
    memcpy(out, &to, 6)
    memcpy(out + 6, &source, 6)
    store_be16(out + 12, ETHERTYPE_IPV4 if p.data[0] >> 4 == 4 else ETHERTYPE_IPV6)
    return True

# Raw sockets through which the kernel sends whole IP packets: it resolves the neighbour.
cdef struct kernel_path_t:
    int fd4                   # -1: closed
    int fd6
    bucket_t rate
    uint64_t sent
    uint64_t limited          # above KERNEL_RATE
    uint64_t failed           # the kernel refused them

cdef void kernel_send(kernel_path_t* path, const packet_t* p, uint64_t now) noexcept nogil

cdef class KernelPath:
    cdef kernel_path_t c
    cdef object _sockets
