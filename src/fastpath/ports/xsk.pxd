# One AF_XDP socket: a queue of an interface, its four rings, and memory of its own for frames.

from fastpath.atomic cimport ATOMIC_ACQUIRE, ATOMIC_RELEASE, atomic_load_u32, atomic_store_u32
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "<linux/if_xdp.h>" nogil:
    struct xdp_desc:
        uint64_t addr
        uint32_t len
        uint32_t options
    enum: XDP_RING_NEED_WAKEUP

cdef enum:
    XSK_FRAMES = 4096         # half of them to receive, half to send
    XSK_RING = XSK_FRAMES // 2
    XSK_MASK = XSK_RING - 1
    XSK_ROOM = 128            # octets in front of a received frame, beside the driver's 256

# A ring that the kernel shares. Each side moves one of the two counters, and reads the other.
cdef struct xsk_ring_t:
    uint32_t* producer
    uint32_t* consumer
    uint32_t* flags
    xdp_desc* frames          # of the rings to receive and to send
    uint64_t* places          # of the rings of empty and of sent frames
    void* mapping
    size_t octets

cdef struct xsk_t:
    int fd                    # -1: closed
    uint32_t chunk            # octets of a frame's place
    uint8_t* memory
    xsk_ring_t rx
    xsk_ring_t tx
    xsk_ring_t empty          # places that the kernel may receive into
    xsk_ring_t sent           # places that it has sent
    uint32_t taken            # received frames that are done with
    uint32_t queued           # our counter of `tx`
    uint64_t free[XSK_RING]   # places to send from
    uint32_t spare            # how many there are
    bint down                 # the interface was, when it was last asked to send
    bint zero_copy

# Frames that wait.
cdef inline uint32_t xsk_waiting(const xsk_t* x) noexcept nogil:
    return atomic_load_u32(x.rx.producer, ATOMIC_ACQUIRE) - x.rx.consumer[0] - x.taken

# The i-th of them.
cdef inline const xdp_desc* xsk_frame(const xsk_t* x, uint32_t i) noexcept nogil:
    return &x.rx.frames[(x.rx.consumer[0] + x.taken + i) & XSK_MASK]

# Gives the places of frames that are done with back to the kernel.
cdef void xsk_give_back(xsk_t* x) noexcept nogil
# Takes back the places of what was sent.
cdef void xsk_collect(xsk_t* x) noexcept nogil
# Queues a frame of a place taken from `free`; the kernel sees it with xsk_send.
cdef inline void xsk_queue(xsk_t* x, uint64_t place, uint32_t octets) noexcept nogil:
    cdef xdp_desc* at = &x.tx.frames[x.queued & XSK_MASK]
    at.addr = place
    at.len = octets
    at.options = 0
    x.queued += 1

# Has what is queued sent. 0, or what the kernel says against it.
cdef int xsk_send(xsk_t* x) noexcept nogil
# Wakes a driver that waits for empty places.
cdef void xsk_wake(xsk_t* x) noexcept nogil

cdef class Xsk:
    cdef xsk_t c
    cdef object _socket
    cdef _map(self, xsk_ring_t* ring, const uint64_t* offsets, size_t entry, int64_t page)
