"""A routing table as it was published at one time, for lookups while it changes."""

import numpy as np

from fastpath.lpm import octets_of

cimport cython
from fastpath.lpm cimport NOT_HELD, Lpm, fib_t
from libc.stdint cimport uint8_t, uint32_t


@cython.final
cdef class Snapshot:
    """`with Snapshot(table) as then: then.lookup_array(addresses)`: answers stay those of the time
    it was made, and what the table replaces in the meantime stays in memory until the end.

    For a table by itself: one of an engine keeps its versions by what workers have seen.
    RuntimeError: the table has a snapshot already, or this one has ended.
    """

    cdef Lpm table
    cdef fib_t fib

    def __cinit__(self, Lpm table not None):
        if table.held != NOT_HELD:
            raise RuntimeError("this table has a snapshot already")
        self.table = table
        self.fib = table.fib
        table.held = table.number

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __dealloc__(self):
        self._release()

    def close(self) -> None:
        """Lets the table have back what this held."""
        self._release()

    cdef void _release(self):
        if self.table is not None:
            self.table.held = NOT_HELD
            self.table.reclaim(self.table.number)
            self.table = None

    def lookup_array(self, addresses):
        """Next hops (numpy uint32) of many addresses, as Lpm.lookup_array takes them."""
        if self.table is None:
            raise RuntimeError("this snapshot has ended")
        cdef const uint8_t[:, ::1] keys = octets_of(addresses, self.table.width)
        out = np.empty(keys.shape[0], dtype=np.uint32)
        cdef uint32_t[::1] nhs = out
        if keys.shape[0]:
            with nogil:
                self.fib.lookup(self.fib.version, &keys[0, 0], &nhs[0], <int> keys.shape[0])
        return out
