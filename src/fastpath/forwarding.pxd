# What can forward now: routing tables, adjacencies and sessions. Packets only read it; transactions
# change it between bursts.

from fastpath.adjacency cimport AdjacencyTable
from fastpath.lpm cimport Lpm, fib_t
from fastpath.prefix_store cimport prefix_store_t
from fastpath.session cimport SessionTable
from fastpath.types cimport table_t
from libc.stdint cimport uint32_t

cdef enum:
    TABLES_MAX = 4096

cdef struct table_entry_t:
    fib_t* v4
    fib_t* v6
    const prefix_store_t* exact4      # prefixes of v4
    uint32_t address          # our address in this table, source of ICMP answers; 0 = none

cdef class Forwarding:
    cdef AdjacencyTable adjacencies
    cdef readonly SessionTable sessions
    cdef table_entry_t table[TABLES_MAX]
    cdef readonly int tables
    cdef list _lpm            # (Lpm of INET, Lpm of INET6) by table
    cdef list _names
    cdef dict sources         # octets of source_t by next hop: what session entries point to
    cdef Lpm lpm(self, int table, int family)
    cdef int check_table(self, int table) except -1
