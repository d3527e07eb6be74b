"""What a transaction does to sessions at its commit: header form, sources, hold.

Everything is checked while the transaction is open (the functions that raise); what is applied at
the commit cannot fail.
"""

from fastpath.address cimport ADDRESS_OCTETS, read_prefix
from fastpath.adjacency cimport (
    ADJ_COPY_TOS, ADJ_DONT_FRAGMENT, ADJ_HOLD, ADJ_SEQUENCE, ADJ_UDP_CHECKSUM, REWRITE_MAX,
    adjacency_t)
from fastpath.forwarding cimport Forwarding
from fastpath.rewrite cimport build_rewrite, outer_t
from fastpath.session cimport session_entry_t, source_t, sources_t
from fastpath.types cimport DATAGRAM_MAX, INET, nh_t
from fastpath.wire cimport load_be32
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

cdef enum:
    TOS_COPY = -1             # outer TOS octet is the inner one


def check_range(str what, value, least, most) -> None:
    if not least <= value <= most:
        raise ValueError(f"{what} {value} is not {least}..{most}")


def check_form(int peer_tunnel, int peer_session, int mtu) -> None:
    check_range("peer tunnel id", peer_tunnel, 1, 0xFFFF)
    check_range("peer session id", peer_session, 1, 0xFFFF)
    check_range("mtu", mtu, 68, DATAGRAM_MAX - REWRITE_MAX)


def source_octets(prefixes) -> bytes:
    """IPv4 prefixes as the sources_t that a session entry points to."""
    cdef sources_t head
    cdef bytearray octets
    cdef source_t source
    cdef uint8_t[ADDRESS_OCTETS] address
    cdef int length
    check_range("number of sources", len(prefixes), 0, 0xFFFF)
    memset(&head, 0, sizeof(head))
    head.count = len(prefixes)
    octets = bytearray((<char*> &head)[:sizeof(sources_t) - sizeof(source_t)])
    for prefix in prefixes:
        length = read_prefix(INET, prefix, address)
        source.address = load_be32(address)
        source.mask = <uint32_t> (<uint64_t> 0xFFFFFFFF << (32 - length))
        octets += (<char*> &source)[:sizeof(source_t)]
    return bytes(octets)


cdef int outer_tos(tos) except -2:
    """TOS_COPY for None."""
    cdef int value = TOS_COPY if tos is None else tos
    if tos is not None:
        check_range("tos", value, 0, 255)
    return value


cdef int shape(adjacency_t* a, session_entry_t* entry, uint16_t peer_tunnel, uint16_t peer_session,
                int mtu, bint acfc, bint pfc, bint sequencing, bint udp_checksum, int tos,
                bint df) except -1:
    """Gives an adjacency its rewrite."""
    cdef outer_t outer
    a.mtu = mtu
    a.flags = a.flags & ADJ_HOLD
    a.flags |= ADJ_SEQUENCE if sequencing else 0
    a.flags |= ADJ_UDP_CHECKSUM if udp_checksum else 0
    a.flags |= ADJ_DONT_FRAGMENT if df else 0
    a.flags |= ADJ_COPY_TOS if tos == TOS_COPY else 0
    outer.local = entry.local
    outer.peer = entry.peer
    outer.local_port = entry.local_port
    outer.peer_port = entry.peer_port
    outer.peer_tunnel = peer_tunnel
    outer.peer_session = peer_session
    outer.tos = <uint8_t> (0 if tos == TOS_COPY else tos)
    outer.acfc = acfc
    outer.pfc = pfc
    build_rewrite(a, &outer)
    return 0


def apply_form(Forwarding f, nh, peer_tunnel, peer_session, mtu, acfc, pfc, sequencing,
               udp_checksum, tos, df) -> None:
    cdef adjacency_t* a = f.adjacencies.get(nh)
    shape(a, &f.sessions.map.at[a.session], peer_tunnel, peer_session, mtu, acfc, pfc, sequencing,
           udp_checksum, tos, df)


def apply_hold(Forwarding f, nh, key) -> None:
    cdef adjacency_t* a = f.adjacencies.get(nh)
    f.adjacencies.side[<nh_t> nh].hold = key
    a.flags |= ADJ_HOLD


def apply_sources(Forwarding f, nh, bytes octets) -> None:
    cdef session_entry_t* entry = &f.sessions.map.at[f.adjacencies.get(nh).session]
    cdef const char* data = octets
    entry.sources = <const sources_t*> data
    f.sources[nh] = octets      # keeps what the entry points to
