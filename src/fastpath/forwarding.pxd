# What can forward now: routing tables, adjacencies and sessions. Packets only read it; transactions
# change it between bursts.

from fastpath.adjacency cimport AdjacencyTable
from fastpath.lpm cimport Lpm, fib_t
from fastpath.prefix_store cimport prefix_store_t
from fastpath.session cimport SessionTable, session_count_t
from fastpath.types cimport session_t, table_t
from libc.stdint cimport uint32_t

cdef enum:
    TABLES_MAX = 4096

cdef struct table_entry_t:
    fib_t* v4
    fib_t* v6
    const prefix_store_t* exact4      # prefixes of v4
    uint32_t address          # our address in this table, source of ICMP answers; 0 = none

# Where one worker counts what sessions carry, by index of the session.
cdef struct session_counts_t:
    size_t size               # octets of each
    session_count_t* sent
    session_count_t* received

cdef class Forwarding:
    cdef AdjacencyTable adjacencies
    cdef readonly SessionTable sessions
    cdef table_entry_t table[TABLES_MAX]
    cdef readonly int tables
    cdef list _lpm            # (Lpm of INET, Lpm of INET6) by table
    cdef list _names
    cdef dict sources         # octets of source_t by next hop: what session entries point to
    cdef session_counts_t* counts     # of each worker
    cdef int counting
    cdef int count_in(self, session_counts_t* counts) except -1
    cdef void count_out(self, session_counts_t* counts) noexcept
    cdef int release_session(self, session_t index) except -1
    cdef Lpm lpm(self, int table, int family)
    cdef int check_table(self, int table) except -1
