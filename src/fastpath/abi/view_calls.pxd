# Calls of the C ABI that look: names, routes, counters.

from fastpath.abi.fp_abi cimport fp_abi_t

cdef void fill_view_calls(fp_abi_t* abi) noexcept
