# Calls of the C ABI that handle bursts, on the thread of their worker.

from fastpath.abi.fp_abi cimport fp_abi_t

cdef void fill_packet_calls(fp_abi_t* abi) noexcept
