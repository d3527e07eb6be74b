"""Times lookups as a burst loop makes them: one call by pointer a batch, nothing else between.

Ours and other tables go through the same loop, so that only what is behind the pointer differs.
Answers go to one batch-sized array again and again, as those of a burst do.
"""

import numpy as np

from fastpath.lpm cimport Lpm
from libc.stdint cimport uint8_t, uint64_t, uintptr_t
from libc.stdlib cimport free
from posix.stdlib cimport posix_memalign
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cdef enum:
    BATCH_LIMIT = 4096
    ANSWER_LIMIT = 8          # octets of an answer
    LINE = 64

# lookup_fn of lpm.pxd, but for what an answer is: 4 octets with ours, 8 with some.
ctypedef void (*function_t)(const void* version, const uint8_t* keys, void* out,
                            int n) noexcept nogil


cdef uint64_t _now() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <uint64_t> t.tv_sec * 1000000000 + <uint64_t> t.tv_nsec


cdef void _look_up(function_t function, const void* version, const uint8_t* keys, Py_ssize_t width,
                   uint8_t* out, Py_ssize_t step, Py_ssize_t n, Py_ssize_t batch) noexcept nogil:
    cdef Py_ssize_t at = 0
    cdef Py_ssize_t size
    while at < n:
        size = batch if n - at > batch else n - at
        function(version, keys + at * width, out + at * step, <int> size)
        at += size


def lookup_address(Lpm table not None):
    """(function, version): where a table's lookup is, and what it is called with, as integers.

    Both hold until the table is changed or gone. void f(version, keys, out, n): see lpm.pxd.
    """
    return <uintptr_t> <void*> table.fib.lookup, <uintptr_t> table.fib.version


def time_lookups(function, version, const uint8_t[:, ::1] keys not None, batch) -> int:
    """Nanoseconds for looking up all keys, `batch` of them a call, without the GIL.

    function, version: of lookup_address, or of another table alike, whose answers may have up to 8
    octets. keys: uint8 array of shape (n, octets), as the function reads them.
    """
    cdef uint64_t start
    cdef uint64_t end
    cdef void* out = NULL
    cdef uintptr_t code = function
    cdef uintptr_t data = version
    cdef Py_ssize_t size = batch
    if not 0 < size <= BATCH_LIMIT:
        raise ValueError(f"batch {batch} is not in 1..{BATCH_LIMIT}")
    if keys.shape[0] == 0:
        return 0
    if posix_memalign(&out, LINE, BATCH_LIMIT * ANSWER_LIMIT):
        raise MemoryError("no memory for the answers of a batch")
    with nogil:
        start = _now()
        _look_up(<function_t> <void*> code, <const void*> data, &keys[0, 0], keys.shape[1],
                 <uint8_t*> out, 0, keys.shape[0], size)
        end = _now()
    free(out)
    return end - start


def lookup_all(function, version, const uint8_t[:, ::1] keys not None, answer=4, batch=256):
    """The answers to all keys, as a numpy array of unsigned integers of `answer` octets."""
    cdef uintptr_t code = function
    cdef uintptr_t data = version
    cdef Py_ssize_t size = batch
    cdef Py_ssize_t step = answer
    if step not in (2, 4, ANSWER_LIMIT):
        raise ValueError(f"answer {answer} is not 2, 4 or 8 octets")
    if not 0 < size <= BATCH_LIMIT:
        raise ValueError(f"batch {batch} is not in 1..{BATCH_LIMIT}")
    found = np.zeros(keys.shape[0], dtype=f"u{answer}")
    cdef uint8_t[::1] out = found.view(np.uint8)
    if keys.shape[0]:
        with nogil:
            _look_up(<function_t> <void*> code, <const void*> data, &keys[0, 0], keys.shape[1],
                     &out[0], step, keys.shape[0], size)
    return found
