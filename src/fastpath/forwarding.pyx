"""Routing tables, adjacencies and sessions of one engine."""

from fastpath.address cimport ADDRESS_OCTETS, read_address
from fastpath.memory cimport map_zeroed, unmap
from fastpath.lpm_multibit cimport Multibit
from fastpath.types cimport INET, INET6
from fastpath.wire cimport load_be32
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset


cdef class Forwarding:
    """One per engine. Tables are made before packets flow and stay."""

    def __cinit__(self, uint32_t adjacencies, uint32_t sessions):
        self.adjacencies = AdjacencyTable(adjacencies)
        self.sessions = SessionTable(sessions)
        self.tables = 0
        self._lpm = []
        self._names = []
        self.sources = {}
        self.counting = 0

    def __dealloc__(self):
        free(self.counts)

    def add_table(self, name: str, address: str | None = None) -> int:
        """A new routing table, IPv4 and IPv6, empty.

        `address` is our IPv4 address in it, the source of ICMP answers; without one there are none.
        Returns its number. Raises ValueError for a name that exists, MemoryError beyond 4,096.
        """
        cdef Lpm v4, v6
        cdef uint8_t[ADDRESS_OCTETS] octets
        if name in self._names:
            raise ValueError(f"table {name!r} exists already")
        if self.tables == TABLES_MAX:
            raise MemoryError(f"all {TABLES_MAX} tables are in use")
        v4 = Multibit(INET)
        v6 = Multibit(INET6)
        self.table[self.tables].v4 = &v4.fib
        self.table[self.tables].v6 = &v6.fib
        self.table[self.tables].exact4 = &v4.prefixes
        self.table[self.tables].address = 0
        if address is not None:
            read_address(INET, address, octets)
            self.table[self.tables].address = load_be32(octets)
        self._lpm.append((v4, v6))
        self._names.append(name)
        self.tables += 1
        return self.tables - 1

    cdef int count_in(self, session_counts_t* counts) except -1:
        """Makes the arrays of a worker, which pages of unused sessions cost nothing of."""
        cdef size_t size = self.sessions.capacity * sizeof(session_count_t)
        cdef void* longer = realloc(self.counts, (self.counting + 1) * sizeof(session_counts_t))
        if longer == NULL:
            raise MemoryError("no memory for the counters of sessions")
        self.counts = <session_counts_t*> longer
        counts.size = size
        counts.sent = <session_count_t*> map_zeroed(size, False)
        counts.received = <session_count_t*> map_zeroed(size, False)
        if counts.sent == NULL or counts.received == NULL:
            raise MemoryError(f"no memory to count what {self.sessions.capacity} sessions carry")
        self.counts[self.counting] = counts[0]
        self.counting += 1
        return 0

    cdef void count_out(self, session_counts_t* counts) noexcept:
        """Forgets the arrays of a worker, who gives their memory back."""
        cdef int i
        for i in range(self.counting):
            if self.counts[i].sent == counts.sent:
                self.counting -= 1
                self.counts[i] = self.counts[self.counting]
                break

    cdef int release_session(self, session_t index) except -1:
        """The index may name another session from now on, whose counters begin at zero."""
        cdef int i
        for i in range(self.counting):
            memset(&self.counts[i].sent[index], 0, sizeof(session_count_t))
            memset(&self.counts[i].received[index], 0, sizeof(session_count_t))
        self.sessions.release(index)
        return 0

    cdef int check_table(self, int table) except -1:
        if table < 0 or table >= self.tables:
            raise KeyError(f"table {table} does not exist; there are {self.tables}")
        return 0

    cdef Lpm lpm(self, int table, int family):
        self.check_table(table)
        return self._lpm[table][0 if family == INET else 1]
