"""Routes as they are read from a file: growing columns, and the numbers of next hops."""

import socket

import numpy as np

from fastpath.lpm cimport Lpm
from fastpath.prefix_store cimport slot_word, store_sorted, word_length, word_nh
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy


class RouteDataError(ValueError):
    """Data that holds no routes: what is wrong, and at which octet of the (unpacked) data."""

    def __init__(self, reason, offset):
        super().__init__(reason)
        self.reason = reason
        self.offset = offset


cdef class RouteColumns:
    """Prefixes and next hops of one address family, in the order they were found."""

    def __cinit__(self, int width):
        self.width = width

    def __dealloc__(self):
        free(self.addresses)
        free(self.lengths)
        free(self.nhs)

    def __len__(self):
        return self.count

    cdef int append(self, const uint8_t* address, int length, uint32_t nh) except -1:
        if self.count == self.room:
            self._grow()
        memcpy(self.addresses + self.count * self.width, address, self.width)
        self.lengths[self.count] = <uint8_t> length
        self.nhs[self.count] = nh
        self.count += 1
        return 0

    cdef int _grow(self) except -1:
        cdef Py_ssize_t room = 2 * self.room if self.room else 4096
        cdef void* larger
        if self.count >= ROUTES_LIMIT:
            raise ValueError(f"more than {ROUTES_LIMIT} routes of one address family")
        larger = realloc(self.addresses, room * self.width)
        if larger != NULL:
            self.addresses = <uint8_t*> larger
            larger = realloc(self.lengths, room)
        if larger != NULL:
            self.lengths = <uint8_t*> larger
            larger = realloc(self.nhs, room * sizeof(uint32_t))
        if larger == NULL:
            raise MemoryError(f"no memory for {room} routes")
        self.nhs = <uint32_t*> larger
        self.room = room
        return 0

    def arrays(self):
        """Copies: octets (n, width), lengths (n), next hops (n)."""
        addresses = np.empty((self.count, self.width), np.uint8)
        lengths = np.empty(self.count, np.uint8)
        nhs = np.empty(self.count, np.uint32)
        cdef uint8_t[:, ::1] octets = addresses
        cdef uint8_t[::1] bits = lengths
        cdef uint32_t[::1] hops = nhs
        if self.count:
            memcpy(&octets[0, 0], self.addresses, self.count * self.width)
            memcpy(&bits[0], self.lengths, self.count)
            memcpy(&hops[0], self.nhs, self.count * sizeof(uint32_t))
        return addresses, lengths.astype(np.int64), nhs.astype(np.int64)


cdef class NextHops:
    """Numbers for next hops, which files name by addresses.

    choose: called once with each address as text, returns its number, or None if routes to it are
    to be left out. Without it they are numbered from 1 in the order they are met.
    """

    def __cinit__(self, choose=None):
        self.numbers = {}
        self.choose = choose

    cdef uint32_t number_of(self, bytes address) except? 0xFFFFFFFF:
        found = self.numbers.get(address, self)
        if found is self:
            found = self._chosen(address)
            self.numbers[address] = found
        return 0 if found is None else <uint32_t> found

    def _chosen(self, bytes address):
        text = address_of(address)
        if self.choose is None:
            number = NH_FIRST + len(self.numbers)
        else:
            number = self.choose(text)
        if number is not None and not NH_FIRST <= number <= NH_LAST:
            raise ValueError(f"next hop {text} has number {number}, which is not in "
                             f"{NH_FIRST}..{NH_LAST}")
        return number

    def known(self):
        """All next hops that were met and not left out: text to number."""
        return {address_of(packed): number for packed, number in self.numbers.items()
                if number is not None}


def address_of(bytes packed) -> str:
    """The text of a packed address of either family."""
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def routes_of(Lpm table not None):
    """Octets (n, width), lengths and next hops of all routes of a table, by address and length,
    those of its open transaction included."""
    cdef RouteColumns columns = RouteColumns(table.width)
    cdef uint8_t* slots = store_sorted(&table.prefixes)
    cdef const uint8_t* slot = slots
    cdef uint32_t word
    cdef Py_ssize_t i
    if slots == NULL:
        raise MemoryError("no memory for a list of routes")
    try:
        for i in range(table.prefixes.count):
            word = slot_word(slot, table.width)
            columns.append(slot, word_length(word), word_nh(word))
            slot += table.width + 4
    finally:
        free(slots)
    return columns.arrays()
