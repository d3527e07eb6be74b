"""Calls of the C ABI that change routes, adjacencies and sessions: a shell over the core of
transactions (update.pyx), without the GIL."""

from fastpath.abi.fp_abi cimport (
    FP_ERROR_ARGUMENT, FP_ERROR_BUSY, FP_ERROR_CLOSED, FP_ERROR_FULL, FP_ERROR_THREAD,
    FP_ERROR_UNKNOWN, FP_OK, FP_SESSION_ACFC, FP_SESSION_COPY_TOS, FP_SESSION_DF, FP_SESSION_PFC,
    FP_SESSION_SEQUENCING, FP_SESSION_UDP_CHECKSUM, fp_abi_t, fp_adjacency_t, fp_engine_t,
    fp_error_t, fp_prefix_t, fp_route_t, fp_session_t, fp_transaction_t)
from fastpath.abi.handle cimport (
    close_transaction, engine_slot_t, enter, enter_transaction, fail, leave, open_transaction)
from fastpath.address cimport address_width, fill_addr, has_host_bits
from fastpath.engine cimport Engine
from fastpath.session cimport source_t
from fastpath.session_change cimport TOS_COPY, form_t, session_request_t
from fastpath.types cimport INET, INET6, nh_t
from fastpath.update cimport Update
from fastpath.update_error cimport (
    UPDATE_ADJACENCIES_FULL, UPDATE_BROKEN, UPDATE_DELETED, UPDATE_DONE, UPDATE_ENDED,
    UPDATE_INTERRUPTED, UPDATE_NO_MEMORY, UPDATE_NO_NEXT_HOP, UPDATE_NO_ROUTE, UPDATE_NO_TABLE,
    UPDATE_OPEN, UPDATE_RETIRED, UPDATE_SESSIONS_FULL, UPDATE_SHADOWS_FULL, error_text,
    update_error_t)
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

cdef enum:
    FAMILY_MIXED = -1


# Errors -----------------------------------------------------------------------------------------

cdef int _code(int code) noexcept nogil:
    if code == UPDATE_ENDED:
        return FP_ERROR_CLOSED
    if code == UPDATE_OPEN or code == UPDATE_INTERRUPTED:
        return FP_ERROR_BUSY
    if (code == UPDATE_NO_TABLE or code == UPDATE_NO_NEXT_HOP or code == UPDATE_DELETED
            or code == UPDATE_NO_ROUTE):
        return FP_ERROR_UNKNOWN
    if (code == UPDATE_ADJACENCIES_FULL or code == UPDATE_SESSIONS_FULL
            or code == UPDATE_SHADOWS_FULL or code == UPDATE_BROKEN or code == UPDATE_NO_MEMORY
            or code == UPDATE_RETIRED):
        return FP_ERROR_FULL
    return FP_ERROR_ARGUMENT


cdef int _told(const update_error_t* why, fp_error_t* error) noexcept nogil:
    """The error that the core filled in, as the ABI's."""
    cdef int code = _code(why.code)
    if error != NULL:
        error.code = code
        error.item = <uint32_t>why.item if why.item > 0 else 0
        error_text(why, error.text, sizeof(error.text))
    return code


cdef int _done(engine_slot_t* slot, int code, fp_error_t* error) noexcept nogil:
    """Ends a call on a transaction."""
    if code != UPDATE_DONE:
        code = _told(&(<Engine>slot.engine).update.error, error)
    leave(slot)
    return code


cdef int _null(fp_error_t* error, const char* what) noexcept nogil:
    return fail(error, FP_ERROR_ARGUMENT, 0, what)


cdef int _check_family(const fp_prefix_t* prefix, fp_error_t* error) noexcept nogil:
    if prefix.family != INET and prefix.family != INET6:
        return fail(error, FP_ERROR_ARGUMENT, 0, b"address family %lld is neither 4 nor 6",
                    prefix.family)
    return FP_OK


# Begin and end ----------------------------------------------------------------------------------

cdef int _begin(fp_engine_t engine, fp_transaction_t* transaction,
                fp_error_t* error) noexcept nogil:
    cdef engine_slot_t* slot
    cdef int code = UPDATE_INTERRUPTED
    if transaction == NULL:
        return _null(error, b"transaction is NULL")
    slot = enter(engine, error)
    if slot == NULL:
        return FP_ERROR_CLOSED
    while code == UPDATE_INTERRUPTED:
        code = (<Engine>slot.engine).update.begin()
    if code != UPDATE_DONE:
        leave(slot)
        return fail(error, _code(code), 0, b"this thread has a transaction open already")
    transaction[0] = open_transaction(slot)
    leave(slot)
    return FP_OK


cdef int _commit(fp_transaction_t transaction, fp_error_t* error) noexcept nogil:
    cdef update_error_t why
    cdef int code = FP_OK
    cdef engine_slot_t* slot = enter_transaction(transaction, error, &code)
    if slot == NULL:
        return code
    close_transaction(slot)
    if (<Engine>slot.engine).update.commit(&why) != UPDATE_DONE:
        code = _told(&why, error)
    leave(slot)
    return code


cdef int _rollback(fp_transaction_t transaction, fp_error_t* error) noexcept nogil:
    cdef int code = FP_OK
    cdef engine_slot_t* slot = enter_transaction(transaction, error, &code)
    if slot == NULL:
        return code
    close_transaction(slot)
    (<Engine>slot.engine).update.rollback()
    leave(slot)
    return FP_OK


# Routes -----------------------------------------------------------------------------------------

cdef int _add_route(fp_transaction_t transaction, int table, const fp_route_t* route,
                    fp_error_t* error) noexcept nogil:
    cdef int code = FP_OK
    cdef engine_slot_t* slot
    if route == NULL:
        return _null(error, b"route is NULL")
    slot = enter_transaction(transaction, error, &code)
    if slot == NULL:
        return code
    code = _check_family(&route.prefix, error)
    if code != FP_OK:
        leave(slot)
        return code
    return _done(slot, (<Engine>slot.engine).update.add_route(
        table, route.prefix.family, route.prefix.octet, route.prefix.length, route.nh), error)


cdef int _delete_route(fp_transaction_t transaction, int table, const fp_prefix_t* prefix,
                       fp_error_t* error) noexcept nogil:
    cdef int code = FP_OK
    cdef engine_slot_t* slot
    if prefix == NULL:
        return _null(error, b"prefix is NULL")
    slot = enter_transaction(transaction, error, &code)
    if slot == NULL:
        return code
    code = _check_family(prefix, error)
    if code != FP_OK:
        leave(slot)
        return code
    return _done(slot, (<Engine>slot.engine).update.delete_route(
        table, prefix.family, prefix.octet, prefix.length), error)


cdef int _one_family(const fp_route_t* routes, uint32_t n, uint32_t* item) noexcept nogil:
    """Family of all rows, or FAMILY_MIXED and the first that differs."""
    cdef int family = routes[0].prefix.family
    for item[0] in range(n):
        if routes[item[0]].prefix.family != family:
            return FAMILY_MIXED
    return family


cdef int _add_routes(fp_transaction_t transaction, int table, const fp_route_t* routes,
                     uint32_t n, fp_error_t* error) noexcept nogil:
    cdef int code = FP_OK
    cdef uint32_t item = 0
    cdef int family = INET
    cdef engine_slot_t* slot
    if routes == NULL and n > 0:
        return _null(error, b"routes is NULL")
    slot = enter_transaction(transaction, error, &code)
    if slot == NULL:
        return code
    if n > 0:
        code = _check_family(&routes[0].prefix, error)
        family = _one_family(routes, n, &item)
        if code == FP_OK and family == FAMILY_MIXED:
            code = fail(error, FP_ERROR_ARGUMENT, item, b"item %lld: family %lld, but those before"
                        b" it have %lld", item, routes[item].prefix.family,
                        routes[0].prefix.family)
    if code != FP_OK:
        leave(slot)
        return code
    return _add_rows(slot, table, family, routes, n, error)


cdef int _add_rows(engine_slot_t* slot, int table, int family, const fp_route_t* routes,
                   uint32_t n, fp_error_t* error) noexcept nogil:
    """The core takes columns."""
    cdef size_t width = 4 if family == INET else 16
    cdef uint8_t* rows = <uint8_t*>malloc((width + 1 + sizeof(nh_t)) * n + 1)
    cdef nh_t* nhs = <nh_t*>rows
    cdef uint8_t* prefixes = rows + sizeof(nh_t) * n
    cdef uint8_t* lengths = prefixes + width * n
    cdef uint32_t i
    cdef int code
    if rows == NULL:
        leave(slot)
        return fail(error, FP_ERROR_FULL, 0, b"no memory for %lld routes", n)
    for i in range(n):
        nhs[i] = routes[i].nh
        memcpy(prefixes + width * i, routes[i].prefix.octet, width)
        lengths[i] = routes[i].prefix.length
    code = (<Engine>slot.engine).update.add_routes(table, family, prefixes, lengths, nhs, n)
    free(rows)
    return _done(slot, code, error)


cdef int _resolve_open(fp_transaction_t transaction, int table, const fp_prefix_t* address,
                       uint32_t* nh, fp_error_t* error) noexcept nogil:
    cdef int code = FP_OK
    cdef engine_slot_t* slot
    if address == NULL or nh == NULL:
        return _null(error, b"address or nh is NULL")
    slot = enter_transaction(transaction, error, &code)
    if slot == NULL:
        return code
    code = _check_family(address, error)
    if code != FP_OK:
        leave(slot)
        return code
    return _done(slot, (<Engine>slot.engine).update.resolve(table, address.family, address.octet,
                                                            nh), error)


# Adjacencies and sessions -----------------------------------------------------------------------

cdef int _add_adjacency(fp_transaction_t transaction, const fp_adjacency_t* adjacency,
                        uint32_t* nh, fp_error_t* error) noexcept nogil:
    cdef int code = FP_OK
    cdef engine_slot_t* slot
    if adjacency == NULL or nh == NULL:
        return _null(error, b"adjacency or nh is NULL")
    slot = enter_transaction(transaction, error, &code)
    if slot == NULL:
        return code
    return _done(slot, (<Engine>slot.engine).update.add_adjacency(
        adjacency.kind, adjacency.table, adjacency.port, adjacency.mtu if adjacency.mtu else 1500,
        adjacency.neighbour, adjacency.tunnel != 0, nh), error)


cdef int _delete_adjacency(fp_transaction_t transaction, uint32_t nh,
                           fp_error_t* error) noexcept nogil:
    cdef int code = FP_OK
    cdef engine_slot_t* slot = enter_transaction(transaction, error, &code)
    if slot == NULL:
        return code
    return _done(slot, (<Engine>slot.engine).update.delete_adjacency(nh), error)


cdef void _fill_form(form_t* form, const fp_session_t* session) noexcept nogil:
    memset(form, 0, sizeof(form_t))
    form.peer_tunnel = session.peer_tunnel
    form.peer_session = session.peer_session
    form.mtu = session.mtu if session.mtu else 1460
    form.mss = session.mss
    form.tos = TOS_COPY if session.flags & FP_SESSION_COPY_TOS else session.tos
    form.acfc = session.flags & FP_SESSION_ACFC != 0
    form.pfc = session.flags & FP_SESSION_PFC != 0
    form.sequencing = session.flags & FP_SESSION_SEQUENCING != 0
    form.udp_checksum = session.flags & FP_SESSION_UDP_CHECKSUM != 0
    form.df = session.flags & FP_SESSION_DF != 0


cdef int _add_session(fp_transaction_t transaction, const fp_session_t* session, uint32_t* nh,
                      fp_error_t* error) noexcept nogil:
    cdef int code = FP_OK
    cdef session_request_t request
    cdef engine_slot_t* slot
    if session == NULL or nh == NULL:
        return _null(error, b"session or nh is NULL")
    slot = enter_transaction(transaction, error, &code)
    if slot == NULL:
        return code
    memset(&request, 0, sizeof(request))
    request.family = session.family if session.family else <int>INET
    if request.family != INET and request.family != INET6:
        leave(slot)
        return fail(error, FP_ERROR_ARGUMENT, 0, b"address family %lld is neither 4 nor 6",
                    request.family)
    fill_addr(&request.local, request.family, session.local)
    fill_addr(&request.peer, request.family, session.peer)
    request.table = session.table
    request.local_port = session.local_port
    request.peer_port = session.peer_port
    request.tunnel = session.tunnel
    request.session = session.session
    request.port = session.port
    request.neighbour = session.neighbour
    _fill_form(&request.form, session)
    return _done(slot, (<Engine>slot.engine).update.add_session(&request, nh), error)


cdef int _update_session(fp_transaction_t transaction, uint32_t nh, const fp_session_t* session,
                         fp_error_t* error) noexcept nogil:
    cdef int code = FP_OK
    cdef form_t form
    cdef engine_slot_t* slot
    if session == NULL:
        return _null(error, b"session is NULL")
    slot = enter_transaction(transaction, error, &code)
    if slot == NULL:
        return code
    _fill_form(&form, session)
    return _done(slot, (<Engine>slot.engine).update.update_session(nh, &form), error)


cdef int _read_sources(const fp_prefix_t* prefixes, uint32_t n, source_t* sources,
                       fp_error_t* error) noexcept nogil:
    cdef uint32_t i
    cdef int family, width
    for i in range(n):
        family = prefixes[i].family
        width = address_width(family)
        if width == 0 or prefixes[i].length > 8 * width:
            return fail(error, FP_ERROR_ARGUMENT, i, b"item %lld: family %lld, length %lld is no"
                        b" prefix", i, prefixes[i].family, prefixes[i].length)
        if has_host_bits(prefixes[i].octet, prefixes[i].length, width):
            return fail(error, FP_ERROR_ARGUMENT, i, b"item %lld: a prefix of length %lld has host"
                        b" bits set", i, prefixes[i].length)
        fill_addr(&sources[i].address, family, prefixes[i].octet)
        sources[i].length = prefixes[i].length + (96 if family == INET else 0)
    return FP_OK


cdef int _set_sources(fp_transaction_t transaction, uint32_t nh, const fp_prefix_t* prefixes,
                      uint32_t n, fp_error_t* error) noexcept nogil:
    cdef int code = FP_OK
    cdef source_t* sources
    cdef engine_slot_t* slot
    if prefixes == NULL and n > 0:
        return _null(error, b"prefixes is NULL")
    slot = enter_transaction(transaction, error, &code)
    if slot == NULL:
        return code
    sources = <source_t*>malloc(sizeof(source_t) * n + 1)
    if sources == NULL:
        code = fail(error, FP_ERROR_FULL, 0, b"no memory for %lld prefixes", n)
    else:
        code = _read_sources(prefixes, n, sources, error)
    if code != FP_OK:
        free(sources)
        leave(slot)
        return code
    code = (<Engine>slot.engine).update.set_sources(nh, sources, n)
    free(sources)
    return _done(slot, code, error)


cdef int _hold(fp_transaction_t transaction, uint32_t nh, uint64_t key,
               fp_error_t* error) noexcept nogil:
    cdef int code = FP_OK
    cdef engine_slot_t* slot = enter_transaction(transaction, error, &code)
    if slot == NULL:
        return code
    return _done(slot, (<Engine>slot.engine).update.hold(nh, key), error)


cdef int _set_neighbour(fp_transaction_t transaction, uint32_t nh, uint16_t neighbour,
                        fp_error_t* error) noexcept nogil:
    cdef int code = FP_OK
    cdef engine_slot_t* slot = enter_transaction(transaction, error, &code)
    if slot == NULL:
        return code
    return _done(slot, (<Engine>slot.engine).update.set_neighbour(nh, neighbour), error)


cdef void fill_transaction_calls(fp_abi_t* abi) noexcept:
    abi.begin = _begin
    abi.add_route = _add_route
    abi.add_routes = _add_routes
    abi.delete_route = _delete_route
    abi.add_adjacency = _add_adjacency
    abi.add_session = _add_session
    abi.update_session = _update_session
    abi.set_sources = _set_sources
    abi.hold = _hold
    abi.delete_adjacency = _delete_adjacency
    abi.resolve_open = _resolve_open
    abi.commit = _commit
    abi.rollback = _rollback
    abi.set_neighbour = _set_neighbour
