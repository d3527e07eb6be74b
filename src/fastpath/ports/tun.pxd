# A TUN device of the kernel as the home side: superpackets each way.

from fastpath.ports.port cimport Port
from fastpath.ports.tun_attach cimport Shape, shape_t
from fastpath.ports.tun_merge cimport MERGE_MAX, merge_t
from fastpath.ports.tun_split cimport split_t
from fastpath.ports.offload cimport vnet_h
from fastpath.types cimport BURST_MAX
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from "<time.h>" nogil:
    struct timespec:
        long tv_sec
        long tv_nsec
    int CLOCK_MONOTONIC
    int clock_gettime(int clock, timespec* at)

cdef extern from "<sys/uio.h>" nogil:
    struct iovec:
        void* iov_base
        size_t iov_len
    ssize_t writev(int fd, const iovec* pieces, int count)

cdef extern from "<errno.h>" nogil:
    enum: EBADFD

cdef enum:
    # What is read, and what is made of it until it is consumed: together inside a level-2 cache
    # of 1 MiB, so that the copy from one to the other costs little.
    TUN_READ = 65536 + 64
    TUN_ARENA = 1 << 19

cdef struct tun_counts_t:
    uint64_t rx_packets
    uint64_t rx_reads         # system calls that brought something
    uint64_t rx_split         # superpackets among that
    uint64_t rx_malformed     # its virtio-net header contradicts what follows
    uint64_t rx_errors        # reads that failed, the device's deletion apart
    uint64_t restored         # times that it was attached again to a device that was deleted
    uint64_t tx_packets
    uint64_t tx_writes
    uint64_t tx_merged        # superpackets among them
    uint64_t no_buffers       # packets: the kernel had no memory for them
    uint64_t down             # packets: the interface was down
    uint64_t gone             # packets: the device was deleted
    uint64_t invalid          # packets: the kernel did not want them

cdef struct tun_t:
    int fd                    # -1: closed
    bint receives             # False: a part that only sends
    bint gone                 # the device was deleted
    const shape_t* shape      # how to make it again, NULL: not at all
    uint64_t retry_ns         # when that is tried next
    uint64_t base_ns          # kernel's monotonic time that counts as 0
    uint8_t* store            # TUN_READ octets for a read, then TUN_ARENA
    uint32_t used             # octets of the arena
    int head                  # packets described[head:count] wait
    int count
    uint64_t ts               # when they came
    bint splitting            # packets of a superpacket are still to be made
    split_t split
    uint32_t at[BURST_MAX]    # offset in the arena and length of each packet
    uint32_t length[BURST_MAX]
    uint8_t flags[BURST_MAX]
    merge_t merge
    vnet_h header             # of what is written
    iovec pieces[MERGE_MAX + 1]
    tun_counts_t counts

cdef class TunPort(Port):
    cdef tun_t c
    cdef Shape _shape
    cdef readonly object device   # fastpath.ports.tun_device.Device, None over a bare descriptor
    cdef _release(self)
