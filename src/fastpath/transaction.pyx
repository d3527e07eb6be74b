"""Transactions: any number of changes that packets see together, or not at all.

Everything that can fail fails while the transaction is open or first thing at its commit; then the
routes are published, table by table, between two bursts.
"""

from fastpath.address cimport ADDRESS_OCTETS, read_address, read_prefix
from fastpath.adjacency cimport (
    ADJ_DROP, ADJ_GLEAN, ADJ_IP, ADJ_LOCAL, ADJ_SESSION, ADJ_TUNNEL, AdjacencyTable,
    adjacency_t)
from fastpath.session cimport session_entry_t, session_find, session_key
from fastpath.session_change cimport outer_tos, shape
from fastpath.types cimport (
    DATAGRAM_MAX, INET, INET6, NH_DROP, NH_INVALID, PORT_INVALID, SESSION_INVALID, nh_t)
from fastpath.wire cimport load_be32
from libc.stdint cimport UINT64_MAX, uint8_t, uint32_t

import numpy as np

from fastpath.session_change import (
    apply_form, apply_hold, apply_sources, check_form, check_range, source_octets)

_KINDS = {"drop": ADJ_DROP, "local": ADJ_LOCAL, "glean": ADJ_GLEAN, "ip": ADJ_IP}


cdef class Transaction:
    """Made by Engine.transaction(); used in a `with` block, which commits, or rolls back if it
    raises."""

    def __cinit__(self, Forwarding forwarding, close):
        self._forwarding = forwarding
        self._close = close
        self._open = True
        self._touched = {}
        self._references = {}
        self._new_adjacencies = []
        self._new_sessions = {}
        self._deleted = {}
        self._staged = []

    def __enter__(self):
        self._check_open()
        return self

    def __exit__(self, kind, value, traceback) -> None:
        if not self._open:
            return
        if kind is None:
            self.commit()
        else:
            self.rollback()

    # Routes ---------------------------------------------------------------------------------

    def add_route(self, int table, str prefix, nh: int) -> None:
        """Routes a prefix to a next hop; an equal prefix is replaced.

        Raises ValueError for a prefix with host bits or out of range, KeyError for an unknown
        table or next hop.
        """
        cdef uint8_t[ADDRESS_OCTETS] octets
        cdef int family = INET6 if ":" in prefix else INET
        cdef int length = read_prefix(family, prefix, octets)
        cdef Lpm lpm
        cdef nh_t old
        self._check_next_hop(nh)
        lpm = self._lpm(table, family)
        old = lpm.exact(octets, length)
        lpm.add(octets, length, nh)
        if old != NH_INVALID:
            self._references[old] = self._references.get(old, 0) - 1
        self._references[nh] = self._references.get(nh, 0) + 1

    def delete_route(self, int table, str prefix) -> None:
        """Takes a prefix out. Raises KeyError if it is not there."""
        cdef uint8_t[ADDRESS_OCTETS] octets
        cdef int family = INET6 if ":" in prefix else INET
        cdef int length = read_prefix(family, prefix, octets)
        cdef Lpm lpm = self._lpm(table, family)
        cdef nh_t old
        old = lpm.exact(octets, length)
        if old == NH_INVALID:
            raise KeyError(f"no route {prefix} in table {table}")
        lpm.delete(octets, length)
        self._references[old] = self._references.get(old, 0) - 1

    def add_routes(self, int table, addresses, lengths, next_hops) -> None:
        """Routes many prefixes at once: arrays of n.

        addresses: uint32 in host byte order (IPv4) or uint8 of shape (n, 16) (IPv6); lengths:
        integers; next_hops: integers. Raises as add_route, naming the first bad row, or one whose
        prefix another row has, and then nothing of them is changed.
        """
        cdef int family = INET if np.ndim(addresses) == 1 else INET6
        cdef Lpm lpm = self._lpm(table, family)
        values, counts = np.unique(np.asarray(next_hops), return_counts=True)
        for nh in values:
            self._check_next_hop(int(nh))
        replaced = lpm.next_hops_of(addresses, lengths)
        _check_distinct(np.asarray(addresses), np.asarray(lengths))
        lpm.load(addresses, lengths, next_hops)
        for nh, count in zip(values, counts, strict=True):
            self._references[int(nh)] = self._references.get(int(nh), 0) + int(count)
        # As a C constant the invalid index is unsigned, as a Python object it may be -1.
        replaced = replaced[replaced != np.uint32(<nh_t> NH_INVALID)]
        for nh, count in zip(*np.unique(replaced, return_counts=True), strict=True):
            self._references[int(nh)] = self._references.get(int(nh), 0) - int(count)

    def resolve(self, int table, str destination) -> int:
        """Next hop of an address, the changes of this transaction included; 0 if there is none."""
        cdef uint8_t[ADDRESS_OCTETS] octets
        cdef int family = INET6 if ":" in destination else INET
        read_address(family, destination, octets)
        return self._lpm(table, family).resolve(octets)

    # Adjacencies ----------------------------------------------------------------------------

    def add_adjacency(self, str kind, *, int table=0, int port=0xFFFF, int mtu=1500,
                      bint tunnel=False) -> int:
        """A new adjacency of kind `drop`, `local`, `glean` or `ip`; returns its next hop index.

        `ip` leaves by `port` and takes packets up to `mtu` octets; `tunnel` makes a `local` address
        one at which UDP 1701 is L2TP; `table` is the routing table of a `glean`.
        """
        cdef nh_t nh
        cdef adjacency_t* a
        self._check_open()
        if kind not in _KINDS:
            raise ValueError(f"kind {kind!r} is not one of {', '.join(_KINDS)}")
        if not 68 <= mtu <= DATAGRAM_MAX:
            raise ValueError(f"mtu {mtu} is not 68..{DATAGRAM_MAX}")
        self._forwarding.check_table(table)
        check_range("port", port, 0, PORT_INVALID)
        nh = self._take(_KINDS[kind])
        a = &self._forwarding.adjacencies.at[nh]
        a.flags = ADJ_TUNNEL if tunnel else 0
        self._forwarding.adjacencies.side[nh].table = table
        a.port = port
        a.mtu = mtu
        a.session = SESSION_INVALID
        self._new_adjacencies.append(nh)
        return nh

    def add_session(self, *, int table, local, peer, int tunnel, int session, int peer_tunnel,
                    int peer_session, int port, int mtu=1460, bint acfc=False, bint pfc=False,
                    bint sequencing=False, bint udp_checksum=True, tos=None, bint df=True) -> int:
        """An L2TP session: encapsulates toward `peer`, accepts from it; returns its next hop index.

        local and peer: (IPv4 address, UDP port); tunnel and session: our ids, 1..65535; mtu:
        largest inner packet, octets; tos: outer TOS octet, None copies the inner one; port: where
        it leaves. Raises ValueError for a value out of range or ids that are in use.
        """
        cdef nh_t nh
        cdef adjacency_t* a
        cdef session_entry_t* entry
        cdef uint32_t index
        cdef object key
        cdef uint8_t[ADDRESS_OCTETS] ours, theirs
        cdef int local_port = local[1]
        cdef int peer_port = peer[1]
        cdef int tos_octet = outer_tos(tos)
        read_address(INET, local[0], ours)
        read_address(INET, peer[0], theirs)
        self._check_open()
        self._forwarding.check_table(table)
        check_range("tunnel id", tunnel, 1, 0xFFFF)
        check_range("session id", session, 1, 0xFFFF)
        check_range("local UDP port", local_port, 1, 0xFFFF)
        check_range("peer UDP port", peer_port, 1, 0xFFFF)
        check_range("port", port, 0, PORT_INVALID)
        check_form(peer_tunnel, peer_session, mtu)
        key = session_key(load_be32(ours), tunnel, session)
        if self._session_at(key) != NH_DROP:
            raise ValueError(f"tunnel {tunnel} session {session} at {local[0]} is in use")
        index = self._forwarding.sessions.allocate()
        try:
            nh = self._take(ADJ_SESSION)
        except MemoryError:
            self._forwarding.sessions.release(index)
            raise
        a = &self._forwarding.adjacencies.at[nh]
        a.session = index
        self._forwarding.adjacencies.side[nh].table = table
        a.port = port
        entry = &self._forwarding.sessions.map.at[index]
        entry.local = load_be32(ours)
        entry.peer = load_be32(theirs)
        entry.local_port = local_port
        entry.peer_port = peer_port
        entry.tunnel = tunnel
        entry.session = session
        entry.nh = nh
        entry.table = table
        shape(a, entry, peer_tunnel, peer_session, mtu, acfc, pfc, sequencing, udp_checksum,
              tos_octet, df)
        self._new_adjacencies.append(nh)
        self._new_sessions[key] = nh
        return nh

    def update_session(self, nh: int, *, int peer_tunnel, int peer_session, int mtu=1460,
                       bint acfc=False, bint pfc=False, bint sequencing=False,
                       bint udp_checksum=True, tos=None, bint df=True) -> None:
        """New header form and MTU for a session; ids, addresses and ports stay. As add_session."""
        self._check_session(nh)
        check_form(peer_tunnel, peer_session, mtu)
        self._staged.append((apply_form, (self._forwarding, nh, peer_tunnel, peer_session, mtu,
                                          acfc, pfc, sequencing, udp_checksum, outer_tos(tos),
                                          df)))

    def set_sources(self, nh: int, prefixes) -> None:
        """IPv4 prefixes that the peer of a session may send from even if the route to them leads
        elsewhere (another session has the same prefix and is newer), but not to a plain next hop,
        to ourselves, or by a longer prefix. Raises as add_route, and ValueError for more than
        65,535.
        """
        self._check_session(nh)
        self._staged.append((apply_sources, (self._forwarding, nh, source_octets(prefixes))))

    def hold(self, nh: int, key: int) -> None:
        """From the commit on packets for this session join the buffer of a trigger key, until
        flush."""
        self._check_session(nh)
        check_range("key", key, 0, UINT64_MAX)
        self._staged.append((apply_hold, (self._forwarding, nh, key)))

    def delete_adjacency(self, nh: int) -> None:
        """Deletes an adjacency, and its session. At the commit no route may lead to it."""
        cdef adjacency_t* a
        cdef session_entry_t* entry
        self._check_next_hop(nh)
        if nh == NH_DROP:
            raise ValueError("next hop 0 is permanent")
        a = self._forwarding.adjacencies.get(nh)
        self._deleted[nh] = None
        if a.kind == ADJ_SESSION:
            entry = &self._forwarding.sessions.map.at[a.session]
            key = session_key(entry.local, entry.tunnel, entry.session)
            if self._new_sessions.get(key) == nh:
                del self._new_sessions[key]
            else:
                self._deleted[nh] = key

    # End ------------------------------------------------------------------------------------

    def commit(self) -> None:
        """Makes the changes visible. Raises ValueError, changing nothing, if a route would dangle.
        """
        cdef Lpm lpm
        self._check_open()
        try:
            for lpm in self._touched.values():
                if lpm.broken:
                    raise MemoryError("memory ran out in this transaction")
            for nh in self._deleted:
                left = (self._forwarding.adjacencies.side[<nh_t> nh].references
                        + self._references.get(nh, 0))
                if left:
                    raise ValueError(f"next hop {nh} is deleted, but {left} routes lead to it")
        except Exception:
            self._rollback()
            raise
        self._commit()

    def rollback(self) -> None:
        """Gives all changes up."""
        self._check_open()
        self._rollback()

    cdef int _commit(self) except -1:
        cdef Forwarding f = self._forwarding
        cdef adjacency_t* a
        cdef Lpm lpm
        for nh, change in self._references.items():
            f.adjacencies.side[<nh_t> nh].references += <int>change
        for nh, key in self._deleted.items():
            if key is not None:
                f.sessions.remove(f.adjacencies.at[nh].session)
        for nh in self._new_sessions.values():
            f.sessions.insert(f.adjacencies.at[nh].session)
        for function, arguments in self._staged:
            function(*arguments)
        for lpm in self._touched.values():
            lpm.commit()
        for nh in self._deleted:
            a = &f.adjacencies.at[nh]
            if a.kind == ADJ_SESSION:
                f.sources.pop(nh, None)
                f.release_session(a.session)
            f.adjacencies.give(nh)
        self._open = False
        self._close()
        return 0

    cdef int _rollback(self) except -1:
        cdef Forwarding f = self._forwarding
        cdef Lpm lpm
        for lpm in self._touched.values():
            lpm.rollback()
        for nh in self._new_adjacencies:
            if f.adjacencies.at[nh].kind == ADJ_SESSION:
                f.sessions.release(f.adjacencies.at[nh].session)
            f.adjacencies.give(nh)
        self._open = False
        self._close()
        return 0

    cdef nh_t _take(self, int kind) except 0:
        cdef AdjacencyTable adjacencies = self._forwarding.adjacencies
        cdef nh_t nh = adjacencies.take(kind)
        if nh == NH_DROP:
            raise MemoryError(f"all {adjacencies.capacity} adjacencies are in use")
        return nh

    cdef int _check_open(self) except -1:
        if not self._open:
            raise RuntimeError("this transaction has ended")
        return 0

    cdef nh_t _session_at(self, key) except? 0:
        """Adjacency of the session with these ids, this transaction included; 0: there is none."""
        cdef uint32_t index = session_find(&self._forwarding.sessions.map, key)
        cdef nh_t nh = self._new_sessions.get(key, NH_DROP)
        if nh == NH_DROP and index != SESSION_INVALID:
            nh = self._forwarding.sessions.map.at[index].nh
            if nh in self._deleted:
                nh = NH_DROP
        return nh

    cdef int _check_next_hop(self, nh) except -1:
        self._check_open()
        self._forwarding.adjacencies.get(nh)
        if nh in self._deleted:
            raise KeyError(f"next hop {nh} is deleted in this transaction")
        return 0

    def _check_session(self, nh: int) -> None:
        self._check_next_hop(nh)
        if self._forwarding.adjacencies.get(nh).kind != ADJ_SESSION:
            raise ValueError(f"next hop {nh} is not a session")

    cdef Lpm _lpm(self, int table, int family):
        cdef Lpm lpm
        self._check_open()
        lpm = self._forwarding.lpm(table, family)
        if (table, family) not in self._touched:
            lpm.begin()
            self._touched[table, family] = lpm
        return lpm


def _check_distinct(addresses, lengths) -> None:
    wide = addresses.ndim == 2        # IPv6: two columns of 64 bits, in whatever order
    columns = np.ascontiguousarray(addresses).view("u8").T if wide else (addresses,)
    order = np.lexsort((lengths, *columns))
    equal = np.ones(max(len(order), 1), dtype=bool)[1:]
    for column in (lengths, *columns):
        equal &= column[order[1:]] == column[order[:len(equal)]]
    for first in np.flatnonzero(equal)[:1]:
        rows = sorted(order[first:first + 2])
        raise ValueError(f"item {rows[1]}: the same prefix as item {rows[0]}")
