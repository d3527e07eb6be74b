# Versions, and which of them workers look at (quiescent states: McKenney and Slingwine, 1998).
#
# The writer publishes version after version by one store each. A worker passes between two bursts:
# it takes the newest version and notes its number, which says that it is done with all older ones.
# What a version replaced may be used again once every worker that is online has noted its number or
# a later one. A worker that sleeps goes offline and holds nothing back.

from fastpath.atomic cimport (
    ATOMIC_ACQUIRE, ATOMIC_RELAXED, ATOMIC_RELEASE, atomic_load_pointer, atomic_load_u64,
    atomic_store_u64)
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    WORKERS_MAX = 64
    EPOCH_OFFLINE = 0         # in `seen`; versions count from 1

# One routing table in one version: what its lookup functions take.
cdef struct view_t:           # 16 octets
    const void* v4
    const void* v6

# Everything that packets find by address, as it stands between two transactions.
cdef struct version_t:
    uint64_t number
    uint32_t tables
    uint32_t room             # views that the memory holds
    view_t view[1]            # `room` of them

# Written by its worker, read by the writer:  seen bursts | thread taken
cdef struct epoch_slot_t:     # 64 octets, one cache line
    uint64_t seen             # number of the version in use, or EPOCH_OFFLINE
    uint64_t bursts           # versions taken so far
    uint32_t thread           # kernel's id of the thread that came online last
    uint32_t taken            # 1: belongs to a worker
    uint8_t line[40]

# What the writer remembers of a worker that is behind.
cdef struct epoch_watch_t:
    uint64_t seen
    uint64_t bursts
    uint64_t since_ns         # it has not passed since; 0: it is not behind
    bint gone                 # its thread has ended while online: it was taken off

cdef struct epoch_t:
    const version_t* current
    uint64_t number           # of `current`, stored behind it
    uint32_t used             # slots below were taken once
    uint32_t lock             # of taking slots, and of `watch`
    uint8_t line[40]
    epoch_slot_t slot[WORKERS_MAX]
    epoch_watch_t watch[WORKERS_MAX]

cdef epoch_t* epoch_open() noexcept nogil                       # NULL without memory
cdef void epoch_close(epoch_t* epoch) noexcept nogil
# A slot for a worker, which is offline; NULL: all are taken.
cdef epoch_slot_t* epoch_take(epoch_t* epoch) noexcept nogil
cdef void epoch_give(epoch_t* epoch, epoch_slot_t* slot) noexcept nogil

# On the worker's thread: the version to use from now on, until the next pass.
cdef const version_t* epoch_online(epoch_t* epoch, epoch_slot_t* slot) noexcept nogil
cdef void epoch_offline(epoch_slot_t* slot) noexcept nogil

# On the writer's.
cdef void epoch_publish(epoch_t* epoch, const version_t* version) noexcept nogil
# What was replaced under this number or a lower one is out of use.
cdef uint64_t epoch_safe(const epoch_t* epoch) noexcept nogil
# Looks for workers that do not pass, and takes off those whose thread is gone.
cdef void epoch_look(epoch_t* epoch, uint64_t now_ns) noexcept nogil

cdef uint64_t coarse_ns() noexcept nogil              # a clock for `now_ns`, some ms coarse
cdef uint32_t thread_number() noexcept nogil          # the kernel's id of this thread


cdef inline const version_t* epoch_pass(epoch_t* epoch, epoch_slot_t* slot) noexcept nogil:
    """The version to use for the next burst; the worker must be online.

    The older number protects the new version too until it is noted, so the order of the two is free
    of races: what `current` replaces is out of use at a higher number than either.
    """
    cdef const version_t* version = <const version_t*> atomic_load_pointer(
        <const void**> &epoch.current, ATOMIC_ACQUIRE)
    atomic_store_u64(&slot.seen, version.number, ATOMIC_RELEASE)
    atomic_store_u64(&slot.bursts, slot.bursts + 1, ATOMIC_RELAXED)
    return version
