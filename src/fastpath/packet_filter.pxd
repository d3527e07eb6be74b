# Classic BPF (McCanne and Jacobson, "The BSD Packet Filter", 1993): the programs that libpcap
# compiles expressions into, interpreted. A program is checked when it is loaded: it ends, for jumps
# go forward only, and every place it names exists. What it reads of a packet is checked as it runs.

from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef enum:
    FILTER_OPS = 4096         # instructions of a program at the most, as the kernel has it
    FILTER_MEMORY = 16        # words a program may keep

# As struct sock_filter of <linux/filter.h>:  code | jt jf | k
cdef struct filter_op_t:
    uint16_t code
    uint8_t jt                # instructions to skip if the comparison holds
    uint8_t jf                # and if it does not
    uint32_t k

cdef class PacketFilter:
    cdef filter_op_t* ops
    cdef readonly int count   # instructions

# Octets of a packet that a program takes, 0: none of it. `captured` octets lie at `packet`.
cdef uint32_t filter_run(const filter_op_t* ops, const uint8_t* packet, uint32_t captured,
                         uint32_t wire_len) noexcept nogil
