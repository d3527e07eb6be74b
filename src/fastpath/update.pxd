# The core of transactions: any number of changes of routes, adjacencies and sessions that packets
# see together, or not at all. Plain C without the GIL; Python's Transaction and the C ABI are
# shells over it. What can be changed stands in update_routes.pxd and update_adjacencies.pxd.

cimport cython
from fastpath.types cimport nh_t
from fastpath.update_adjacencies cimport UpdateAdjacencies
from fastpath.update_error cimport update_error_t
from libc.stdint cimport uint64_t

# One per engine; open from begin to commit or rollback, by one thread at a time, which holds the
# engine's writer lock meanwhile. Every call returns 0, or fills `error` in and returns its code;
# then it has changed nothing, and the transaction stays open. begin waits for other threads; it
# may end with UPDATE_INTERRUPTED. commit that is refused is a rollback.
#
# Addresses and prefixes: octets in network byte order, 4 (INET) or 16 (INET6). In arrays they lie
# back to back.
@cython.final
cdef class Update(UpdateAdjacencies):
    cdef int begin(self) noexcept nogil
    # `why` takes the error of a refused commit: the next transaction may have begun already.
    cdef int commit(self, update_error_t* why) noexcept nogil
    cdef int rollback(self) noexcept nogil

    cdef int _check_commit(self) noexcept nogil
    cdef int _check_retired(self) noexcept nogil
    cdef void _commit_sessions(self, uint64_t number) noexcept nogil
    cdef void _commit_staged(self, uint64_t number) noexcept nogil
    cdef void _undo_session(self, nh_t nh, uint64_t number) noexcept nogil
    cdef void _undo(self) noexcept nogil
    cdef void _end(self) noexcept nogil
