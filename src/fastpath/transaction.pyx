"""Transactions: any number of changes that packets see together, or not at all.

A shell over the core in update.pyx: Python's values in, Python's exceptions out.
"""

from fastpath.address cimport ADDRESS_OCTETS, fill_addr, read_address, read_prefix
from fastpath.adjacency cimport ADJ_DROP, ADJ_GLEAN, ADJ_IP, ADJ_LOCAL
from fastpath.session cimport source_t
from fastpath.session_change cimport TOS_COPY, form_t, session_request_t
from fastpath.types cimport INET, INET6, NH_DROP, NH_INVALID, nh_t
from fastpath.update_error cimport (
    UPDATE_ADJACENCIES_FULL, UPDATE_BROKEN, UPDATE_DELETED, UPDATE_DONE, UPDATE_ENDED,
    UPDATE_INTERRUPTED, UPDATE_NO_MEMORY, UPDATE_NO_NEXT_HOP, UPDATE_NO_ROUTE, UPDATE_NO_TABLE,
    UPDATE_OPEN, UPDATE_RETIRED, UPDATE_SESSIONS_FULL, UPDATE_SHADOWS_FULL, error_text,
    update_error_t)
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport UINT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

import numpy as np

from fastpath.lpm import integers, octets_of

_KINDS = {"drop": ADJ_DROP, "local": ADJ_LOCAL, "glean": ADJ_GLEAN, "ip": ADJ_IP}

# What is not here is a ValueError.
_ERRORS = {
    UPDATE_ENDED: RuntimeError, UPDATE_OPEN: RuntimeError, UPDATE_NO_TABLE: KeyError,
    UPDATE_NO_NEXT_HOP: KeyError, UPDATE_DELETED: KeyError, UPDATE_NO_ROUTE: KeyError,
    UPDATE_ADJACENCIES_FULL: MemoryError, UPDATE_SESSIONS_FULL: MemoryError,
    UPDATE_SHADOWS_FULL: MemoryError, UPDATE_BROKEN: MemoryError, UPDATE_NO_MEMORY: MemoryError,
    UPDATE_RETIRED: MemoryError}


cdef object _exception(const update_error_t* error):
    cdef char[256] text
    error_text(error, text, sizeof(text))
    return _ERRORS.get(error.code, ValueError)((<bytes> text).decode())


cdef int _form(form_t* form, peer_tunnel, peer_session, mtu, mss, acfc, pfc, sequencing,
               udp_checksum, tos, df) except -1:
    form.peer_tunnel = peer_tunnel
    form.peer_session = peer_session
    form.mtu = mtu
    form.mss = mss
    form.acfc = acfc
    form.pfc = pfc
    form.sequencing = sequencing
    form.udp_checksum = udp_checksum
    form.df = df
    if tos == TOS_COPY:
        raise ValueError(f"tos {tos} is not 0..255")
    form.tos = TOS_COPY if tos is None else tos
    return 0


cdef class Transaction:
    """Made by Engine.transaction(); used in a `with` block, which commits, or rolls back if it
    raises. The thread that made it ends it; other threads wait for that to make their own."""

    def __cinit__(self, Update update not None):
        cdef int code = UPDATE_INTERRUPTED
        self._update = update
        while code == UPDATE_INTERRUPTED:
            PyErr_CheckSignals()
            with nogil:
                code = update.begin()
        if code == UPDATE_OPEN:
            raise RuntimeError("a transaction is open already")
        self._open = True

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

    cdef int _check_open(self) except -1:
        if not self._open:
            raise RuntimeError("this transaction has ended")
        return 0

    cdef int _checked(self, int code) except -1:
        if code != UPDATE_DONE:
            raise _exception(&self._update.error)
        return 0

    cdef nh_t _next_hop(self, object nh) except? 0xFFFFFFFF:
        self._check_open()
        if not 0 <= nh < <nh_t> NH_INVALID:
            raise KeyError(f"next hop {nh} is not an adjacency")
        return nh

    # Routes ---------------------------------------------------------------------------------

    def add_route(self, int table, str prefix, nh: int) -> None:
        """Routes a prefix to a next hop; an equal prefix is replaced.

        Raises ValueError for a prefix with host bits or out of range, KeyError for an unknown
        table or next hop.
        """
        cdef uint8_t[ADDRESS_OCTETS] octets
        cdef int family = INET6 if ":" in prefix else INET
        cdef int length = read_prefix(family, prefix, octets)
        cdef nh_t to = self._next_hop(nh)
        self._checked(self._update.add_route(table, family, octets, length, to))

    def delete_route(self, int table, str prefix) -> None:
        """Takes a prefix out. Raises KeyError if it is not there."""
        cdef uint8_t[ADDRESS_OCTETS] octets
        cdef int family = INET6 if ":" in prefix else INET
        cdef int length = read_prefix(family, prefix, octets)
        self._check_open()
        self._checked(self._update.delete_route(table, family, octets, length))

    add = add_route
    delete = delete_route

    def add_routes(self, int table, addresses, lengths, next_hops) -> None:
        """Routes many prefixes at once: arrays of n.

        addresses: uint32 in host byte order (IPv4), or uint8 of shape (n, 4) or (n, 16), octets as
        in the packet; lengths: integers; next_hops: integers. Raises as add_route, naming the first
        bad row, or one whose prefix another row has, and then nothing of them is changed.
        """
        cdef int family = _family(addresses)
        cdef const uint8_t[:, ::1] keys = octets_of(addresses, 4 if family == INET else 16)
        cdef const uint8_t[::1] bits = _lengths(lengths)
        cdef const uint32_t[::1] hops = _next_hops(next_hops)
        cdef size_t n = keys.shape[0]
        cdef const uint8_t* prefixes = NULL
        cdef const uint8_t* lens = NULL
        cdef const nh_t* nhs = NULL
        cdef int code
        self._check_open()
        if bits.shape[0] != keys.shape[0] or hops.shape[0] != keys.shape[0]:
            raise ValueError(f"{n} addresses, {bits.shape[0]} lengths, {hops.shape[0]} next hops")
        if n:
            prefixes, lens, nhs = &keys[0, 0], &bits[0], &hops[0]
        with nogil:
            code = self._update.add_routes(table, family, prefixes, lens, nhs, n)
        self._checked(code)

    def delete_routes(self, int table, addresses, lengths) -> None:
        """Takes many prefixes out: arrays as in add_routes. Raises KeyError, naming the first row
        that is not there, and then nothing of them is changed."""
        cdef int family = _family(addresses)
        cdef const uint8_t[:, ::1] keys = octets_of(addresses, 4 if family == INET else 16)
        cdef const uint8_t[::1] bits = _lengths(lengths)
        cdef size_t n = keys.shape[0]
        cdef const uint8_t* prefixes = NULL
        cdef const uint8_t* lens = NULL
        cdef int code
        self._check_open()
        if bits.shape[0] != keys.shape[0]:
            raise ValueError(f"{n} addresses, {bits.shape[0]} lengths")
        if n:
            prefixes, lens = &keys[0, 0], &bits[0]
        with nogil:
            code = self._update.delete_routes(table, family, prefixes, lens, n)
        self._checked(code)

    def resolve(self, int table, str destination) -> int:
        """Next hop of an address, the changes of this transaction included; 0 if there is none."""
        cdef uint8_t[ADDRESS_OCTETS] octets
        cdef int family = INET6 if ":" in destination else INET
        cdef nh_t nh = NH_DROP
        read_address(family, destination, octets)
        self._check_open()
        self._checked(self._update.resolve(table, family, octets, &nh))
        return nh

    # Adjacencies ----------------------------------------------------------------------------

    def add_adjacency(self, str kind, *, table=0, port=0xFFFF, mtu=1500, neighbour=0,
                      bint tunnel=False) -> int:
        """A new adjacency of kind `drop`, `local`, `glean` or `ip`; returns its next hop index.

        `ip` leaves by `port`, toward the neighbour in slot `neighbour` there (0: the port finds out
        itself), and takes packets up to `mtu` octets; `tunnel` makes a `local` address
        one at which UDP 1701 is L2TP; `table` is the routing table of a `glean`.
        """
        cdef nh_t nh = NH_DROP
        self._check_open()
        if kind not in _KINDS:
            raise ValueError(f"kind {kind!r} is not one of {', '.join(_KINDS)}")
        self._checked(self._update.add_adjacency(_KINDS[kind], table, port, mtu, neighbour, tunnel,
                                                 &nh))
        return nh

    def delete_adjacency(self, nh: int) -> None:
        """Deletes an adjacency, and its session. At the commit no route may lead to it."""
        cdef nh_t index = self._next_hop(nh)
        self._checked(self._update.delete_adjacency(index))

    def add_session(self, *, table, local, peer, tunnel, session, peer_tunnel, peer_session, port,
                    neighbour=0, mtu=1460, mss=0, bint acfc=False, bint pfc=False,
                    bint sequencing=False, bint udp_checksum=True, tos=None, bint df=True,
                    bint drop_old=False) -> int:
        """An L2TP session: encapsulates toward `peer`, accepts from it; returns its next hop index.

        local and peer: (IP address, UDP port), both of one family; tunnel and session: our ids,
        1..65535; mtu: largest inner packet, octets; mss: TCP segments are cut to it, octets, in
        IPv6 to 20 less, 0 for not; tos: outer TOS octet or traffic class, None copies the inner
        one; port and neighbour: where it leaves, as add_adjacency; drop_old: numbered messages that
        come behind newer ones are dropped. Over IPv6 df says nothing, and
        without udp_checksum messages that have none are taken too. Raises ValueError for a value
        out of range or ids that are in use.
        """
        cdef session_request_t request
        cdef uint8_t[ADDRESS_OCTETS] octets
        cdef nh_t nh = NH_DROP
        self._check_open()
        request.family = _family_of(local[0])
        read_address(request.family, local[0], octets)
        fill_addr(&request.local, request.family, octets)
        read_address(request.family, peer[0], octets)
        fill_addr(&request.peer, request.family, octets)
        request.local_port = local[1]
        request.peer_port = peer[1]
        request.table = table
        request.tunnel = tunnel
        request.session = session
        request.port = port
        request.neighbour = neighbour
        request.drop_old = drop_old
        _form(&request.form, peer_tunnel, peer_session, mtu, mss, acfc, pfc, sequencing,
              udp_checksum, tos, df)
        self._checked(self._update.add_session(&request, &nh))
        return nh

    def update_session(self, nh: int, *, peer_tunnel, peer_session, mtu=1460, mss=0,
                       bint acfc=False, bint pfc=False, bint sequencing=False,
                       bint udp_checksum=True, tos=None, bint df=True) -> None:
        """New header form and MTU for a session; ids, addresses and ports stay. As add_session."""
        cdef form_t form
        cdef nh_t index = self._next_hop(nh)
        _form(&form, peer_tunnel, peer_session, mtu, mss, acfc, pfc, sequencing, udp_checksum, tos,
              df)
        self._checked(self._update.update_session(index, &form))

    def set_neighbour(self, nh: int, neighbour: int) -> None:
        """Another slot of a neighbour for a plain next hop or a session, from the commit on; the
        port stays. Raises ValueError for a slot outside 0..1023 or another kind of adjacency."""
        cdef nh_t index = self._next_hop(nh)
        self._checked(self._update.set_neighbour(index, neighbour))

    def set_sources(self, nh: int, prefixes) -> None:
        """Prefixes of either family that the peer of a session may send from even if the route to
        them leads elsewhere (another session has the same prefix and is newer), but not to a plain
        next hop, to ourselves, or by a longer prefix. Raises as add_route, and ValueError for more
        than 65,535.
        """
        cdef nh_t index = self._next_hop(nh)
        cdef list rows = list(prefixes)
        cdef size_t n = len(rows)
        cdef source_t* sources = <source_t*> malloc((n + 1) * sizeof(source_t))
        cdef size_t at
        if sources == NULL:
            raise MemoryError("no memory for the sources of a session")
        try:
            for at in range(n):
                _read_source(rows[at], &sources[at])
            self._checked(self._update.set_sources(index, sources, n))
        finally:
            free(sources)

    def hold(self, nh: int, key: int) -> None:
        """From the commit on packets for this session join the buffer of a trigger key, until
        flush."""
        cdef nh_t index = self._next_hop(nh)
        if not 0 <= key <= UINT64_MAX:
            raise ValueError(f"key {key} is not 0..{UINT64_MAX}")
        self._checked(self._update.hold(index, key))

    def set_filter(self, nh: int, filter: int, *, bint inbound=False) -> None:
        """Rules that packets must pass from the commit on, 0 for none: those that leave by a next
        hop, or with `inbound` those that come out of a session."""
        cdef nh_t index = self._next_hop(nh)
        if not 0 <= filter <= 0xFFFF:
            raise ValueError(f"filter {filter} is not 0..65535")
        self._checked(self._update.set_filter(index, filter, inbound))

    # End ------------------------------------------------------------------------------------

    def commit(self) -> None:
        """Makes the changes visible. Raises ValueError, changing nothing, if a route would dangle,
        and MemoryError if too much waits for a worker that does not pass (see Engine.workers).
        """
        cdef update_error_t error
        cdef int code
        self._check_open()
        self._open = False
        with nogil:
            code = self._update.commit(&error)
        if code != UPDATE_DONE:
            raise _exception(&error)

    def rollback(self) -> None:
        """Gives all changes up."""
        self._check_open()
        self._open = False
        with nogil:
            self._update.rollback()


cdef int _family_of(object address) except -1:
    packed = getattr(address, "packed", address)
    if isinstance(packed, bytes):
        return INET6 if len(packed) == ADDRESS_OCTETS else INET
    return INET6 if ":" in str(address) else INET


cdef int _read_source(object prefix, source_t* source) except -1:
    cdef uint8_t[ADDRESS_OCTETS] octets
    cdef int family = INET6 if ":" in str(prefix) else INET
    cdef int length = read_prefix(family, prefix, octets)
    fill_addr(&source.address, family, octets)
    source.length = <uint8_t> (length if family == INET6 else 96 + length)
    return 0


def _family(addresses) -> int:
    shape = np.shape(addresses)
    return INET6 if len(shape) == 2 and shape[1] == 16 else INET


def _lengths(lengths):
    array = integers(lengths, "lengths")
    bad = np.flatnonzero((array < 0) | (array > 255))
    if bad.size:
        raise ValueError(f"item {bad[0]}: prefix length {array[bad[0]]} is out of range")
    return array.astype(np.uint8)


def _next_hops(next_hops):
    array = integers(next_hops, "next hops")
    bad = np.flatnonzero((array < 0) | (array >= 0xFFFFFFFF))
    if bad.size:
        raise KeyError(f"item {bad[0]}: next hop {array[bad[0]]} is not an adjacency")
    return array.astype(np.uint32)
