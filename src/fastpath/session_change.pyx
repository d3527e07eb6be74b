"""What a transaction does to a session: its checks, and the form of its headers."""

from fastpath.adjacency cimport (
    ADJ_COPY_TOS, ADJ_DONT_FRAGMENT, ADJ_HOLD, ADJ_SEQUENCE, ADJ_UDP_CHECKSUM, REWRITE_ROOM,
    adjacency_t)
from fastpath.rewrite cimport build_rewrite, outer_t
from fastpath.session cimport (
    ORDER_DROP, ORDER_KEEP, session_ends_t, session_entry_t, session_key, session_local6)
from fastpath.types cimport (
    DATAGRAM_MAX, INET6, NEIGHBOURS_MAX, PORT_BITS, PORT_INVALID, PORT_MASK)
from fastpath.update_error cimport UPDATE_DONE, refuse_range, update_error_t
from fastpath.wire cimport load_be32, store_be32
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.string cimport memcpy


cdef int check_form(const form_t* form, update_error_t* error) noexcept nogil:
    cdef int code = refuse_range(error, "peer tunnel id", form.peer_tunnel, 1, 0xFFFF)
    if code == UPDATE_DONE:
        code = refuse_range(error, "peer session id", form.peer_session, 1, 0xFFFF)
    if code == UPDATE_DONE:
        code = refuse_range(error, "mtu", form.mtu, 68, DATAGRAM_MAX - REWRITE_ROOM)
    if code == UPDATE_DONE and form.tos != TOS_COPY:
        code = refuse_range(error, "tos", form.tos, 0, 255)
    if code == UPDATE_DONE:
        code = refuse_range(error, "mss", form.mss, 0, 0xFFFF)
    return code


cdef int check_request(const session_request_t* request, update_error_t* error) noexcept nogil:
    cdef int code = refuse_range(error, "tunnel id", request.tunnel, 1, 0xFFFF)
    if code == UPDATE_DONE:
        code = refuse_range(error, "session id", request.session, 1, 0xFFFF)
    if code == UPDATE_DONE:
        code = refuse_range(error, "local UDP port", request.local_port, 1, 0xFFFF)
    if code == UPDATE_DONE:
        code = refuse_range(error, "peer UDP port", request.peer_port, 1, 0xFFFF)
    if code == UPDATE_DONE:
        code = check_port(request.port, request.neighbour, error)
    if code == UPDATE_DONE:
        code = check_form(&request.form, error)
    return code


cdef int check_port(int64_t port, int64_t neighbour, update_error_t* error) noexcept nogil:
    cdef int code = UPDATE_DONE
    if port != PORT_INVALID:
        code = refuse_range(error, "port", port, 0, PORT_MASK - 1)
    if code == UPDATE_DONE:
        code = refuse_range(error, "neighbour", neighbour, 0, NEIGHBOURS_MAX - 1)
    return code


cdef uint16_t port_field(int64_t port, int64_t neighbour) noexcept nogil:
    if port == PORT_INVALID:
        return PORT_INVALID
    return <uint16_t> (neighbour << PORT_BITS | port)


cdef uint64_t request_key(const session_request_t* request) noexcept nogil:
    if request.family == INET6:
        return session_key(session_local6(request.local.octet), <uint16_t> request.tunnel,
                           <uint16_t> request.session)
    return session_key(load_be32(request.local.octet + 12), <uint16_t> request.tunnel,
                       <uint16_t> request.session)


cdef void apply_request(session_entry_t* entry, session_ends_t* ends,
                        const session_request_t* request) noexcept nogil:
    entry.family = <uint8_t> request.family
    entry.unsummed = not request.form.udp_checksum
    entry.order = ORDER_DROP if request.drop_old else ORDER_KEEP
    if request.family == INET6:
        entry.local = session_local6(request.local.octet)
        memcpy(ends.local, request.local.octet, 16)
        memcpy(ends.peer, request.peer.octet, 16)
    else:
        entry.local = load_be32(request.local.octet + 12)
        entry.peer = load_be32(request.peer.octet + 12)
    entry.local_port = <uint16_t> request.local_port
    entry.peer_port = <uint16_t> request.peer_port
    entry.tunnel = <uint16_t> request.tunnel
    entry.session = <uint16_t> request.session
    entry.table = <uint16_t> request.table


cdef void _read_ends(outer_t* outer, const session_entry_t* entry,
                     const session_ends_t* ends) noexcept nogil:
    outer.family = entry.family
    if entry.family == INET6:
        memcpy(outer.local.octet, ends.local, 16)
        memcpy(outer.peer.octet, ends.peer, 16)
    else:
        store_be32(outer.local.octet + 12, entry.local)
        store_be32(outer.peer.octet + 12, entry.peer)


cdef void apply_form(adjacency_t* a, const session_entry_t* entry, const session_ends_t* ends,
                     const form_t* form) noexcept nogil:
    cdef outer_t outer
    a.mtu = <uint16_t> form.mtu
    a.mss = <uint16_t> form.mss
    a.flags &= ADJ_HOLD
    a.flags |= ADJ_SEQUENCE if form.sequencing else 0
    a.flags |= ADJ_UDP_CHECKSUM if form.udp_checksum else 0
    a.flags |= ADJ_DONT_FRAGMENT if form.df else 0
    a.flags |= ADJ_COPY_TOS if form.tos == TOS_COPY else 0
    _read_ends(&outer, entry, ends)
    outer.local_port = entry.local_port
    outer.peer_port = entry.peer_port
    outer.peer_tunnel = <uint16_t> form.peer_tunnel
    outer.peer_session = <uint16_t> form.peer_session
    outer.tos = <uint8_t> (0 if form.tos == TOS_COPY else form.tos)
    outer.acfc = form.acfc
    outer.pfc = form.pfc
    build_rewrite(a, &outer)
