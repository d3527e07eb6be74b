"""Where the workers of an engine are, for people and for who watches over them."""

from fastpath.atomic cimport (
    ATOMIC_ACQUIRE, ATOMIC_RELAXED, atomic_load_u32, atomic_load_u64)
from fastpath.epoch cimport EPOCH_OFFLINE, coarse_ns, epoch_look, epoch_slot_t, epoch_watch_t
from fastpath.forwarding cimport Forwarding
from libc.stdint cimport uint32_t, uint64_t

from typing import NamedTuple


class WorkerState(NamedTuple):
    """Where a worker is."""

    worker: int
    thread: int
    """The kernel's id of the thread that came online last, 0 for none yet."""
    online: bool
    """Whether it may look at tables now."""
    version: int
    """Version that it noted last, 0 offline."""
    behind: int
    """Versions that were published since."""
    bursts: int
    stalled_ns: int
    """How long it has not passed although there is a newer version; 0 below the limit."""
    gone: bool
    """Its thread ended while it was online: it was taken off."""


def worker_states(Forwarding forwarding not None) -> list[WorkerState]:
    """All workers. A worker that has not passed for the engine's `stall_ns` is told as stalled; one
    whose thread has ended is taken off."""
    cdef epoch_slot_t* slot
    cdef epoch_watch_t* watch
    cdef uint64_t now = coarse_ns()
    cdef uint64_t number = atomic_load_u64(&forwarding.epoch.number, ATOMIC_ACQUIRE)
    cdef uint64_t seen, stalled
    cdef uint32_t i
    cdef list out = []
    epoch_look(forwarding.epoch, now)
    for i in range(forwarding.epoch.used):
        slot = &forwarding.epoch.slot[i]
        watch = &forwarding.epoch.watch[i]
        if not slot.taken:
            continue
        seen = atomic_load_u64(&slot.seen, ATOMIC_RELAXED)
        stalled = now - watch.since_ns if watch.since_ns else 0
        out.append(WorkerState(
            i, atomic_load_u32(&slot.thread, ATOMIC_RELAXED), seen != EPOCH_OFFLINE, seen,
            number - seen if EPOCH_OFFLINE != seen < number else 0,
            atomic_load_u64(&slot.bursts, ATOMIC_RELAXED),
            stalled if stalled >= forwarding.stall_ns else 0, bool(watch.gone)))
    return out
