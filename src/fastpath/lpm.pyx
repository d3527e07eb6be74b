"""Longest-prefix match: what all algorithms share (the contract is in lpm.pxd).

Transactions, the exact prefixes, and the Python side. How packets are matched is the algorithm's
own file. One thread changes a table.
"""

from contextlib import contextmanager

import numpy as np

from fastpath.simd.level import available

from fastpath.address cimport (ADDRESS_OCTETS, address_width, has_host_bits, prefix_text,
                               read_address, read_prefix)
from fastpath.prefix_store cimport (NH_LIMIT, slot_word, store_close, store_cover, store_get,
                                    store_keep, store_memory, store_open, store_put, store_remove,
                                    store_sorted, store_undo, word_length, word_nh)
from fastpath.simd.level cimport level_of
from fastpath.types cimport NH_DROP, NH_INVALID, nh_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free

cdef enum:
    LOOKUP_STEP = 1 << 20     # keys of one call of a lookup function at the most


cdef void _lookup_none(const void* version, const uint8_t* keys, nh_t* out,
                       int n) noexcept nogil:
    cdef int i
    for i in range(n):
        out[i] = NH_DROP


cdef int _check_nh(object nh) except -1:
    if not 0 <= nh < NH_LIMIT:
        raise ValueError(f"next hop {nh} is not in 0..{NH_LIMIT - 1}")
    return 0


cdef class Lpm:
    """A routing table of one address family: prefixes to next hops (indexes of adjacencies).

    `Chunked(4)` makes an IPv4 table, `BurstTrie(6)` an IPv6 one. Prefixes are text
    ("10.0.0.0/8"), pairs (address, length) or `ipaddress` networks; addresses are text, packed
    bytes, ints or `ipaddress` addresses. Next hop 0 is "no route". A change outside a
    `transaction()` is a transaction of its own. ValueError: a malformed prefix or address, host
    bits set, the other family, or a next hop of 2^24 and more. MemoryError: nothing was changed,
    but an open transaction can only be rolled back then.
    """

    def __cinit__(self, int family, *args, **kwargs):
        self.width = address_width(family)
        if self.width == 0:
            raise ValueError(f"address family {family} is neither 4 nor 6")
        if type(self) is Lpm:
            raise TypeError("Lpm is an interface: make a table of one of its algorithms")
        self.family = family
        self.fib.lookup = _lookup_none
        self.held = NOT_HELD
        if store_open(&self.prefixes, self.width) < 0:
            raise MemoryError("no memory for a routing table")

    def __dealloc__(self):
        store_close(&self.prefixes)

    def __len__(self) -> int:
        return self.routes

    # -- transactions ----------------------------------------------------------------------------

    cdef int begin(self) except -1:
        if self.is_open:
            raise RuntimeError("a transaction is open already")
        self.start()
        return 0

    cdef int commit(self) except -1:
        self._require_open()
        if self.broken:
            raise RuntimeError("memory ran out in this transaction: roll it back")
        self.finish(self.number + 1)
        self.reclaim(min(self.number, self.held))
        return 0

    cdef int rollback(self) except -1:
        self._require_open()
        self.abandon()
        return 0

    cdef int add(self, const uint8_t* prefix, int length, nh_t nh) except -1:
        self._require_open()
        _check_nh(nh)
        return self._checked(self.insert(prefix, length, nh))

    cdef int delete(self, const uint8_t* prefix, int length) except -1:
        self._require_open()
        if not self._checked(self.remove(prefix, length)):
            raise KeyError(prefix_text(self.family, prefix, length))
        return 0

    cdef int _require_open(self) except -1:
        if not self.is_open:
            raise RuntimeError("no transaction is open")
        return 0

    cdef int _checked(self, int result) except -1:
        if result == LPM_ABSTRACT:
            raise NotImplementedError(f"{type(self).__name__} does not support this")
        if result < 0:
            raise MemoryError("no memory for a change of the routing table")
        return result

    # -- the same without the GIL ----------------------------------------------------------------

    cdef void start(self) noexcept nogil:
        self.is_open = True
        self.broken = False
        self.transaction_number += 1

    cdef void finish(self, uint64_t number) noexcept nogil:
        self.publish(number)
        store_keep(&self.prefixes)
        self.number = number
        self.is_open = False

    cdef void abandon(self) noexcept nogil:
        self.revert()
        store_undo(&self.prefixes)
        self.routes = self.prefixes.count
        self.is_open = False

    cdef int insert(self, const uint8_t* prefix, int length, nh_t nh) noexcept nogil:
        cdef nh_t before
        cdef int new = store_put(&self.prefixes, prefix, length, nh, &before)
        if new == 0 and before == nh:
            return 0
        return self._changed(new, LPM_NO_MEMORY if new < 0 else self.install(prefix, length, nh))

    cdef int remove(self, const uint8_t* prefix, int length) noexcept nogil:
        cdef int cover_length
        cdef nh_t cover
        cdef int was = store_remove(&self.prefixes, prefix, length)
        if was == 0:
            return 0
        cover = self.cover(prefix, length, &cover_length)
        return self._changed(was, LPM_NO_MEMORY if was < 0 else
                             self.withdraw(prefix, length, cover, cover_length))

    cdef int _changed(self, int change, int result) noexcept nogil:
        self.routes = self.prefixes.count
        if result < 0:
            self.broken = True
            return result
        return change

    cdef nh_t exact(self, const uint8_t* prefix, int length) noexcept nogil:
        return store_get(&self.prefixes, prefix, length)

    cdef Py_ssize_t load_all(self, const uint8_t* keys, const int64_t* lengths,
                             const int64_t* nhs, Py_ssize_t n) noexcept nogil:
        """Adds n checked prefixes; returns how many were new, or LPM_*."""
        cdef Py_ssize_t i
        cdef Py_ssize_t new = 0
        cdef int result
        for i in range(n):
            result = self.insert(keys + i * self.width, <int> lengths[i], <nh_t> nhs[i])
            if result < 0:
                return result
            new += result
        return new

    # -- what an algorithm supplies --------------------------------------------------------------

    cdef nh_t resolve(self, const uint8_t* address) noexcept nogil:
        return NH_DROP

    cdef int install(self, const uint8_t* prefix, int length, nh_t nh) noexcept nogil:
        return LPM_ABSTRACT

    cdef int withdraw(self, const uint8_t* prefix, int length, nh_t cover,
                      int cover_length) noexcept nogil:
        return LPM_ABSTRACT

    cdef nh_t cover(self, const uint8_t* prefix, int length, int* cover_length) noexcept nogil:
        return store_cover(&self.prefixes, prefix, length, cover_length)

    cdef void publish(self, uint64_t number) noexcept nogil:
        pass

    cdef void reclaim(self, uint64_t safe) noexcept nogil:
        pass

    cdef void revert(self) noexcept nogil:
        pass

    cdef size_t structure_memory(self) noexcept nogil:
        return 0

    cdef size_t retired_memory(self) noexcept nogil:
        return 0

    cdef lookup_fn variant(self, int level) noexcept nogil:
        return NULL

    # -- Python ----------------------------------------------------------------------------------

    @contextmanager
    def transaction(self):
        """Changes in the block become visible to lookups together at its end, or none if it raises.

        RuntimeError if a transaction is open already.
        """
        self.begin()
        try:
            yield self
            self.commit()
        except BaseException:
            self.rollback()
            raise

    @contextmanager
    def _joined(self):
        if self.is_open:
            yield
        else:
            with self.transaction():
                yield

    def add_prefix(self, prefix, nh) -> bool:
        """Adds or replaces a route; True if the prefix was not there."""
        cdef uint8_t[ADDRESS_OCTETS] octets
        cdef int length = read_prefix(self.family, prefix, octets)
        _check_nh(nh)
        with self._joined():
            return bool(self.add(octets, length, nh))

    def delete_prefix(self, prefix) -> None:
        """Removes a route. KeyError if there is none for exactly this prefix."""
        cdef uint8_t[ADDRESS_OCTETS] octets
        cdef int length = read_prefix(self.family, prefix, octets)
        with self._joined():
            self.delete(octets, length)

    def exact_prefix(self, prefix) -> int | None:
        """Next hop of exactly this prefix, the open transaction included; None if not there."""
        cdef uint8_t[ADDRESS_OCTETS] octets
        cdef int length = read_prefix(self.family, prefix, octets)
        cdef nh_t nh = self.exact(octets, length)
        return None if nh == NH_INVALID else nh

    def resolve_address(self, address) -> int:
        """Next hop of the longest match, the open transaction included; 0 for no route."""
        cdef uint8_t[ADDRESS_OCTETS] octets
        read_address(self.family, address, octets)
        return self.resolve(octets)

    def lookup(self, address) -> int:
        """Next hop of the longest match in what is published, as packets see it; 0 for no route."""
        cdef uint8_t[ADDRESS_OCTETS] octets
        cdef nh_t nh
        read_address(self.family, address, octets)
        self.fib.lookup(self.fib.version, octets, &nh, 1)
        return nh

    def select(self, name: str) -> None:
        """Makes lookups use one variant of the algorithm: a name in `fastpath.simd.available()`.

        A table takes the best one by itself; this is for tests and comparisons. ValueError if the
        machine cannot run it or the algorithm does not have it.
        """
        cdef lookup_fn lookup = self.variant(level_of(name))
        if lookup == NULL:
            raise ValueError(f"{type(self).__name__} has no variant {name!r} for this family")
        self.fib.lookup = lookup

    @property
    def variants(self) -> tuple[str, ...]:
        """The variants that the algorithm has and this machine runs, the best one first."""
        return tuple(name for name in available() if self.variant(level_of(name)) != NULL)

    def lookup_array(self, addresses):
        """Next hops (numpy uint32) of many addresses, without the GIL.

        addresses: for IPv4 a one-dimensional integer array (10.0.0.1 is 0x0A000001); for either
        family a uint8 array of shape (n, 4) or (n, 16), octets as in the packet.
        """
        cdef const uint8_t[:, ::1] keys = octets_of(addresses, self.width)
        cdef Py_ssize_t n = keys.shape[0]
        cdef Py_ssize_t at = 0
        out = np.empty(n, dtype=np.uint32)
        cdef uint32_t[::1] nhs = out
        with nogil:
            while at < n:
                self.fib.lookup(self.fib.version, &keys[at, 0], &nhs[at],
                                <int> min(<Py_ssize_t> LOOKUP_STEP, n - at))
                at += LOOKUP_STEP
        return out

    def load(self, addresses, lengths, nhs) -> int:
        """Adds or replaces many routes, without the GIL; returns how many prefixes were new.

        addresses as in lookup_array; lengths and nhs: integer arrays. Of equal prefixes the last
        one counts. ValueError names the first bad item, and nothing is changed then.
        """
        cdef const uint8_t[:, ::1] keys = octets_of(addresses, self.width)
        cdef const int64_t[::1] bits = integers(lengths, "lengths")
        cdef const int64_t[::1] hops = integers(nhs, "nhs")
        cdef Py_ssize_t n = keys.shape[0]
        cdef Py_ssize_t new = 0
        if bits.shape[0] != n or hops.shape[0] != n:
            raise ValueError(f"{n} addresses, {bits.shape[0]} lengths, {hops.shape[0]} next hops")
        if n == 0:
            return 0
        _check_items(self.family, keys, bits, hops)
        with self._joined():
            with nogil:
                new = self.load_all(&keys[0, 0], &bits[0], &hops[0], n)
            self._checked(<int> min(new, <Py_ssize_t> 0))
        return new

    def next_hops_of(self, addresses, lengths):
        """Next hop (numpy uint32) of each of many exact prefixes, 2^32-1 where there is none.

        Arrays as in load; the open transaction is included.
        """
        cdef const uint8_t[:, ::1] keys = octets_of(addresses, self.width)
        cdef const int64_t[::1] bits = integers(lengths, "lengths")
        cdef Py_ssize_t i
        if bits.shape[0] != keys.shape[0]:
            raise ValueError(f"{keys.shape[0]} addresses, {bits.shape[0]} lengths")
        out = np.empty(keys.shape[0], dtype=np.uint32)
        cdef uint32_t[::1] nhs = out
        for i in range(keys.shape[0]):
            nhs[i] = self.exact(&keys[i, 0], <int> bits[i])
        return out

    def items(self) -> list[tuple[str, int]]:
        """All (prefix, next hop), by address and length, the open transaction included."""
        cdef uint8_t* slots = store_sorted(&self.prefixes)
        cdef const uint8_t* slot = slots
        cdef uint32_t word
        if slots == NULL:
            raise MemoryError("no memory for a list of routes")
        result = []
        try:
            for _ in range(self.prefixes.count):
                word = slot_word(slot, self.width)
                result.append((prefix_text(self.family, slot, word_length(word)), word_nh(word)))
                slot += self.width + 4
        finally:
            free(slots)
        return result

    @property
    def memory(self) -> int:
        """Octets in use: what lookups read, what updates need, and the exact prefixes."""
        return self.structure_memory() + store_memory(&self.prefixes)


def integers(values, name: str):
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(f"{name} must be a one-dimensional array of integers")
    return np.ascontiguousarray(array, dtype=np.int64)


def octets_of(addresses, int width):
    array = np.asarray(addresses)
    if array.ndim == 2 and array.shape[1] == width and array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if width == 16:
        raise ValueError("IPv6 addresses must be a uint8 array of shape (n, 16)")
    values = integers(addresses, "IPv4 addresses that are not a uint8 array of shape (n, 4)")
    bad = np.flatnonzero((values < 0) | (values > 0xFFFFFFFF))
    if bad.size:
        raise ValueError(f"item {bad[0]}: {values[bad[0]]} is not an IPv4 address")
    return values.astype(">u4").view(np.uint8).reshape(-1, 4)


cdef int _check_items(int family, const uint8_t[:, ::1] keys, const int64_t[::1] lengths,
                      const int64_t[::1] nhs) except -1:
    cdef int width = address_width(family)
    cdef Py_ssize_t i
    for i in range(keys.shape[0]):
        if not 0 <= lengths[i] <= 8 * width:
            raise ValueError(f"item {i}: prefix length {lengths[i]} is not in 0..{8 * width}")
        if has_host_bits(&keys[i, 0], <int> lengths[i], width):
            text = prefix_text(family, &keys[i, 0], <int> lengths[i])
            raise ValueError(f"item {i}: {text} has host bits set")
        if not 0 <= nhs[i] < NH_LIMIT:
            raise ValueError(f"item {i}: next hop {nhs[i]} is not in 0..{NH_LIMIT - 1}")
    return 0
