# Calls of the C ABI that change routes, adjacencies and sessions.

from fastpath.abi.fp_abi cimport fp_abi_t

cdef void fill_transaction_calls(fp_abi_t* abi) noexcept
