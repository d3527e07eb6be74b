"""Packets against filters (contract in filtering.pxd).

Only chunks in which an adjacency or a session has a filter come here. Packets that meet the same
filter are looked up together.
"""

cimport cython
from fastpath.acl cimport acl_lookup
from fastpath.acl_tables cimport ACL_NONE
from fastpath.atomic cimport (ATOMIC_ACQUIRE, ATOMIC_RELAXED, atomic_add_u64,
                              atomic_load_pointer)
from fastpath.filters cimport FILTERS_MAX, filter_t
from fastpath.key cimport fill_key4, fill_key6
from fastpath.output cimport Output
from fastpath.packet cimport PKT_DECAPPED, PKT_QUIET_IN, PKT_QUIET_OUT, packet_t
from fastpath.rules cimport ACTION_COUNT, ACTION_PASS, ACTION_TRAFFIC, acl_key4_t, acl_key6_t
from fastpath.session cimport session_entry_t, session_filter
from fastpath.types cimport BURST_MAX, INET, nh_t
from fastpath.verdict cimport (
    REASON_FILTERED, REASON_NO_TRAFFIC, VERDICT_DROP, VERDICT_PUNT_LOCAL, VERDICT_TRIGGER)
from libc.stdint cimport uint8_t, uint16_t, uint32_t


@cython.no_gc_clear       # __dealloc__ needs what it refers to
cdef class Filtering(Output):
    """The part of a worker that filters."""

    cdef void filter(self, packet_t* burst, int n) noexcept nogil:
        cdef uint16_t filters[BURST_MAX]
        cdef bint inbound
        cdef int way, i
        for way in range(2):
            inbound = way == 0
            for i in range(n):
                filters[i] = self._filter_of(&burst[i], inbound)
            self._hold_against(burst, filters, n, inbound)

    cdef uint16_t _filter_of(self, const packet_t* p, bint inbound) noexcept nogil:
        """The filter that a packet meets on its way in or out, 0 for none."""
        cdef const session_entry_t* session
        cdef nh_t nh = p.nh
        if p.verdict > VERDICT_TRIGGER and p.verdict != VERDICT_PUNT_LOCAL:
            return 0                    # dropped already, or something of L2TP or PPP
        if inbound:
            if not p.flags & PKT_DECAPPED:
                return 0
            session = &self._sessions.at[p.session]
            if not session.filtered:
                return 0
            return <uint16_t> session_filter(session, self._version.number)
        return self.adjacency(&nh).filter

    cdef void _hold_against(self, packet_t* burst, const uint16_t* filters, int n,
                            bint inbound) noexcept nogil:
        cdef acl_key4_t keys4[BURST_MAX]
        cdef acl_key6_t keys6[BURST_MAX]
        cdef uint32_t rules[BURST_MAX]
        cdef uint16_t members[BURST_MAX]
        cdef uint8_t done[BURST_MAX]
        cdef const filter_t* filter
        cdef uint32_t rule
        cdef int first, i, count
        for i in range(n):
            done[i] = filters[i] == 0
        for first in range(n):
            if done[first]:
                continue
            count = 0
            for i in range(first, n):
                if filters[i] == filters[first] and burst[i].family == burst[first].family:
                    done[i] = True
                    members[count] = i
                    if burst[i].family == INET:
                        fill_key4(&keys4[count], &burst[i])
                    else:
                        fill_key6(&keys6[count], &burst[i])
                    count += 1
            filter = NULL
            if filters[first] < FILTERS_MAX:
                filter = <const filter_t*> atomic_load_pointer(
                    <const void**> &self._filters.at[filters[first]], ATOMIC_ACQUIRE)
            if filter != NULL:
                acl_lookup(filter.acl, burst[first].family,
                           <void*> keys4 if burst[first].family == INET else <void*> keys6, rules,
                           count, filter.level)
            for i in range(count):
                if filter == NULL:
                    # A number that stands for nothing lets nothing pass.
                    self._apply(&burst[members[i]], 0, inbound)
                    continue
                rule = min(rules[i], filter.rules)
                if filter.actions[rule] & ACTION_COUNT:
                    atomic_add_u64(&filter.counts[rule], 1, ATOMIC_RELAXED)
                self._apply(&burst[members[i]], filter.actions[rule], inbound)

    cdef void _apply(self, packet_t* p, uint8_t action, bint inbound) noexcept nogil:
        if not action & ACTION_PASS:
            p.verdict = VERDICT_DROP
            p.reason = REASON_FILTERED
        elif not action & ACTION_TRAFFIC:
            if p.verdict == VERDICT_TRIGGER and not inbound:
                p.verdict = VERDICT_DROP
                p.reason = REASON_NO_TRAFFIC
            p.flags |= PKT_QUIET_IN if inbound else PKT_QUIET_OUT
