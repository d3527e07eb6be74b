# The port in memory: packets from and to Python, or the same ones over and over for a benchmark.

from fastpath.ports.port cimport Port
from libc.stdint cimport uint8_t, uint32_t, uint64_t

# A packet waiting in a queue: `at` is its offset in the queue's octets, so that they may move.
cdef struct queued_t:
    uint64_t at
    uint64_t ts
    uint32_t len
    uint32_t wire_len

# Packets in order: head..tail of `packets`, their octets in `store`.
cdef struct queue_t:
    queued_t* packets
    uint64_t head
    uint64_t tail
    uint64_t room
    uint8_t* store
    uint64_t used
    uint64_t size

cdef struct mem_t:
    queue_t rx
    uint64_t scan             # position in rx of the first packet of the last rx_burst
    int described             # how many of it are described and not yet consumed
    uint64_t last_ts
    uint64_t loops            # how often the packets are offered; 0: once, and then they are gone
    uint64_t lap
    uint8_t* slots            # packets of the last rx_burst, each with HEADROOM in front
    uint8_t link
    uint32_t lock             # of what follows: workers send, Python takes
    queue_t tx
    uint64_t limit            # packets that tx holds at the most
    bint discard
    uint64_t tx_packets
    uint64_t tx_octets
    uint64_t tx_dropped

cdef class MemPort(Port):
    cdef mem_t c
    cdef list _sent(self, bint taken)
    cdef uint64_t _push(self, const uint8_t* data, uint64_t length, uint64_t ts,
                        uint64_t wire_len) except? 0
