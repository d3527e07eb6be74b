"""Routes in an open transaction, and what all parts of one share."""

cimport cython
from fastpath.address cimport has_host_bits
from fastpath.adjacency cimport SIDE_DELETED, SIDE_TOUCHED, adjacency_side_t
from fastpath.limbo cimport limbo_promise
from fastpath.lpm cimport Lpm
from fastpath.memory cimport map_zeroed, unmap
from fastpath.route_rows cimport ROWS_DISTINCT, ROWS_NO_MEMORY, find_twin, load_rows
from fastpath.types cimport INET, INET6, NH_INVALID
from fastpath.update_error cimport (
    UPDATE_DELETED, UPDATE_DONE, UPDATE_ENDED, UPDATE_FAMILY, UPDATE_HOST_BITS, UPDATE_LENGTH,
    UPDATE_NO_MEMORY, UPDATE_NO_NEXT_HOP, UPDATE_NO_ROUTE, UPDATE_NO_TABLE, UPDATE_TWICE, refuse,
    refuse_nh, refuse_prefix)


cdef int map_marks(marks_t* marks, uint32_t most) except -1:
    marks.size = <size_t> most * sizeof(uint32_t)
    marks.at = <uint32_t*> map_zeroed(marks.size, False)
    if marks.at == NULL:
        raise MemoryError("no memory for transactions")
    return 0


cdef void unmap_marks(marks_t* marks) noexcept nogil:
    unmap(marks.at, marks.size)


@cython.no_gc_clear       # __dealloc__ needs what it refers to
cdef class UpdateRoutes:
    """Part of Update."""

    cdef int add_route(self, int64_t table, int family, const uint8_t* prefix, int length,
                       nh_t nh) noexcept nogil:
        cdef void* lpm = NULL
        cdef nh_t old
        cdef uint8_t bits = <uint8_t> length
        if self._check_next_hop(nh) != UPDATE_DONE:
            return self.error.code
        if self._open_table(table, family, &lpm) != UPDATE_DONE:
            return self.error.code
        if not 0 <= length <= 128:
            return refuse_prefix(&self.error, UPDATE_LENGTH, <uint32_t> table, family, prefix,
                                 length)
        if self._check_rows(table, family, prefix, &bits, 1) != UPDATE_DONE:
            self.error.item = -1
            return self.error.code
        old = (<Lpm> lpm).exact(prefix, length)
        if (<Lpm> lpm).insert(prefix, length, nh) < 0:
            return self._break()
        self._count(nh, 1)
        self._count(old, -1)
        return UPDATE_DONE

    cdef int delete_route(self, int64_t table, int family, const uint8_t* prefix,
                          int length) noexcept nogil:
        cdef uint8_t bits = <uint8_t> length
        cdef int code
        if not 0 <= length <= 128:
            return refuse_prefix(&self.error, UPDATE_LENGTH, <uint32_t> table, family, prefix,
                                 length)
        code = self.delete_routes(table, family, prefix, &bits, 1)
        self.error.item = -1
        return code

    cdef int add_routes(self, int64_t table, int family, const uint8_t* prefixes,
                        const uint8_t* lengths, const nh_t* nhs, size_t n) noexcept nogil:
        cdef int width = 4 if family == INET else 16
        cdef void* lpm = NULL
        cdef size_t row
        if self._open_table(table, family, &lpm) != UPDATE_DONE:
            return self.error.code
        for row in range(n):
            if self._check_next_hop(nhs[row]) != UPDATE_DONE:
                self.error.item = <int64_t> row
                return self.error.code
        if self._check_rows(table, family, prefixes, lengths, n) != UPDATE_DONE:
            return self.error.code
        if (<Lpm> lpm).routes:
            for row in range(n):
                self._count((<Lpm> lpm).exact(prefixes + row * width, lengths[row]), -1)
        if load_rows(lpm, prefixes, lengths, nhs, n) < 0:
            return self._break()
        for row in range(n):
            self._count(nhs[row], 1)
        return UPDATE_DONE

    cdef int delete_routes(self, int64_t table, int family, const uint8_t* prefixes,
                           const uint8_t* lengths, size_t n) noexcept nogil:
        cdef int width = 4 if family == INET else 16
        cdef void* lpm = NULL
        cdef const uint8_t* prefix
        cdef size_t row
        cdef nh_t old
        if self._open_table(table, family, &lpm) != UPDATE_DONE:
            return self.error.code
        if self._check_rows(table, family, prefixes, lengths, n) != UPDATE_DONE:
            return self.error.code
        for row in range(n):
            prefix = prefixes + row * width
            if (<Lpm> lpm).exact(prefix, lengths[row]) == NH_INVALID:
                refuse_prefix(&self.error, UPDATE_NO_ROUTE, <uint32_t> table, family, prefix,
                              lengths[row])
                self.error.item = <int64_t> row
                return UPDATE_NO_ROUTE
        for row in range(n):
            prefix = prefixes + row * width
            old = (<Lpm> lpm).exact(prefix, lengths[row])
            if (<Lpm> lpm).remove(prefix, lengths[row]) < 0:
                return self._break()
            self._count(old, -1)
        return UPDATE_DONE

    cdef int resolve(self, int64_t table, int family, const uint8_t* address,
                     nh_t* nh) noexcept nogil:
        cdef void* lpm = NULL
        if self._open_table(table, family, &lpm) != UPDATE_DONE:
            return self.error.code
        nh[0] = (<Lpm> lpm).resolve(address)
        return UPDATE_DONE

    cdef int _require_open(self) noexcept nogil:
        return UPDATE_DONE if self.is_open else refuse(&self.error, UPDATE_ENDED)

    cdef int _check_next_hop(self, nh_t nh) noexcept nogil:
        if not self.is_open:
            return refuse(&self.error, UPDATE_ENDED)
        if not self._adjacencies.is_live(nh):
            return refuse_nh(&self.error, UPDATE_NO_NEXT_HOP, nh)
        if self._adjacencies.side[nh].marks & SIDE_DELETED:
            return refuse_nh(&self.error, UPDATE_DELETED, nh)
        return UPDATE_DONE

    cdef int _check_table(self, int64_t table) noexcept nogil:
        if not 0 <= table < self.forwarding.tables:
            refuse(&self.error, UPDATE_NO_TABLE)
            self.error.value = table
            self.error.most = self.forwarding.tables
            return UPDATE_NO_TABLE
        return UPDATE_DONE

    cdef int _open_table(self, int64_t table, int family, void** lpm) noexcept nogil:
        """The table of a family, changed from here on if it was not yet."""
        cdef uint32_t index = <uint32_t> (2 * table + (family == INET6))
        if self._require_open() != UPDATE_DONE or self._check_table(table) != UPDATE_DONE:
            return self.error.code
        if family != INET and family != INET6:
            refuse(&self.error, UPDATE_FAMILY)
            self.error.family = family
            return UPDATE_FAMILY
        lpm[0] = lpm_at(self.forwarding, index)
        if not (<Lpm> lpm[0]).is_open:
            (<Lpm> lpm[0]).start()
            mark(&self._tables, index)
        return UPDATE_DONE

    cdef int _check_rows(self, int64_t table, int family, const uint8_t* prefixes,
                         const uint8_t* lengths, size_t n) noexcept nogil:
        cdef int width = 4 if family == INET else 16
        cdef int code = UPDATE_DONE
        cdef int64_t other = 0
        cdef int64_t row
        for row in range(<int64_t> n):
            if lengths[row] > 8 * width:
                code = UPDATE_LENGTH
            elif has_host_bits(prefixes + row * width, lengths[row], width):
                code = UPDATE_HOST_BITS
            if code != UPDATE_DONE:
                break
        else:
            row = find_twin(prefixes, lengths, n, width, &other)
            if row == ROWS_NO_MEMORY:
                return refuse(&self.error, UPDATE_NO_MEMORY)
            code = UPDATE_DONE if row == ROWS_DISTINCT else UPDATE_TWICE
        if code != UPDATE_DONE:
            refuse_prefix(&self.error, code, <uint32_t> table, family, prefixes + row * width,
                          lengths[row])
            self.error.item = row
            self.error.value = other
        return code

    cdef int _break(self) noexcept nogil:
        self.broken = True
        return refuse(&self.error, UPDATE_NO_MEMORY)

    cdef void _count(self, nh_t nh, int change) noexcept nogil:
        cdef adjacency_side_t* side
        if nh == NH_INVALID:
            return
        side = &self._adjacencies.side[nh]
        if not side.marks & SIDE_TOUCHED:
            side.marks |= SIDE_TOUCHED
            mark(&self._touched, nh)
        side.pending += change

    cdef int _promise(self, size_t n) noexcept nogil:
        if limbo_promise(&self.forwarding.limbo, n) < 0:
            return refuse(&self.error, UPDATE_NO_MEMORY)
        return UPDATE_DONE
