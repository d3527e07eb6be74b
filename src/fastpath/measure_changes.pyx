"""Times changes of a routing table, and lookups while another thread makes them.

The lookup loop reports after each batch which version it is done with, so that the writer takes
back only what nobody reads: the least that any reader of a table has to do.
"""

from fastpath.lpm cimport Lpm
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cdef extern from * nogil:
    int ACQUIRE "__ATOMIC_ACQUIRE"
    int SEQ_CST "__ATOMIC_SEQ_CST"
    uint64_t load_number "__atomic_load_n"(const uint64_t* at, int order)
    void store_number "__atomic_store_n"(uint64_t* at, uint64_t value, int order)
    const void* load_version "__atomic_load_n"(const void** at, int order)

cdef enum:
    BATCH_LIMIT = 4096

cdef uint64_t NOBODY = 2**64 - 1


cdef uint64_t _now() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <uint64_t> t.tv_sec * 1000000000 + <uint64_t> t.tv_nsec


cdef class Reader:
    """A thread that looks up in a table while another one changes it."""

    # Of the version that its batch may see; everything older it is done with. On a line of its own.
    cdef uint8_t[64] before
    cdef uint64_t seen
    cdef uint8_t[64] behind

    def __cinit__(self):
        self.seen = NOBODY

    def time_lookups(self, Lpm table not None, const uint8_t[:, ::1] keys not None,
                     int batch) -> int:
        """Nanoseconds for looking up all keys, each batch in what is published by then."""
        cdef uint32_t[BATCH_LIMIT] out
        cdef Py_ssize_t at = 0
        cdef Py_ssize_t n = keys.shape[0]
        cdef int size
        cdef uint64_t start
        cdef uint64_t end
        if not 0 < batch <= BATCH_LIMIT:
            raise ValueError(f"batch {batch} is not in 1..{BATCH_LIMIT}")
        with nogil:
            start = _now()
            while at < n:
                size = batch if n - at > batch else <int> (n - at)
                # Number before version: what was retired under it is not reached any more.
                store_number(&self.seen, load_number(&table.number, ACQUIRE), SEQ_CST)
                table.fib.lookup(load_version(&table.fib.version, ACQUIRE), &keys[at, 0], out,
                                 size)
                at += size
            end = _now()
            store_number(&self.seen, NOBODY, SEQ_CST)
        return end - start


def time_changes(Lpm table not None, const uint8_t[:, ::1] prefixes not None,
                 const int64_t[::1] lengths not None, nhs, int size,
                 Reader reader=None) -> int:
    """Nanoseconds for changing all these prefixes, `size` of them a transaction, without the GIL.

    nhs: an int64 array of next hops to add the prefixes with, or to change them to; None removes
    them. reader: who looks up meanwhile. Prefixes are taken as they are: host bits must be zero.
    """
    cdef const int64_t[::1] hops = nhs
    cdef bint remove = nhs is None
    cdef Py_ssize_t n = prefixes.shape[0]
    cdef Py_ssize_t i
    cdef uint64_t* seen = NULL if reader is None else &reader.seen
    cdef uint64_t safe
    cdef uint64_t start
    cdef uint64_t took = 0
    cdef int result = 0
    if prefixes.shape[1] != table.width or lengths.shape[0] != n or size < 1 or (
            not remove and hops.shape[0] != n):
        raise ValueError("prefixes, lengths and next hops do not belong together")
    if table.is_open:
        raise RuntimeError("a transaction is open already")
    with nogil:
        start = _now()
        for i in range(n):
            if i % size == 0:
                table.start()
            if remove:
                result = table.remove(&prefixes[i, 0], <int> lengths[i])
            else:
                result = table.insert(&prefixes[i, 0], <int> lengths[i], <uint32_t> hops[i])
            if result < 0:
                break
            if i % size == size - 1 or i == n - 1:
                table.finish(table.number + 1)
                safe = table.number if seen == NULL else load_number(seen, SEQ_CST)
                table.reclaim(safe if safe < table.number else table.number)
        took = _now() - start
        if result < 0:
            table.abandon()
    if result < 0:
        raise MemoryError("no memory for a change of the routing table")
    return took
