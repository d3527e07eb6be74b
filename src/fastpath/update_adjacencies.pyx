"""Adjacencies and sessions in an open transaction.

What packets can reach is not changed: a new adjacency has no route to it, a new session is born
never, new contents of an adjacency lie in a shadow that nothing points to, a policy that holds from
a version on that does not come.
"""

cimport cython
from fastpath.adjacency cimport (
    ADJ_DROP, ADJ_HOLD, ADJ_IP, ADJ_SESSION, ADJ_TUNNEL, SIDE_DELETED, SIDE_NEW, SIDE_STAGED,
    adjacency_side_t, adjacency_t)
from fastpath.atomic cimport (
    ATOMIC_RELAXED, ATOMIC_RELEASE, atomic_store_pointer, atomic_store_u16)
from fastpath.limbo cimport LIMBO_MEMORY, limbo_put
from fastpath.session cimport (
    SESSION_NEVER, policy_t, session_entry_t, session_hash_t, source_t)
from fastpath.session_change cimport (
    apply_form, apply_request, check_form, check_port, check_request, form_t, port_field,
    request_key, session_request_t)
from fastpath.types cimport (
    DATAGRAM_MAX, INET6, NEIGHBOURS_MAX, NH_DROP, PORT_INVALID, PORT_MASK, SESSION_INVALID, nh_t,
    session_t)
from fastpath.update_error cimport (
    UPDATE_ADJACENCIES_FULL, UPDATE_DONE, UPDATE_KIND, UPDATE_NOT_SESSION, UPDATE_NO_MEMORY,
    UPDATE_NO_NEIGHBOUR, UPDATE_PERMANENT, UPDATE_SESSIONS_FULL, UPDATE_SESSION_IN_USE,
    UPDATE_SHADOWS_FULL, refuse, refuse_nh, refuse_range)
from fastpath.update_routes cimport mark
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport malloc
from libc.string cimport memcpy

cdef enum:
    SOURCES_MAX = 0xFFFF
    FILTERS_MAX = 0xFFFF


@cython.no_gc_clear       # __dealloc__ needs what it refers to
cdef class UpdateAdjacencies(UpdateRoutes):
    """Part of Update."""

    cdef int add_adjacency(self, int kind, int64_t table, int64_t port, int64_t mtu,
                           int64_t neighbour, bint tunnel, nh_t* nh) noexcept nogil:
        cdef adjacency_t* a
        if self._require_open() != UPDATE_DONE:
            return self.error.code
        if not ADJ_DROP <= kind <= ADJ_IP:
            refuse(&self.error, UPDATE_KIND)
            self.error.value = kind
            return UPDATE_KIND
        if (refuse_range(&self.error, "mtu", mtu, 68, DATAGRAM_MAX) != UPDATE_DONE
                or self._check_table(table) != UPDATE_DONE
                or check_port(port, neighbour, &self.error) != UPDATE_DONE):
            return self.error.code
        nh[0] = self._adjacencies.take(<uint8_t> kind)
        if nh[0] == NH_DROP:
            refuse(&self.error, UPDATE_ADJACENCIES_FULL)
            self.error.most = self._adjacencies.capacity
            return UPDATE_ADJACENCIES_FULL
        a = &self._adjacencies.at[nh[0]]
        a.flags = ADJ_TUNNEL if tunnel else 0
        a.port = port_field(port, neighbour)
        a.mtu = <uint16_t> mtu
        a.session = SESSION_INVALID
        self._adjacencies.side[nh[0]].table = <uint16_t> table
        self._adjacencies.side[nh[0]].marks = SIDE_NEW
        mark(&self._made, nh[0])
        return UPDATE_DONE

    cdef int delete_adjacency(self, nh_t nh) noexcept nogil:
        cdef adjacency_side_t* side = &self._adjacencies.side[nh]
        if self._check_next_hop(nh) != UPDATE_DONE:
            return self.error.code
        if nh == NH_DROP:
            return refuse_nh(&self.error, UPDATE_PERMANENT, nh)
        side.marks |= SIDE_DELETED
        mark(&self._deleted, nh)
        if side.marks & SIDE_NEW and self._adjacencies.at[nh].kind == ADJ_SESSION:
            # No version will have it, so that another one may have its ids.
            self._sessions.map.at[self._adjacencies.at[nh].session].died = 0
        return UPDATE_DONE

    cdef int add_session(self, const session_request_t* request, nh_t* nh) noexcept nogil:
        cdef const uint8_t* local6 = NULL
        cdef session_t index
        cdef session_entry_t* entry
        cdef session_hash_t* replaced = NULL
        cdef nh_t made
        if (self._require_open() != UPDATE_DONE
                or self._check_table(request.table) != UPDATE_DONE
                or check_request(request, &self.error) != UPDATE_DONE):
            return self.error.code
        if request.family == INET6:
            local6 = <const uint8_t*> &request.local
        index = self._sessions.newest(request_key(request), local6)
        if (index != SESSION_INVALID and not SIDE_DELETED
                & self._adjacencies.side[self._sessions.map.at[index].nh].marks):
            return self._refuse_ids(request)
        # An entry if it is undone, and the hash if it grows.
        if self._promise(2) != UPDATE_DONE:
            return self.error.code
        index = self._sessions.take()
        if index == SESSION_INVALID:
            refuse(&self.error, UPDATE_SESSIONS_FULL)
            self.error.most = self._sessions.capacity
            return UPDATE_SESSIONS_FULL
        entry = &self._sessions.map.at[index]
        apply_request(entry, &self._sessions.map.ends[index], request)
        made = self._adjacencies.take(ADJ_SESSION)
        if made == NH_DROP:
            self._sessions.give(index)
            refuse(&self.error, UPDATE_ADJACENCIES_FULL)
            self.error.most = self._adjacencies.capacity
            return UPDATE_ADJACENCIES_FULL
        entry.nh = made
        if self._sessions.insert(index, &replaced) < 0:
            self._sessions.give(index)
            self._adjacencies.give(made)
            return refuse(&self.error, UPDATE_NO_MEMORY)
        if replaced != NULL:
            limbo_put(&self.forwarding.limbo, self.forwarding.next_number(), LIMBO_MEMORY,
                      <uint64_t> replaced)
        self._adjacencies.at[made].session = index
        self._adjacencies.at[made].port = port_field(request.port, request.neighbour)
        self._adjacencies.side[made].table = <uint16_t> request.table
        self._adjacencies.side[made].marks = SIDE_NEW
        apply_form(&self._adjacencies.at[made], entry, &self._sessions.map.ends[index],
                   &request.form)
        mark(&self._made, made)
        nh[0] = made
        return UPDATE_DONE

    cdef int _refuse_ids(self, const session_request_t* request) noexcept nogil:
        refuse(&self.error, UPDATE_SESSION_IN_USE)
        self.error.least = request.tunnel
        self.error.most = request.session
        self.error.family = request.family
        if request.family == INET6:
            memcpy(self.error.prefix, request.local.octet, 16)
        else:
            memcpy(self.error.prefix, request.local.octet + 12, 4)
        return UPDATE_SESSION_IN_USE

    cdef int update_session(self, nh_t nh, const form_t* form) noexcept nogil:
        cdef adjacency_t* a = NULL
        cdef uint64_t* hold = NULL
        if (self._check_session(nh) != UPDATE_DONE
                or check_form(form, &self.error) != UPDATE_DONE
                or self._writable(nh, &a, &hold) != UPDATE_DONE):
            return self.error.code
        apply_form(a, &self._sessions.map.at[a.session], &self._sessions.map.ends[a.session],
                   form)
        return UPDATE_DONE

    cdef int hold(self, nh_t nh, uint64_t key) noexcept nogil:
        cdef adjacency_t* a = NULL
        cdef uint64_t* hold = NULL
        if (self._check_session(nh) != UPDATE_DONE
                or self._writable(nh, &a, &hold) != UPDATE_DONE):
            return self.error.code
        a.flags |= ADJ_HOLD
        hold[0] = key
        return UPDATE_DONE

    cdef int set_neighbour(self, nh_t nh, int64_t neighbour) noexcept nogil:
        cdef adjacency_t* a = NULL
        cdef uint64_t* hold = NULL
        if self._check_next_hop(nh) != UPDATE_DONE:
            return self.error.code
        if (self._adjacencies.at[nh].kind != ADJ_IP
                and self._adjacencies.at[nh].kind != ADJ_SESSION):
            return refuse_nh(&self.error, UPDATE_NO_NEIGHBOUR, nh)
        if (refuse_range(&self.error, "neighbour", neighbour, 0, NEIGHBOURS_MAX - 1) != UPDATE_DONE
                or self._writable(nh, &a, &hold) != UPDATE_DONE):
            return self.error.code
        if a.port != PORT_INVALID:
            a.port = port_field(a.port & PORT_MASK, neighbour)
        return UPDATE_DONE

    cdef int set_filter(self, nh_t nh, uint32_t filter, bint inbound) noexcept nogil:
        cdef adjacency_t* a = NULL
        cdef uint64_t* hold = NULL
        if self._check_next_hop(nh) != UPDATE_DONE:
            return self.error.code
        if refuse_range(&self.error, "filter", filter, 0, FILTERS_MAX) != UPDATE_DONE:
            return self.error.code
        if inbound:
            if self._check_session(nh) != UPDATE_DONE:
                return self.error.code
            return self._new_policy(nh, NULL, -1, filter)
        if nh == NH_DROP:
            return refuse_nh(&self.error, UPDATE_PERMANENT, nh)
        if self._writable(nh, &a, &hold) != UPDATE_DONE:
            return self.error.code
        a.filter = <uint16_t> filter
        return UPDATE_DONE

    cdef int set_sources(self, nh_t nh, const source_t* sources, size_t n) noexcept nogil:
        if self._check_session(nh) != UPDATE_DONE:
            return self.error.code
        if refuse_range(&self.error, "number of sources", <int64_t> n, 0,
                        SOURCES_MAX) != UPDATE_DONE:
            return self.error.code
        return self._new_policy(nh, sources, <int64_t> n, -1)

    cdef int _check_session(self, nh_t nh) noexcept nogil:
        if self._check_next_hop(nh) != UPDATE_DONE:
            return self.error.code
        if self._adjacencies.at[nh].kind != ADJ_SESSION:
            return refuse_nh(&self.error, UPDATE_NOT_SESSION, nh)
        return UPDATE_DONE

    cdef int _writable(self, nh_t nh, adjacency_t** a, uint64_t** hold) noexcept nogil:
        """Contents of an adjacency that the open transaction may change: its own, or a shadow."""
        cdef adjacency_t* at = self._adjacencies.at
        cdef adjacency_side_t* side = self._adjacencies.side
        cdef nh_t own = nh
        cdef nh_t last
        if not side[nh].marks & SIDE_NEW:
            last = self._adjacencies.last(nh)
            if not side[nh].marks & SIDE_STAGED:
                if self._promise(1) != UPDATE_DONE:
                    return self.error.code
                own = self._adjacencies.take_shadow()
                if own == NH_DROP:
                    refuse(&self.error, UPDATE_SHADOWS_FULL)
                    self.error.most = self._adjacencies.room - self._adjacencies.capacity
                    return UPDATE_SHADOWS_FULL
                self.forwarding.limbo.owed += 1
                at[own] = at[last]
                side[own].hold = side[last].hold
                side[last].next = own
                side[nh].marks |= SIDE_STAGED
                mark(&self._staged, nh)
            own = side[last].next
        a[0] = &at[own]
        hold[0] = &side[own].hold
        return UPDATE_DONE

    cdef int _new_policy(self, nh_t nh, const source_t* sources, int64_t n,
                         int64_t filter) noexcept nogil:
        """Sources of a session (n < 0: as they are) and filter (< 0: as it is) from the commit on.
        """
        cdef session_t index = self._adjacencies.at[nh].session
        cdef session_entry_t* entry = &self._sessions.map.at[index]
        cdef const policy_t* old = entry.policy
        cdef policy_t* policy
        if n < 0:
            n = 0
            if old != NULL:
                n = old.count
                sources = &old.prefix[0]
        if self._promise(1) != UPDATE_DONE:
            return self.error.code
        policy = <policy_t*> malloc(sizeof(policy_t) + <size_t> n * sizeof(source_t))
        if policy == NULL:
            return refuse(&self.error, UPDATE_NO_MEMORY)
        policy.since = SESSION_NEVER
        policy.before = old
        policy.count = <uint32_t> n
        policy.filter = <uint32_t> filter
        if filter < 0:
            policy.filter = 0 if old == NULL else old.filter
        if n:
            memcpy(policy.prefix, sources, <size_t> n * sizeof(source_t))
        if old != NULL and old.since == SESSION_NEVER:
            # Of this transaction: it comes to nothing.
            policy.before = old.before
            limbo_put(&self.forwarding.limbo, self.forwarding.next_number(), LIMBO_MEMORY,
                      <uint64_t> old)
        else:
            mark(&self._policies, index)
        atomic_store_pointer(<const void**> &entry.policy, policy, ATOMIC_RELEASE)
        if policy.filter:
            atomic_store_u16(&entry.filtered, 1, ATOMIC_RELAXED)
        return UPDATE_DONE
