"""Routing tables, adjacencies and sessions of one engine: versions of them, and their reclaim."""

cimport cython
from fastpath.address cimport ADDRESS_OCTETS, read_address
from fastpath.adjacency cimport (
    ADJ_PENDING, SIDE_FOLDED, SIDE_LIVE, adjacency_side_t, adjacency_t)
from fastpath.atomic cimport (
    ATOMIC_RELAXED, ATOMIC_RELEASE, atomic_load_u8, atomic_load_u32,
    atomic_load_u64, atomic_store_u8, atomic_store_u32, spin_lock, spin_unlock)
from fastpath.epoch cimport (
    coarse_ns, epoch_close, epoch_look, epoch_open, epoch_publish, epoch_safe,
    thread_number)
from fastpath.limbo cimport (
    LIMBO_ADJACENCY, LIMBO_CHANGED, LIMBO_ENTRY, LIMBO_MEMORY, LIMBO_SESSION, LIMBO_SETTLED,
    LIMBO_SHADOW, LIMBO_TABLE, LIMBO_VERSION, limbo_length, limbo_open, limbo_promise, limbo_put)
from fastpath.lpm_burst cimport BurstTrie
from fastpath.lpm_chunk cimport Chunked
from fastpath.memory cimport map_zeroed, unmap
from fastpath.types cimport INET, INET6
from fastpath.wire cimport load_be32
from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memset

cdef enum:
    LIMBO_OCTETS = 128        # what an entry of limbo stands for, tables apart, about


@cython.no_gc_clear       # __dealloc__ needs what it refers to
cdef class Forwarding:
    """One per engine.

    retired: octets that may wait for workers that do not pass; beyond, commits fail. stall_ns:
    a worker that has not passed for so long is reported.
    """

    def __cinit__(self, uint32_t adjacencies, uint32_t sessions, size_t retired=1 << 28,
                  uint64_t stall_ns=1000000000):
        self.adjacencies = AdjacencyTable(adjacencies)
        self.sessions = SessionTable(sessions)
        self.tables = 0
        self._lpm = []
        self._names = []
        self.counting = 0
        self.retired_limit = retired
        self.stall_ns = stall_ns
        self.epoch = epoch_open()
        self._spare = <version_t*> malloc(sizeof(version_t))
        if self.epoch == NULL or self._spare == NULL or limbo_open(&self.limbo) < 0:
            raise MemoryError("no memory for the versions of an engine")
        sem_init(&self._writer, 0, 1)
        self._spare.number = 1
        self._spare.tables = 0
        self._spare.room = 1
        epoch_publish(self.epoch, self._spare)
        self._spare = NULL

    def __dealloc__(self):
        cdef int _, i
        if self.limbo.ring != NULL:
            # No worker is left. What waits in two steps needs two.
            for _ in range(3):
                self.reclaim()
        for i in range(self.tables):
            Py_DECREF(<object> self.table[i].lpm4)
            Py_DECREF(<object> self.table[i].lpm6)
        free(self.limbo.ring)
        free(self._spare)
        free(self.counts)
        if self.epoch != NULL:
            free(<void*> self.epoch.current)
            sem_destroy(&self._writer)
        epoch_close(self.epoch)

    def add_table(self, name: str, address: str | None = None,
                  address6: str | None = None) -> int:
        """A new routing table, IPv4 and IPv6, empty; workers see it in their next burst.

        `address` is our IPv4 address in it, the source of ICMP answers, `address6` the IPv6 one;
        without one there are no answers of its family. Returns its number. Raises ValueError for a
        name that exists, MemoryError beyond 4,096, RuntimeError inside a transaction.
        """
        cdef Lpm v4, v6
        cdef uint8_t[ADDRESS_OCTETS] octets
        cdef table_entry_t* entry
        cdef version_t* version
        cdef uint8_t[ADDRESS_OCTETS] octets6
        cdef uint32_t ours = 0
        memset(octets6, 0, ADDRESS_OCTETS)
        if address is not None:
            read_address(INET, address, octets)
            ours = load_be32(octets)
        if address6 is not None:
            read_address(INET6, address6, octets6)
        v4 = Chunked(INET)
        v6 = BurstTrie(INET6)
        self._lock_python()
        try:
            if name in self._names:
                raise ValueError(f"table {name!r} exists already")
            if self.tables == TABLES_MAX:
                raise MemoryError(f"all {TABLES_MAX} tables are in use")
            if limbo_promise(&self.limbo, 1) < 0:
                raise MemoryError("no memory for a table")
            self.tables += 1
            version = self.next_version()
            if version == NULL:
                self.tables -= 1
                raise MemoryError("no memory for a table")
            entry = &self.table[self.tables - 1]
            entry.v4 = &v4.fib
            entry.v6 = &v6.fib
            # References of our own: the collector may empty the list before limbo is empty.
            Py_INCREF(v4)
            Py_INCREF(v6)
            entry.lpm4 = <void*> v4
            entry.lpm6 = <void*> v6
            entry.exact4 = &v4.prefixes
            entry.exact6 = &v6.prefixes
            entry.address = ours
            memcpy(entry.address6, octets6, ADDRESS_OCTETS)
            self._lpm.append((v4, v6))
            self._names.append(name)
            version.view[self.tables - 1] = view_t(v4.fib.version, v6.fib.version)
            self.publish(version)
            self.reclaim()
            return self.tables - 1
        finally:
            self.unlock()

    cdef int check_table(self, int table) except -1:
        if table < 0 or table >= self.tables:
            raise KeyError(f"table {table} does not exist; there are {self.tables}")
        return 0

    cdef Lpm lpm(self, int table, int family):
        self.check_table(table)
        return self._lpm[table][0 if family == INET else 1]

    # The writer -----------------------------------------------------------------------------

    cdef int lock(self) noexcept nogil:
        cdef uint32_t thread = thread_number()
        if atomic_load_u32(&self._writer_thread, ATOMIC_RELAXED) == thread:
            return WRITER_OWN
        if sem_wait(&self._writer) != 0:
            return WRITER_INTERRUPTED
        atomic_store_u32(&self._writer_thread, thread, ATOMIC_RELAXED)
        return WRITER_LOCKED

    cdef void unlock(self) noexcept nogil:
        atomic_store_u32(&self._writer_thread, 0, ATOMIC_RELAXED)
        sem_post(&self._writer)

    cdef int _lock_python(self) except -1:
        cdef int result = WRITER_INTERRUPTED
        while result == WRITER_INTERRUPTED:
            PyErr_CheckSignals()
            with nogil:
                result = self.lock()
        if result == WRITER_OWN:
            raise RuntimeError("a transaction is open already")
        return 0

    cdef uint64_t next_number(self) noexcept nogil:
        return self.epoch.number + 1

    cdef version_t* next_version(self) noexcept nogil:
        cdef const version_t* current = self.epoch.current
        cdef version_t* version = self._spare
        cdef uint32_t room = current.room
        while room < <uint32_t> self.tables:
            room *= 2
        self._spare = NULL
        if version == NULL or version.room < room:
            free(version)
            version = <version_t*> malloc(sizeof(version_t) + (room - 1) * sizeof(view_t))
            if version == NULL:
                return NULL
            version.room = room
        version.number = current.number + 1
        version.tables = self.tables
        memcpy(version.view, current.view, current.tables * sizeof(view_t))
        return version

    cdef void drop_version(self, version_t* version) noexcept nogil:
        if self._spare == NULL:
            self._spare = version
        else:
            free(version)

    cdef void publish(self, version_t* version) noexcept nogil:
        cdef const version_t* old = self.epoch.current
        epoch_publish(self.epoch, version)
        limbo_put(&self.limbo, version.number, LIMBO_VERSION, <uint64_t> old)

    # Reclaim --------------------------------------------------------------------------------

    cdef void reclaim(self) noexcept nogil:
        cdef limbo_entry_t entry
        cdef limbo_t* limbo = &self.limbo
        cdef version_t* version
        cdef uint64_t safe
        limbo.promised = 0
        while limbo_length(limbo):
            safe = epoch_safe(self.epoch)
            while limbo_length(limbo) and limbo.ring[limbo.tail & limbo.mask].number <= safe:
                entry = limbo.ring[limbo.tail & limbo.mask]
                limbo.tail += 1
                self._release(&entry, safe)
            if limbo_length(limbo) == 0:
                break
            if limbo.ring[limbo.tail & limbo.mask].number <= self.epoch.number:
                epoch_look(self.epoch, coarse_ns())
                break
            # All that is left waits for the next version: one in which nothing changes does.
            version = self.next_version() if limbo_promise(limbo, 1) == 0 else NULL
            limbo.promised = 0
            if version == NULL:
                break
            self.publish(version)

    cdef size_t retired_octets(self) noexcept nogil:
        return self.retired + limbo_length(&self.limbo) * LIMBO_OCTETS

    cdef void _release(self, const limbo_entry_t* entry, uint64_t safe) noexcept nogil:
        cdef uint32_t value = <uint32_t> entry.value
        if entry.kind == LIMBO_VERSION:
            self.drop_version(<version_t*> entry.value)
        elif entry.kind == LIMBO_TABLE:
            self.retired -= (<Lpm> <void*> entry.value).retired_memory()
            (<Lpm> <void*> entry.value).reclaim(safe)
            self.retired += (<Lpm> <void*> entry.value).retired_memory()
        elif entry.kind == LIMBO_MEMORY:
            free(<void*> entry.value)
        elif entry.kind == LIMBO_CHANGED:
            self._fold(value, safe)
        elif entry.kind == LIMBO_SETTLED:
            self._settle(value)
        elif entry.kind == LIMBO_SHADOW:
            self.adjacencies.give(value)
        elif entry.kind == LIMBO_ADJACENCY:
            self._release_adjacency(value)
        elif entry.kind == LIMBO_SESSION:
            # A burst that began before now may have found the entry, though it is not in its
            # version: the index waits once more.
            self.sessions.remove(value)
            limbo_put(&self.limbo, self.next_number(), LIMBO_ENTRY, value)
        elif entry.kind == LIMBO_ENTRY:
            self._release_session(value)

    cdef void _release_session(self, session_t index) noexcept nogil:
        """The index may name another session from now on, whose counters begin at zero."""
        cdef int i
        spin_lock(&self.counts_lock)
        for i in range(self.counting):
            # Looked at first: what was never written to costs no memory this way.
            if self.counts[i].sent[index].last_ns or self.counts[i].sent[index].packets:
                memset(&self.counts[i].sent[index], 0, sizeof(session_count_t))
            if self.counts[i].received[index].packets or self.counts[i].received[index].refused:
                memset(&self.counts[i].received[index], 0, sizeof(session_count_t))
        spin_unlock(&self.counts_lock)
        free(<void*> self.sessions.map.at[index].policy)
        self.sessions.map.at[index].policy = NULL
        self.sessions.give(index)

    cdef void _fold(self, nh_t nh, uint64_t safe) noexcept nogil:
        """Shortens the way from a next hop to its newest contents that all workers use; if there
        are no newer ones, the next hop has them itself again.

        All workers go past `nh` meanwhile, whose contents may therefore change.
        """
        cdef adjacency_t* at = self.adjacencies.at
        cdef adjacency_side_t* side = self.adjacencies.side
        cdef uint64_t number = self.next_number()
        cdef nh_t end = nh
        cdef nh_t step
        if side[nh].state != SIDE_LIVE:
            return
        while at[end].flags & ADJ_PENDING and side[end].since <= safe:
            end = side[end].next
        if end == nh:
            return
        step = side[nh].next
        while step != end:
            limbo_put(&self.limbo, number, LIMBO_SHADOW, step)
            self.limbo.owed -= 1
            step = side[step].next
        atomic_store_u32(&side[nh].next, end, ATOMIC_RELEASE)
        if at[end].flags & ADJ_PENDING:
            return
        memcpy(&at[nh].rewrite_len, &at[end].rewrite_len, sizeof(adjacency_t) - 2)
        side[nh].hold = side[end].hold
        side[nh].marks |= SIDE_FOLDED
        # Behind the contents: who sees the mark gone sees them.
        atomic_store_u8(&at[nh].flags, atomic_load_u8(&at[end].flags, ATOMIC_RELAXED),
                        ATOMIC_RELEASE)
        limbo_put(&self.limbo, number, LIMBO_SETTLED, nh)
        self.limbo.owed -= 1

    cdef void _settle(self, nh_t nh) noexcept nogil:
        """Nobody is on the way from `nh` to its shadow any more, unless there is a new reason."""
        cdef adjacency_side_t* side = &self.adjacencies.side[nh]
        side.marks &= ~<uint8_t> SIDE_FOLDED
        if self.adjacencies.at[nh].flags & ADJ_PENDING:
            self.limbo.owed += 1      # changed meanwhile: the shadow is the first of its chain
        else:
            self.adjacencies.give(side.next)

    cdef void _release_adjacency(self, nh_t nh) noexcept nogil:
        cdef nh_t next
        while self.adjacencies.at[nh].flags & ADJ_PENDING:
            next = self.adjacencies.side[nh].next
            self.adjacencies.give(nh)
            self.limbo.owed -= 1
            nh = next
        self.adjacencies.give(nh)

    # Counters -------------------------------------------------------------------------------

    cdef int count_in(self, session_counts_t* counts) except -1:
        """Makes the arrays of a worker, which pages of unused sessions cost nothing of."""
        cdef size_t size = self.sessions.capacity * sizeof(session_count_t)
        cdef void* longer
        counts.size = size
        counts.sent = <session_count_t*> map_zeroed(size, True)
        counts.received = <session_count_t*> map_zeroed(size, True)
        if counts.sent == NULL or counts.received == NULL:
            raise MemoryError(f"no memory to count what {self.sessions.capacity} sessions carry")
        spin_lock(&self.counts_lock)
        longer = realloc(self.counts, (self.counting + 1) * sizeof(session_counts_t))
        if longer != NULL:
            self.counts = <session_counts_t*> longer
            self.counts[self.counting] = counts[0]
            self.counting += 1
        spin_unlock(&self.counts_lock)
        if longer == NULL:
            raise MemoryError("no memory for the counters of sessions")
        return 0

    cdef void count_out(self, session_counts_t* counts) noexcept:
        """Forgets the arrays of a worker, who gives their memory back."""
        cdef int i
        spin_lock(&self.counts_lock)
        for i in range(self.counting):
            if self.counts[i].sent == counts.sent:
                self.counting -= 1
                self.counts[i] = self.counts[self.counting]
                break
        spin_unlock(&self.counts_lock)

    cdef session_count_t count_of(self, session_t index, bint sent) noexcept nogil:
        """What all workers have counted."""
        cdef session_count_t total = session_count_t(0, 0, 0, 0)
        cdef const session_count_t* one
        cdef int i
        spin_lock(&self.counts_lock)
        for i in range(self.counting):
            one = &(self.counts[i].sent if sent else self.counts[i].received)[index]
            total.packets += atomic_load_u64(&one.packets, ATOMIC_RELAXED)
            total.octets += atomic_load_u64(&one.octets, ATOMIC_RELAXED)
            total.refused += atomic_load_u64(&one.refused, ATOMIC_RELAXED)
            total.last_ns = max(total.last_ns, atomic_load_u64(&one.last_ns, ATOMIC_RELAXED))
        spin_unlock(&self.counts_lock)
        return total
