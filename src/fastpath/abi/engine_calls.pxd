# Calls of the C ABI that make engines, tables, ports and workers.

from fastpath.abi.fp_abi cimport fp_abi_t

cdef void fill_engine_calls(fp_abi_t* abi) noexcept
