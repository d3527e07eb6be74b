"""Versions and their readers (the contract is in epoch.pxd).

The one place where order between two locations matters is coming online: the worker stores `seen`
and then loads `current`; the writer stores `current` and then loads `seen`. All four are
sequentially consistent, so at least one sees the other: either the writer sees the worker online,
or the worker gets the new version, and what the writer reclaims then is not in it.
"""

from fastpath.atomic cimport (
    ATOMIC_ACQUIRE, ATOMIC_RELAXED, ATOMIC_RELEASE, ATOMIC_SEQ_CST,
    atomic_load_pointer, atomic_load_u32, atomic_load_u64, atomic_store_pointer, atomic_store_u32,
    atomic_store_u64, atomic_swap_u64, spin_lock, spin_unlock)
from fastpath.memory cimport map_zeroed, unmap
from libc.stdint cimport uint32_t, uint64_t

cdef extern from *:
    """
    #include <errno.h>
    #include <pthread.h>
    #include <sys/syscall.h>
    #include <time.h>
    #include <unistd.h>

    /* Asked of the kernel once a thread; a child of fork is another thread. */
    static __thread uint32_t dialout_thread;
    static void dialout_thread_forget(void) { dialout_thread = 0; }
    static inline uint32_t dialout_thread_number(void) {
        if (!dialout_thread)
            dialout_thread = (uint32_t) syscall(SYS_gettid);
        return dialout_thread;
    }
    static inline int dialout_thread_is_gone(uint32_t thread) {
        int before = errno;
        int gone = syscall(SYS_tgkill, getpid(), (int) thread, 0) == -1 && errno == ESRCH;
        errno = before;
        return gone;
    }
    static inline uint64_t dialout_coarse_ns(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
        return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
    }
    static void dialout_thread_init(void) {
        pthread_atfork(NULL, NULL, dialout_thread_forget);
    }
    """
    uint32_t dialout_thread_number() noexcept nogil
    bint dialout_thread_is_gone(uint32_t thread) noexcept nogil
    uint64_t dialout_coarse_ns() noexcept nogil
    void dialout_thread_init() noexcept nogil


cdef enum:
    GONE_NS = 20000000        # behind for so long: the kernel is asked whether the thread is there


if sizeof(epoch_slot_t) != 64:
    raise ImportError(f"epoch_slot_t has {sizeof(epoch_slot_t)} octets, not 64: a cache line")
dialout_thread_init()


cdef uint32_t thread_number() noexcept nogil:
    return dialout_thread_number()


cdef uint64_t coarse_ns() noexcept nogil:
    return dialout_coarse_ns()


cdef epoch_t* epoch_open() noexcept nogil:
    return <epoch_t*> map_zeroed(sizeof(epoch_t), False)


cdef void epoch_close(epoch_t* epoch) noexcept nogil:
    unmap(epoch, sizeof(epoch_t))


cdef epoch_slot_t* epoch_take(epoch_t* epoch) noexcept nogil:
    cdef uint32_t i = 0
    spin_lock(&epoch.lock)
    while i < WORKERS_MAX and epoch.slot[i].taken:
        i += 1
    if i < WORKERS_MAX:
        atomic_store_u32(&epoch.slot[i].taken, 1, ATOMIC_RELAXED)
        if i >= epoch.used:
            atomic_store_u32(&epoch.used, i + 1, ATOMIC_SEQ_CST)
    spin_unlock(&epoch.lock)
    return &epoch.slot[i] if i < WORKERS_MAX else NULL


cdef void epoch_give(epoch_t* epoch, epoch_slot_t* slot) noexcept nogil:
    epoch_offline(slot)
    spin_lock(&epoch.lock)
    atomic_store_u32(&slot.taken, 0, ATOMIC_RELAXED)
    spin_unlock(&epoch.lock)


cdef const version_t* epoch_online(epoch_t* epoch, epoch_slot_t* slot) noexcept nogil:
    cdef uint64_t number = atomic_load_u64(&epoch.number, ATOMIC_ACQUIRE)
    atomic_store_u32(&slot.thread, dialout_thread_number(), ATOMIC_RELAXED)
    atomic_store_u64(&slot.seen, number, ATOMIC_SEQ_CST)
    # `number` is stored behind `current`: this version is at least as new as `seen` says.
    return <const version_t*> atomic_load_pointer(<const void**> &epoch.current, ATOMIC_SEQ_CST)


cdef void epoch_offline(epoch_slot_t* slot) noexcept nogil:
    atomic_store_u64(&slot.seen, EPOCH_OFFLINE, ATOMIC_RELEASE)


cdef void epoch_publish(epoch_t* epoch, const version_t* version) noexcept nogil:
    atomic_store_pointer(<const void**> &epoch.current, version, ATOMIC_SEQ_CST)
    atomic_store_u64(&epoch.number, version.number, ATOMIC_RELEASE)


cdef uint64_t epoch_safe(const epoch_t* epoch) noexcept nogil:
    cdef uint64_t safe = atomic_load_u64(&epoch.number, ATOMIC_RELAXED)
    cdef uint64_t seen
    cdef uint32_t i
    for i in range(atomic_load_u32(&epoch.used, ATOMIC_SEQ_CST)):
        seen = atomic_load_u64(&epoch.slot[i].seen, ATOMIC_SEQ_CST)
        if seen != EPOCH_OFFLINE and seen < safe:
            safe = seen
    return safe


cdef void _look_at(epoch_t* epoch, uint32_t i, uint64_t now_ns) noexcept nogil:
    cdef epoch_slot_t* slot = &epoch.slot[i]
    cdef epoch_watch_t* watch = &epoch.watch[i]
    cdef uint64_t seen = atomic_load_u64(&slot.seen, ATOMIC_ACQUIRE)
    cdef uint64_t bursts = atomic_load_u64(&slot.bursts, ATOMIC_RELAXED)
    if seen == EPOCH_OFFLINE or seen >= atomic_load_u64(&epoch.number, ATOMIC_RELAXED):
        watch.since_ns = 0
        watch.gone = watch.gone and seen == EPOCH_OFFLINE
        return
    watch.gone = False
    if watch.since_ns == 0 or watch.seen != seen or watch.bursts != bursts:
        watch.seen = seen
        watch.bursts = bursts
        watch.since_ns = now_ns
    elif (now_ns - watch.since_ns > GONE_NS
          and dialout_thread_is_gone(atomic_load_u32(&slot.thread, ATOMIC_RELAXED))):
        # Only if it is still the same: another thread may just have come online as this worker.
        watch.gone = atomic_swap_u64(&slot.seen, seen, EPOCH_OFFLINE)
        watch.since_ns = 0


cdef void epoch_look(epoch_t* epoch, uint64_t now_ns) noexcept nogil:
    cdef uint32_t i
    spin_lock(&epoch.lock)
    for i in range(epoch.used):
        if epoch.slot[i].taken:
            _look_at(epoch, i, now_ns)
        else:
            epoch.watch[i].since_ns = 0
            epoch.watch[i].gone = False
    spin_unlock(&epoch.lock)
