# Calls of the C ABI that control makes: punts, triggers, injected frames.

from fastpath.abi.fp_abi cimport fp_abi_t

cdef void fill_control_calls(fp_abi_t* abi) noexcept
