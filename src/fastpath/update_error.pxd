# What can be wrong with a change of the forwarding state: a code and the offending item, in plain
# C, so that callers without Python learn the same.

from fastpath.types cimport nh_t
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t

cpdef enum UpdateCode:
    UPDATE_DONE = 0
    UPDATE_ENDED                  # no transaction is open
    UPDATE_OPEN                   # this thread has one open
    UPDATE_INTERRUPTED            # by a signal, while another thread had one open
    UPDATE_NO_TABLE
    UPDATE_NO_NEXT_HOP
    UPDATE_DELETED                # the next hop is deleted in this transaction
    UPDATE_NO_ROUTE               # to delete
    UPDATE_FAMILY
    UPDATE_LENGTH                 # of a prefix
    UPDATE_HOST_BITS
    UPDATE_TWICE                  # `value` is the row that has the prefix too
    UPDATE_KIND                   # nothing of this kind can be made by itself
    UPDATE_RANGE                  # `what` is `value`, which is not in least..most
    UPDATE_NOT_SESSION
    UPDATE_NO_NEIGHBOUR           # an adjacency by which nothing leaves
    UPDATE_PERMANENT
    UPDATE_SESSION_IN_USE
    UPDATE_ADJACENCIES_FULL       # `most` of them
    UPDATE_SESSIONS_FULL
    UPDATE_SHADOWS_FULL           # too many sessions were changed that workers still use
    UPDATE_DANGLING               # `value` routes lead to what is deleted
    UPDATE_BROKEN                 # memory ran out earlier in this transaction
    UPDATE_NO_MEMORY
    UPDATE_RETIRED                # a worker does not pass, and `most` octets wait for it

cdef struct update_error_t:
    int code                  # UpdateCode; the rest is what the code speaks of
    int family
    int64_t item              # row of an array, -1: none
    const char* what
    int64_t value
    int64_t least
    int64_t most
    uint32_t table            # UPDATE_RETIRED: thread of the worker `value`
    nh_t nh
    int length                # of the prefix; UPDATE_RETIRED: ms
    uint8_t prefix[16]

# One line without an end of line, cut to room - 1 octets and a zero. Returns its whole length.
cdef int error_text(const update_error_t* error, char* into, size_t room) noexcept nogil
# Fills an error in and returns its code.
cdef int refuse(update_error_t* error, int code) noexcept nogil
cdef int refuse_range(update_error_t* error, const char* what, int64_t value, int64_t least,
                      int64_t most) noexcept nogil
cdef int refuse_nh(update_error_t* error, int code, nh_t nh) noexcept nogil
cdef int refuse_prefix(update_error_t* error, int code, uint32_t table, int family,
                       const uint8_t* prefix, int length) noexcept nogil
