"""The C ABI: the table of calls, as the capsule `_C_API` and as the C function fp_abi_get()."""

from fastpath.abi.control_calls cimport fill_control_calls
from fastpath.abi.engine_calls cimport fill_engine_calls
from fastpath.abi.fp_abi cimport FP_ABI_VERSION, FP_OK, fp_abi_check, fp_abi_t, fp_error_t
from fastpath.abi.handle cimport engine_of, engine_slot_t, enter, leave, open_engine
from fastpath.abi.packet_calls cimport fill_packet_calls
from fastpath.abi.transaction_calls cimport fill_transaction_calls
from fastpath.abi.view_calls cimport fill_view_calls
from fastpath.engine cimport Engine
from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport uint32_t

cdef fp_abi_t _abi
_abi.version = FP_ABI_VERSION
_abi.size = sizeof(fp_abi_t)
fill_engine_calls(&_abi)
fill_packet_calls(&_abi)
fill_control_calls(&_abi)
fill_transaction_calls(&_abi)
fill_view_calls(&_abi)

_C_API = PyCapsule_New(&_abi, b"fastpath.abi._C_API", NULL)


cdef public const fp_abi_t* fp_abi_table(uint32_t version, size_t size,
                                         fp_error_t* error) noexcept nogil:
    """The table for a program that has this module as a shared object and no Python.h."""
    return &_abi if fp_abi_check(&_abi, version, size, error) == FP_OK else NULL


def handle_of(Engine engine not None) -> int:
    """The handle by which C programs name an engine that Python made.

    It stays alive until the handle is destroyed by engine_destroy(). MemoryError: too many are.
    """
    return open_engine(engine)


def engine_with(handle: int) -> Engine:
    """The engine that a handle names, for Python beside a C program. KeyError if it is closed."""
    cdef engine_slot_t* slot = enter(handle, NULL)
    if slot == NULL:
        raise KeyError(f"engine {handle:#x} is closed, or never was")
    engine = engine_of(slot)
    leave(slot)
    return engine
