"""What would become of a packet: the path it takes, step by step, without taking it.

The verdict is the pipeline's own: a worker without ports classifies the packet, which changes no
packet, no counter and no state. The steps around it are read from the same version of the tables.
"""

from fastpath.address cimport addr_text, address_text
from fastpath.adjacency cimport ADJ_IP, ADJ_OUTER6, ADJ_SESSION, adjacency_t
from fastpath.atomic cimport sched_yield
from fastpath.engine cimport Engine
from fastpath.flow cimport flow_addresses, flow_ports
from fastpath.forwarding cimport table_entry_t
from fastpath.ip6 cimport IP6_DESTINATION
from fastpath.packet cimport PKT_DECAPPED, PKT_READONLY, packet_t
from fastpath.parse cimport parse_ip, parse_link
from fastpath.ports.linktype cimport link_number
from fastpath.prefix_store cimport store_longest
from fastpath.session cimport session_entry_t
from fastpath.types cimport INET, INET6, NH_DROP, PORT_BITS, PORT_INVALID, PORT_MASK, addr_t, nh_t
from fastpath.verdict cimport REASON_NONE, VERDICT_DROP
from fastpath.wire cimport load_be16
from fastpath.worker cimport Worker
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.string cimport memset

from ipaddress import ip_network
from typing import NamedTuple

from fastpath.verdict import REASONS, VERDICTS

KINDS = ("free", "drop", "local", "glean", "ip", "session")
"""Kinds of adjacencies by number."""


class Trace(NamedTuple):
    """What trace() found."""

    verdict: str
    reason: str
    """Drop reason, `none` for another verdict."""
    table: int
    """Routing table of the last lookup: of the inner packet, if it came out of a session."""
    prefix: str | None
    """Route it takes, None if there is none."""
    nh: int
    kind: str
    """One of KINDS."""
    port: int | None
    """Where it would leave."""
    session: int | None
    """Next hop of the session it came by."""
    lines: tuple[str, ...]
    """The same for people."""
    numbers: tuple[int, int, int, int]
    """Verdict, reason, family and IP protocol by number."""


def trace(Engine engine not None, int port, bytes frame not None, str link="raw",
          uint64_t ts=0) -> Trace:
    """What would become of a frame that arrives at a port now.

    Raises KeyError for a port that is not attached, ValueError for an unknown link type.
    """
    cdef Worker asker
    if port < 0 or port >= len(engine._tables):
        raise KeyError(f"port {port} is not attached; there are {len(engine._tables)}")
    asker = engine.asked()
    while not asker.enter():
        sched_yield()
    try:
        return _traced(engine, asker, port, frame, link, ts)
    finally:
        asker.leave()


cdef object _traced(Engine engine, Worker asker, int port, bytes frame, str link, uint64_t ts):
    cdef packet_t* p = &asker._burst[0]
    cdef packet_t outer
    cdef adjacency_t* a
    cdef nh_t nh
    memset(p, 0, sizeof(packet_t))
    p.data = p.frame = <uint8_t*><const uint8_t*>frame
    p.len = p.frame_len = p.wire_len = <uint64_t>len(frame)
    p.ts = ts
    p.link = link_number(link)
    p.flags = PKT_READONLY
    outer = p[0]
    asker.port[port].table = engine._tables[port]
    lines = [f"port {port}, table {engine._tables[port]}: {link},"
             f" {len(frame)} octets"]
    asker._find(port, p, 1)
    asker._judge(p, 1)
    if parse_link(&outer) == REASON_NONE and parse_ip(&outer) == REASON_NONE:
        lines.append(_packet_line(&outer))
    if p.flags & PKT_DECAPPED:
        lines.append(_session_line(engine, p.session))
        lines.append(_packet_line(p))
    routed = p.family and p.l4 and (p.verdict != VERDICT_DROP or p.nh != NH_DROP)
    prefix = _route_of(engine, p) if routed else None
    nh = p.nh if routed else NH_DROP
    a = asker.adjacency(&nh)
    leaves = (a.port & PORT_MASK if a.kind in (ADJ_IP, ADJ_SESSION) and a.port != PORT_INVALID
              else None)
    slot = a.port >> PORT_BITS
    if prefix is not None:
        lines.append(f"table {p.table}: {prefix} leads to next hop {p.nh}, {KINDS[a.kind]}"
                     + ("" if leaves is None else f" by port {leaves}, MTU {a.mtu}"
                        + (f", neighbour {slot}" if slot else "")))
    if a.kind == ADJ_SESSION:
        lines.append(_header_line(a))
    verdict = VERDICTS[p.verdict]
    lines.append(f"{verdict} {REASONS[p.reason]}" if p.verdict == VERDICT_DROP else verdict)
    return Trace(
        verdict, REASONS[p.reason] if p.verdict == VERDICT_DROP else REASONS[REASON_NONE], p.table,
        prefix, p.nh if routed else NH_DROP, KINDS[a.kind], leaves,
        engine.forwarding.sessions.map.at[p.session].nh if p.flags & PKT_DECAPPED else None,
        tuple(lines), (p.verdict, p.reason, p.family, p.proto))


cdef str _packet_line(const packet_t* p):
    cdef addr_t source, destination
    cdef uint16_t from_port, to_port
    flow_addresses(p, &source, &destination)
    flow_ports(p, &from_port, &to_port)
    hops = p.data[p.l3 + (8 if p.family == INET else 7)]
    ports = f", {from_port} to {to_port}" if from_port or to_port else ""
    return (f"IPv{p.family} {addr_text(&source)} to {addr_text(&destination)},"
            f" protocol {p.proto}{ports}, TTL {hops}, {p.len - p.l3} octets")


cdef str _session_line(Engine engine, uint64_t session):
    cdef session_entry_t* s = &engine.forwarding.sessions.map.at[session]
    return f"out of tunnel {s.tunnel} session {s.session}, next hop {s.nh}"


cdef str _header_line(adjacency_t* a):
    cdef const uint8_t* outer = &a.rewrite[0]
    # The offsets of adjacency.pxd: peer, its port, its ids.
    if a.flags & ADJ_OUTER6:
        peer, ids = address_text(INET6, outer + 20), outer + 40
    else:
        peer, ids = address_text(INET, outer + 16), outer + 32
    port = load_be16(outer + (38 if a.flags & ADJ_OUTER6 else 22))
    return (f"L2TP to {peer} port {port}, tunnel {load_be16(ids)} session {load_be16(ids + 2)},"
            f" {a.rewrite_len} octets before it")


cdef str _route_of(Engine engine, const packet_t* p):
    """The longest prefix of the table that holds the destination."""
    cdef table_entry_t* table = &engine.forwarding.table[p.table]
    cdef bint six = p.family == INET6
    cdef const uint8_t* destination = p.data + p.l3 + (<int>IP6_DESTINATION if six else 16)
    cdef int length = store_longest(table.exact6 if six else table.exact4, destination)
    if length == 0 and p.nh == NH_DROP:
        return None
    return str(ip_network((destination[:16 if six else 4], length), strict=False))
