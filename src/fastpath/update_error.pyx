"""Texts of what can be wrong with a change of the forwarding state."""

from fastpath.types cimport INET, nh_t
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, memset

cdef extern from "<arpa/inet.h>" nogil:
    enum: AF_INET, AF_INET6
    const char* inet_ntop(int family, const void* address, char* into, unsigned int room)

cdef enum:
    ADDRESS_TEXT = 48         # octets of the longest address as text, and more


cdef int refuse(update_error_t* error, int code) noexcept nogil:
    memset(error, 0, sizeof(update_error_t))
    error.code = code
    error.item = -1
    return code


cdef int refuse_range(update_error_t* error, const char* what, int64_t value, int64_t least,
                      int64_t most) noexcept nogil:
    """UPDATE_RANGE if the value is outside, else 0."""
    if least <= value <= most:
        return UPDATE_DONE
    refuse(error, UPDATE_RANGE)
    error.what = what
    error.value = value
    error.least = least
    error.most = most
    return UPDATE_RANGE


cdef int refuse_nh(update_error_t* error, int code, nh_t nh) noexcept nogil:
    refuse(error, code)
    error.nh = nh
    return code


cdef int refuse_prefix(update_error_t* error, int code, uint32_t table, int family,
                       const uint8_t* prefix, int length) noexcept nogil:
    refuse(error, code)
    error.table = table
    error.family = family
    error.length = length
    memcpy(error.prefix, prefix, 4 if family == INET else 16)
    return code


cdef int _of_prefix(const update_error_t* e, char* into, size_t room) noexcept nogil:
    cdef char[ADDRESS_TEXT] text
    cdef int most = 32 if e.family == INET else 128
    inet_ntop(AF_INET if e.family == INET else AF_INET6, e.prefix, text, ADDRESS_TEXT)
    if e.code == UPDATE_LENGTH:
        return snprintf(into, room, "prefix length %d is not in 0..%d", e.length, most)
    if e.code == UPDATE_HOST_BITS:
        return snprintf(into, room, "%s/%d has host bits set", text, e.length)
    if e.code == UPDATE_NO_ROUTE:
        return snprintf(into, room, "no route %s/%d in table %u", text, e.length, e.table)
    return snprintf(into, room, "the same prefix as item %lld", <long long> e.value)


cdef int _of_next_hop(const update_error_t* e, char* into, size_t room) noexcept nogil:
    if e.code == UPDATE_NO_NEXT_HOP:
        return snprintf(into, room, "next hop %u is not an adjacency", e.nh)
    if e.code == UPDATE_DELETED:
        return snprintf(into, room, "next hop %u is deleted in this transaction", e.nh)
    if e.code == UPDATE_NOT_SESSION:
        return snprintf(into, room, "next hop %u is not a session", e.nh)
    if e.code == UPDATE_NO_NEIGHBOUR:
        return snprintf(into, room, "next hop %u leaves by no port", e.nh)
    if e.code == UPDATE_PERMANENT:
        return snprintf(into, room, "next hop %u is permanent", e.nh)
    return snprintf(into, room, "next hop %u is deleted, but %lld routes lead to it", e.nh,
                    <long long> e.value)


cdef int _of_session(const update_error_t* e, char* into, size_t room) noexcept nogil:
    cdef char[ADDRESS_TEXT] text
    inet_ntop(AF_INET if e.family == INET else AF_INET6, e.prefix, text, ADDRESS_TEXT)
    return snprintf(into, room, "tunnel %lld session %lld at %s is in use", <long long> e.least,
                    <long long> e.most, text)


cdef int _of_memory(const update_error_t* e, char* into, size_t room) noexcept nogil:
    if e.code == UPDATE_ADJACENCIES_FULL:
        return snprintf(into, room, "all %lld adjacencies are in use", <long long> e.most)
    if e.code == UPDATE_SESSIONS_FULL:
        return snprintf(into, room, "all %lld sessions are in use", <long long> e.most)
    if e.code == UPDATE_SHADOWS_FULL:
        return snprintf(into, room, "%lld changed sessions wait for workers to pass already",
                        <long long> e.most)
    if e.code == UPDATE_BROKEN:
        return snprintf(into, room, "memory ran out in this transaction")
    if e.code == UPDATE_RETIRED:
        return snprintf(into, room, "%lld octets, more than %lld, wait for worker %lld (thread %u),"
                        " which has not passed for %d ms", <long long> e.least,
                        <long long> e.most, <long long> e.value, e.table, e.length)
    return snprintf(into, room, "no memory for a change of the routing table")


cdef int error_text(const update_error_t* e, char* into, size_t room) noexcept nogil:
    cdef int at = 0
    if e.item >= 0:
        at = snprintf(into, room, "item %lld: ", <long long> e.item)
        if at < 0 or <size_t> at >= room:
            return at
        into += at
        room -= at
    if e.code == UPDATE_DONE:
        return at + snprintf(into, room, "nothing is wrong")
    if e.code == UPDATE_ENDED:
        return at + snprintf(into, room, "this transaction has ended")
    if e.code == UPDATE_OPEN:
        return at + snprintf(into, room, "a transaction is open already")
    if e.code == UPDATE_INTERRUPTED:
        return at + snprintf(into, room, "interrupted while another thread changes something")
    if e.code == UPDATE_NO_TABLE:
        return at + snprintf(into, room, "table %lld does not exist; there are %lld",
                             <long long> e.value, <long long> e.most)
    if e.code == UPDATE_FAMILY:
        return at + snprintf(into, room, "address family %d is neither 4 nor 6", e.family)
    if e.code == UPDATE_KIND:
        return at + snprintf(into, room, "kind %lld is not drop, local, glean or ip",
                             <long long> e.value)
    if e.code == UPDATE_RANGE:
        return at + snprintf(into, room, "%s %lld is not %lld..%lld", e.what,
                             <long long> e.value, <long long> e.least, <long long> e.most)
    if e.code == UPDATE_SESSION_IN_USE:
        return at + _of_session(e, into, room)
    if UPDATE_NO_ROUTE <= e.code <= UPDATE_TWICE:
        return at + _of_prefix(e, into, room)
    if e.code >= UPDATE_ADJACENCIES_FULL and e.code != UPDATE_DANGLING:
        return at + _of_memory(e, into, room)
    return at + _of_next_hop(e, into, room)
