"""The core of transactions: begin, commit, rollback (the contract is in update.pxd).

Everything that can fail fails while the transaction is open or first thing at its commit. What is
prepared meanwhile is in no version; a commit gives all of it the number of the next one and then
publishes that.
"""

cimport cython
from fastpath.adjacency cimport (
    ADJ_PENDING, ADJ_SESSION, SIDE_DEAD, SIDE_DELETED, SIDE_NEW, SIDE_STAGED, SIDE_TOUCHED,
    adjacency_side_t, adjacency_t)
from fastpath.atomic cimport (
    ATOMIC_RELAXED, ATOMIC_RELEASE, atomic_or_u8, atomic_store_pointer, atomic_store_u64)
from fastpath.epoch cimport EPOCH_OFFLINE, coarse_ns, epoch_look, version_t
from fastpath.forwarding cimport TABLES_MAX, WRITER_LOCKED, WRITER_OWN, Forwarding
from fastpath.limbo cimport (
    LIMBO_ADJACENCY, LIMBO_CHANGED, LIMBO_ENTRY, LIMBO_MEMORY, LIMBO_SESSION, LIMBO_TABLE,
    limbo_put)
from fastpath.lpm cimport Lpm
from fastpath.session cimport SESSION_NEVER, policy_t, session_entry_t
from fastpath.types cimport nh_t, session_t
from fastpath.update_error cimport (
    UPDATE_BROKEN, UPDATE_DANGLING, UPDATE_DONE, UPDATE_ENDED, UPDATE_INTERRUPTED,
    UPDATE_NO_MEMORY, UPDATE_OPEN, UPDATE_RETIRED, refuse, refuse_nh,
    update_error_t)
from fastpath.update_routes cimport lpm_at, map_marks, unmap_marks
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t


@cython.no_gc_clear       # __dealloc__ needs what it refers to
cdef class Update(UpdateAdjacencies):
    """One per engine."""

    def __cinit__(self, Forwarding forwarding not None):
        self.forwarding = forwarding
        self._adjacencies = forwarding.adjacencies
        self._sessions = forwarding.sessions
        map_marks(&self._tables, 2 * TABLES_MAX)
        map_marks(&self._touched, self._adjacencies.capacity)
        map_marks(&self._made, self._adjacencies.capacity)
        map_marks(&self._deleted, self._adjacencies.capacity)
        map_marks(&self._staged, self._adjacencies.capacity)
        map_marks(&self._policies, self._sessions.capacity)

    def __dealloc__(self):
        if self.is_open:
            self.rollback()
        unmap_marks(&self._tables)
        unmap_marks(&self._touched)
        unmap_marks(&self._made)
        unmap_marks(&self._deleted)
        unmap_marks(&self._staged)
        unmap_marks(&self._policies)

    cdef int begin(self) noexcept nogil:
        cdef int result = self.forwarding.lock()
        if result != WRITER_LOCKED:           # `error` belongs to who has it open
            return UPDATE_OPEN if result == WRITER_OWN else UPDATE_INTERRUPTED
        self.is_open = True
        self.broken = False
        self.forwarding.reclaim()
        return UPDATE_DONE

    cdef int commit(self, update_error_t* why) noexcept nogil:
        cdef version_t* version
        cdef adjacency_side_t* side
        cdef uint64_t number
        cdef uint32_t i, mark
        cdef void* lpm
        if not self.is_open:
            return refuse(why, UPDATE_ENDED)
        version = self.forwarding.next_version() if self._check_commit() == UPDATE_DONE else NULL
        if version == NULL:
            if self.error.code == UPDATE_DONE:
                refuse(&self.error, UPDATE_NO_MEMORY)
            why[0] = self.error
            self._undo()
            self._end()
            return why.code
        # Nothing fails from here on, and nobody sees anything before the publish.
        number = version.number
        self._commit_sessions(number)
        self._commit_staged(number)
        for i in range(self._tables.count):
            mark = self._tables.at[i]
            lpm = lpm_at(self.forwarding, mark)
            self.forwarding.retired -= (<Lpm> lpm).retired_memory()
            (<Lpm> lpm).finish(number)
            self.forwarding.retired += (<Lpm> lpm).retired_memory()
            if mark & 1:
                version.view[mark >> 1].v6 = (<Lpm> lpm).fib.version
            else:
                version.view[mark >> 1].v4 = (<Lpm> lpm).fib.version
            limbo_put(&self.forwarding.limbo, number, LIMBO_TABLE, <uint64_t> lpm)
        for i in range(self._touched.count):
            side = &self._adjacencies.side[self._touched.at[i]]
            side.references += <uint32_t> side.pending
            side.pending = 0
        self.forwarding.publish(version)
        self._end()
        return UPDATE_DONE

    cdef int rollback(self) noexcept nogil:
        if not self.is_open:
            return refuse(&self.error, UPDATE_ENDED)
        self._undo()
        self._end()
        return UPDATE_DONE

    cdef int _check_commit(self) noexcept nogil:
        cdef adjacency_side_t* side
        cdef int64_t left
        cdef uint32_t i
        refuse(&self.error, UPDATE_DONE)
        if self.broken:
            return refuse(&self.error, UPDATE_BROKEN)
        for i in range(self._deleted.count):
            side = &self._adjacencies.side[self._deleted.at[i]]
            left = <int64_t> side.references + side.pending
            if left:
                refuse_nh(&self.error, UPDATE_DANGLING, self._deleted.at[i])
                self.error.value = left
                return UPDATE_DANGLING
        if self._check_retired() != UPDATE_DONE:
            return UPDATE_RETIRED
        # Tables, the old version, and for each that is deleted adjacency and session.
        return self._promise(self._tables.count + 1 + 2 * self._deleted.count)

    cdef int _check_retired(self) noexcept nogil:
        cdef size_t octets = self.forwarding.retired_octets()
        cdef uint64_t now = coarse_ns()
        cdef uint64_t seen
        cdef uint64_t least = SESSION_NEVER
        cdef uint32_t i
        cdef uint32_t worker = 0
        if octets <= self.forwarding.retired_limit:
            return UPDATE_DONE
        epoch_look(self.forwarding.epoch, now)
        for i in range(self.forwarding.epoch.used):
            seen = self.forwarding.epoch.slot[i].seen
            if seen != EPOCH_OFFLINE and seen < least:
                least = seen
                worker = i
        refuse(&self.error, UPDATE_RETIRED)
        self.error.value = worker
        self.error.table = self.forwarding.epoch.slot[worker].thread
        self.error.least = octets
        self.error.most = self.forwarding.retired_limit
        if self.forwarding.epoch.watch[worker].since_ns:
            self.error.length = <int> (
                (now - self.forwarding.epoch.watch[worker].since_ns) // 1000000)
        return UPDATE_RETIRED

    cdef void _commit_sessions(self, uint64_t number) noexcept nogil:
        """Adjacencies that come and go, and their sessions."""
        cdef session_entry_t* entries = self._sessions.map.at
        cdef adjacency_side_t* side
        cdef adjacency_t* a
        cdef uint32_t i
        cdef nh_t nh
        for i in range(self._deleted.count):
            nh = self._deleted.at[i]
            side = &self._adjacencies.side[nh]
            a = &self._adjacencies.at[nh]
            if side.marks & SIDE_NEW:
                self._undo_session(nh, number)
                continue
            side.state = SIDE_DEAD
            if a.kind == ADJ_SESSION:
                atomic_store_u64(&entries[a.session].died, number, ATOMIC_RELAXED)
                limbo_put(&self.forwarding.limbo, number, LIMBO_SESSION, a.session)
            limbo_put(&self.forwarding.limbo, number, LIMBO_ADJACENCY, nh)
        for i in range(self._made.count):
            nh = self._made.at[i]
            a = &self._adjacencies.at[nh]
            if a.kind == ADJ_SESSION and not self._adjacencies.side[nh].marks & SIDE_DELETED:
                atomic_store_u64(&entries[a.session].born, number, ATOMIC_RELAXED)

    cdef void _commit_staged(self, uint64_t number) noexcept nogil:
        """Shadows and policies get the version from which on they hold."""
        cdef policy_t* policy
        cdef uint32_t i
        cdef nh_t nh, last
        for i in range(self._staged.count):
            nh = self._staged.at[i]
            last = self._adjacencies.last(nh)
            atomic_store_u64(&self._adjacencies.side[last].since, number, ATOMIC_RELAXED)
            atomic_or_u8(&self._adjacencies.at[last].flags, ADJ_PENDING, ATOMIC_RELEASE)
            # One that has its contents back but whose shadow is still in use goes by it again.
            atomic_or_u8(&self._adjacencies.at[nh].flags, ADJ_PENDING, ATOMIC_RELEASE)
            limbo_put(&self.forwarding.limbo, number, LIMBO_CHANGED, nh)
        for i in range(self._policies.count):
            policy = <policy_t*> self._sessions.map.at[self._policies.at[i]].policy
            atomic_store_u64(&policy.since, number, ATOMIC_RELAXED)
            if policy.before != NULL:
                limbo_put(&self.forwarding.limbo, number, LIMBO_MEMORY, <uint64_t> policy.before)

    cdef void _undo(self) noexcept nogil:
        """Gives all changes up. What a worker may have had in its hands all the same waits."""
        cdef uint64_t number = self.forwarding.next_number()
        cdef session_entry_t* entry
        cdef const policy_t* policy
        cdef uint32_t i
        for i in range(self._tables.count):
            (<Lpm> lpm_at(self.forwarding, self._tables.at[i])).abandon()
        for i in range(self._touched.count):
            self._adjacencies.side[self._touched.at[i]].pending = 0
        for i in range(self._staged.count):
            self._adjacencies.give(
                self._adjacencies.side[self._adjacencies.last(self._staged.at[i])].next)
            self.forwarding.limbo.owed -= 1
        for i in range(self._policies.count):
            entry = &self._sessions.map.at[self._policies.at[i]]
            policy = entry.policy
            atomic_store_pointer(<const void**> &entry.policy, policy.before, ATOMIC_RELEASE)
            limbo_put(&self.forwarding.limbo, number, LIMBO_MEMORY, <uint64_t> policy)
        for i in range(self._made.count):
            self._undo_session(self._made.at[i], number)

    cdef void _undo_session(self, nh_t nh, uint64_t number) noexcept nogil:
        """An adjacency that was never in a version goes at once, its session when no worker looks
        at the hash as it was."""
        cdef session_t index = self._adjacencies.at[nh].session
        if self._adjacencies.at[nh].kind == ADJ_SESSION:
            self._sessions.remove(index)
            limbo_put(&self.forwarding.limbo, number, LIMBO_ENTRY, index)
        self._adjacencies.give(nh)

    cdef void _end(self) noexcept nogil:
        cdef adjacency_side_t* side = self._adjacencies.side
        cdef uint32_t i
        for i in range(self._touched.count):
            side[self._touched.at[i]].marks &= ~<uint8_t> SIDE_TOUCHED
        for i in range(self._made.count):
            side[self._made.at[i]].marks &= ~<uint8_t> SIDE_NEW
        for i in range(self._deleted.count):
            side[self._deleted.at[i]].marks &= ~<uint8_t> SIDE_DELETED
        for i in range(self._staged.count):
            side[self._staged.at[i]].marks &= ~<uint8_t> SIDE_STAGED
        self._tables.count = self._touched.count = self._made.count = 0
        self._deleted.count = self._staged.count = self._policies.count = 0
        self.is_open = False
        self.forwarding.reclaim()
        self.forwarding.unlock()
