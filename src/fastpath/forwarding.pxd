# What can forward now: routing tables, adjacencies and sessions. Packets see one version of all of
# it for a whole burst; one writer at a time makes the next.

cimport cython
from fastpath.adjacency cimport AdjacencyTable
from fastpath.epoch cimport epoch_t, version_t, view_t
from fastpath.limbo cimport limbo_entry_t, limbo_t
from fastpath.lpm cimport Lpm, fib_t
from fastpath.prefix_store cimport prefix_store_t
from fastpath.session cimport SessionTable, session_count_t
from fastpath.types cimport nh_t, session_t, table_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "<semaphore.h>" nogil:
    ctypedef struct sem_t:
        pass
    int sem_init(sem_t* semaphore, int shared, unsigned int value)
    int sem_wait(sem_t* semaphore)
    int sem_post(sem_t* semaphore)
    int sem_destroy(sem_t* semaphore)

cdef enum:
    TABLES_MAX = 4096

# A lookup is  table[t].v4.lookup(version.view[t].v4, keys, out, n)  with the burst's version.
cdef struct table_entry_t:
    fib_t* v4
    fib_t* v6
    void* lpm4                # Lpm objects, for the writer
    void* lpm6
    prefix_store_t* exact4    # prefixes of v4
    prefix_store_t* exact6
    uint32_t address          # our address in this table, source of ICMP answers; 0 = none
    uint8_t address6[16]      # the same of ICMPv6; :: = none

# Where one worker counts what sessions carry, by index of the session.
cdef struct session_counts_t:
    size_t size               # octets of each
    session_count_t* sent
    session_count_t* received

cdef enum WriterLock:
    WRITER_LOCKED = 0
    WRITER_OWN                # this thread holds it already
    WRITER_INTERRUPTED        # by a signal; ask again

@cython.final
cdef class Forwarding:
    cdef AdjacencyTable adjacencies
    cdef readonly SessionTable sessions
    cdef table_entry_t table[TABLES_MAX]
    cdef readonly int tables
    cdef list _lpm            # (Lpm of INET, Lpm of INET6) by table
    cdef list _names
    cdef epoch_t* epoch
    cdef limbo_t limbo
    cdef version_t* _spare            # memory for a version
    cdef size_t retired               # octets that tables keep for readers
    cdef readonly size_t retired_limit
    cdef readonly uint64_t stall_ns
    cdef sem_t _writer
    cdef uint32_t _writer_thread      # who holds it; 0: nobody
    cdef session_counts_t* counts     # of each worker
    cdef int counting
    cdef uint32_t counts_lock
    cdef int count_in(self, session_counts_t* counts) except -1
    cdef void count_out(self, session_counts_t* counts) noexcept
    cdef session_count_t count_of(self, session_t index, bint sent) noexcept nogil
    cdef Lpm lpm(self, int table, int family)
    cdef int check_table(self, int table) except -1

    # One writer at a time, any thread. lock may wait; the GIL must not be held.
    cdef int lock(self) noexcept nogil                # WriterLock
    cdef void unlock(self) noexcept nogil
    cdef int _lock_python(self) except -1

    # For the writer. next_version: a copy of what is current, under the next number, that publish
    # makes current (NULL: no memory; one that is not published goes to drop_version). reclaim: puts
    # what nobody looks at any more to use again; not while a transaction is open.
    cdef version_t* next_version(self) noexcept nogil
    cdef void drop_version(self, version_t* version) noexcept nogil
    cdef void publish(self, version_t* version) noexcept nogil
    cdef uint64_t next_number(self) noexcept nogil
    cdef void reclaim(self) noexcept nogil
    cdef size_t retired_octets(self) noexcept nogil
    cdef void _release(self, const limbo_entry_t* entry, uint64_t safe) noexcept nogil
    cdef void _release_session(self, session_t index) noexcept nogil
    cdef void _fold(self, nh_t nh, uint64_t safe) noexcept nogil
    cdef void _settle(self, nh_t nh) noexcept nogil
    cdef void _release_adjacency(self, nh_t nh) noexcept nogil
