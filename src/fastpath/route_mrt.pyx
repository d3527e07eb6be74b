"""Routes in MRT dumps of BGP tables: TABLE_DUMP_V2 (RFC 6396 4.3), with path identifiers too
(RFC 8050 4).

Of the routes of several peers to one prefix that of the first is taken, or that of a chosen peer.
Multicast and generic tables are passed over. Messages and the older TABLE_DUMP are not read.

  record   time stamp 4 | type 2 | subtype 2 | length 4 | body
  peers    collector 4 | name length 2 | name | count 2 | (type 1 | BGP id 4 | address | AS)*
  route    sequence 4 | bits 1 | prefix | count 2 | (peer 2 | time 4 | [path 4] | length 2 | attrs)*
"""

from fastpath.route_columns cimport NextHops, RouteColumns
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

from fastpath.route_columns import RouteDataError, address_of

cdef enum:
    HEADER = 12
    RECORD_LIMIT = 1 << 26    # octets; 65,535 peers do not fill that with routes to one prefix
    TABLE_DUMP_V2 = 13

    PEER_INDEX_TABLE = 1
    RIB_IPV4_UNICAST = 2
    RIB_IPV6_UNICAST = 4
    RIB_IPV4_UNICAST_ADDPATH = 8
    RIB_IPV6_UNICAST_ADDPATH = 10
    LAST_SUBTYPE = 12

    PEER_IPV6 = 1             # bits of a peer's type
    PEER_AS4 = 2

    ATTRIBUTE_EXTENDED = 0x10 # its length has two octets
    NEXT_HOP = 3
    MP_REACH_NLRI = 14

    FIRST_PEER = -1
    SHOWN_PEERS = 8


cdef inline uint32_t _be16(const uint8_t* at) noexcept nogil:
    return <uint32_t> at[0] << 8 | at[1]


cdef inline uint32_t _be32(const uint8_t* at) noexcept nogil:
    return _be16(at) << 16 | _be16(at + 2)


cdef class MrtReader:
    """Reads a dump that comes in pieces. RouteDataError: no such dump; its offset is that of the
    record, whose number the reason names.

    peer: the packed address of the peer whose routes are taken; None takes the first of each
    prefix.
    """

    cdef readonly RouteColumns v4
    cdef readonly RouteColumns v6
    cdef readonly Py_ssize_t records
    cdef readonly Py_ssize_t passed_over  # records of tables that are not unicast IPv4 or IPv6
    cdef readonly Py_ssize_t left_out # prefixes that the peer, or a chosen next hop, does not have
    cdef readonly object peers        # (packed address, AS number) of each, None before they came
    cdef NextHops next_hops
    cdef object wanted
    cdef int chosen                   # index of the wanted peer, or FIRST_PEER
    cdef uint32_t peer_count
    cdef bytes pending
    cdef object base
    cdef object offset                # of the record that is read
    cdef uint32_t item                # its peer or route that is read
    cdef uint32_t items               # how many it has

    def __cinit__(self, NextHops next_hops not None, bytes peer=None):
        self.v4 = RouteColumns(4)
        self.v6 = RouteColumns(16)
        self.next_hops = next_hops
        self.wanted = peer
        self.chosen = FIRST_PEER
        self.pending = b""
        self.base = 0

    def feed(self, bytes data not None):
        cdef bytes held = self.pending + data if self.pending else data
        cdef const uint8_t* start = held
        cdef Py_ssize_t size = len(held)
        cdef Py_ssize_t at = 0
        cdef uint32_t length
        while size - at >= HEADER:
            length = self._header(start + at, self.base + at)
            if size - at - HEADER < <Py_ssize_t> length:
                break
            self._body(start + at, length)
            at += HEADER + length
            self.records += 1
        self.base += at
        self.pending = held[at:]

    def finish(self):
        """The end of the data, which must be that of a record."""
        if self.pending:
            self.offset = self.base
            self._fail(f"the data ends {len(self.pending)} octets after its beginning")
        if self.peers is None:
            self.offset = self.base
            self._fail("there is no PEER_INDEX_TABLE (1): no dump of a table")

    cdef uint32_t _header(self, const uint8_t* at, object offset) except? 0xFFFFFFFF:
        cdef uint32_t kind = _be16(at + 4)
        cdef uint32_t subtype = _be16(at + 6)
        cdef uint32_t length = _be32(at + 8)
        self.offset = offset
        if kind != TABLE_DUMP_V2:
            self._fail(f"type {kind} is not TABLE_DUMP_V2 ({TABLE_DUMP_V2})")
        if not PEER_INDEX_TABLE <= subtype <= LAST_SUBTYPE:
            self._fail(f"subtype {subtype} is not in {PEER_INDEX_TABLE}..{LAST_SUBTYPE}")
        if length > RECORD_LIMIT:
            self._fail(f"length {length} is above {RECORD_LIMIT}")
        return length

    cdef int _body(self, const uint8_t* record, uint32_t length) except -1:
        cdef uint32_t subtype = _be16(record + 6)
        cdef const uint8_t* at = record + HEADER
        if subtype == PEER_INDEX_TABLE:
            return self._peer_index(at, at + length)
        if subtype == RIB_IPV4_UNICAST or subtype == RIB_IPV4_UNICAST_ADDPATH:
            return self._routes(self.v4, at, at + length, subtype == RIB_IPV4_UNICAST_ADDPATH)
        if subtype == RIB_IPV6_UNICAST or subtype == RIB_IPV6_UNICAST_ADDPATH:
            return self._routes(self.v6, at, at + length, subtype == RIB_IPV6_UNICAST_ADDPATH)
        self.passed_over += 1
        return 0

    cdef int _peer_index(self, const uint8_t* at, const uint8_t* end) except -1:
        cdef uint32_t count
        cdef uint32_t i
        cdef int width
        cdef int as_width
        cdef list peers = []
        if self.peers is not None:
            self._fail("there is a second PEER_INDEX_TABLE")
        self._need(at, end, 6, "PEER_INDEX_TABLE")
        self._need(at + 6, end, _be16(at + 4) + 2, "the view's name")
        at += 6 + _be16(at + 4)
        count = _be16(at)
        at += 2
        self.items = count
        for i in range(count):
            self.item = i
            self._need(at, end, 1, "peer {} of {}")
            width = 16 if at[0] & PEER_IPV6 else 4
            as_width = 4 if at[0] & PEER_AS4 else 2
            self._need(at, end, 5 + width + as_width, "peer {} of {}")
            at += 5
            peers.append((at[:width], _be32(at + width) if as_width == 4 else _be16(at + width)))
            at += width + as_width
        if at != end:
            self._fail(f"{end - at} octets are behind the last of {count} peers")
        self.peers = peers
        self.peer_count = count
        self._choose()
        return 0

    cdef int _choose(self) except -1:
        cdef int i
        if self.wanted is None:
            return 0
        for i in range(<int> self.peer_count):
            if self.peers[i][0] == self.wanted:
                self.chosen = i
                return 0
        there = ", ".join(address_of(address) for address, _ in self.peers[:SHOWN_PEERS])
        more = ", ..." if self.peer_count > SHOWN_PEERS else ""
        self._fail(f"peer {address_of(self.wanted)} is none of its {self.peer_count}: "
                   f"{there}{more}")

    cdef int _routes(self, RouteColumns columns, const uint8_t* at, const uint8_t* end,
                     bint with_path) except -1:
        cdef uint8_t[16] prefix
        cdef int width = columns.width
        cdef int entry = 12 if with_path else 8
        cdef uint32_t count
        cdef uint32_t peer
        cdef uint32_t i
        cdef uint32_t length
        cdef uint32_t nh = 0
        cdef bint found = False
        cdef int bits
        if self.peers is None:
            self._fail("routes come before the PEER_INDEX_TABLE (1)")
        self._need(at, end, 5, "a route")
        bits = at[4]
        if bits > 8 * width:
            self._fail(f"prefix length {bits} is not in 0..{8 * width}")
        at += 5
        self._need(at, end, (bits + 7) // 8 + 2, "a prefix")
        _read_prefix(at, bits, prefix)
        at += (bits + 7) // 8
        count = _be16(at)
        at += 2
        self.items = count
        for i in range(count):
            self.item = i
            self._need(at, end, entry, "route {} of {}")
            peer = _be16(at)
            length = _be16(at + entry - 2)
            if peer >= self.peer_count:
                self._fail(f"peer index {peer} is not below {self.peer_count}")
            at += entry
            self._need(at, end, length, "the attributes of route {} of {}")
            if not found and (self.chosen == FIRST_PEER or peer == <uint32_t> self.chosen):
                nh = self._next_hop(at, at + length, width)
                found = True
            at += length
        if at != end:
            self._fail(f"{end - at} octets are behind the last of {count} routes")
        if nh == 0:
            self.left_out += 1
            return 0
        return columns.append(prefix, bits, nh)

    cdef uint32_t _next_hop(self, const uint8_t* at, const uint8_t* end,
                            int width) except? 0xFFFFFFFF:
        """The number of the next hop that path attributes name (RFC 4271 4.3, RFC 4760 3)."""
        cdef const uint8_t* plain = NULL
        cdef const uint8_t* reach = NULL
        cdef uint32_t length
        cdef uint32_t reach_length = 0
        cdef int head
        while at < end:
            self._need(at, end, 3, "a path attribute")
            head = 4 if at[0] & ATTRIBUTE_EXTENDED else 3
            self._need(at, end, head, "a path attribute")
            length = _be16(at + 2) if head == 4 else at[2]
            self._need(at + head, end, length, "a path attribute's value")
            if at[1] == NEXT_HOP:
                if length != 4:
                    self._fail(f"NEXT_HOP has {length} octets, not 4")
                plain = at + head
            elif at[1] == MP_REACH_NLRI:
                reach = at + head
                reach_length = length
            at += head + length
        if plain != NULL and (width == 4 or reach == NULL):
            return self._number(plain, 4)
        if reach == NULL:
            self._fail("a route has neither NEXT_HOP (3) nor MP_REACH_NLRI (14)")
        return self._reached(reach, reach_length)

    cdef uint32_t _reached(self, const uint8_t* at, uint32_t length) except? 0xFFFFFFFF:
        """MP_REACH_NLRI is length and next hop here (RFC 6396 4.3.4). Some write it whole, with
        family and sub-family first, whose first octet is 0 and so no length."""
        cdef const uint8_t* end = at + length
        self._need(at, end, 1, "MP_REACH_NLRI")
        if at[0] == 0:
            self._need(at, end, 4, "MP_REACH_NLRI")
            at += 3
        if at[0] != 4 and at[0] != 16 and at[0] != 32:
            self._fail(f"MP_REACH_NLRI has a next hop of {at[0]} octets, not 4, 16 or 32")
        self._need(at, end, 1 + at[0], "the next hop of MP_REACH_NLRI")
        # Of 32 the second 16 are the link-local address of the same router (RFC 2545 3).
        return self._number(at + 1, 4 if at[0] == 4 else 16)

    cdef uint32_t _number(self, const uint8_t* address, int width) except? 0xFFFFFFFF:
        try:
            return self.next_hops.number_of(address[:width])
        except ValueError as error:
            self._fail(str(error))

    cdef inline int _need(self, const uint8_t* at, const uint8_t* end, uint32_t octets,
                          str what) except -1:
        if end - at < <Py_ssize_t> octets:
            told = what.format(self.item, self.items)
            self._fail(f"{told} needs {octets} octets, and {end - at} are left")
        return 0

    cdef int _fail(self, what) except -1:
        raise RouteDataError(f"record {self.records}: {what}", self.offset)


cdef void _read_prefix(const uint8_t* at, int bits, uint8_t* prefix) noexcept nogil:
    """`bits` bits; what the last octet has beyond them means nothing (RFC 4271 4.3)."""
    memset(prefix, 0, 16)
    memcpy(prefix, at, (bits + 7) // 8)
    if bits & 7:
        prefix[bits >> 3] &= <uint8_t> (0xFF00 >> (bits & 7))
