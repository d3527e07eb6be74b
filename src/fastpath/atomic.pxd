# Ordered loads and stores (the compiler's __atomic built-ins) for what two threads may look at.

from libc.stdint cimport uint32_t

cdef extern from * nogil:
    int ATOMIC_ACQUIRE "__ATOMIC_ACQUIRE"
    int ATOMIC_RELEASE "__ATOMIC_RELEASE"
    void atomic_store_pointer "__atomic_store_n"(const void** at, const void* value, int order)
    uint32_t atomic_load_u32 "__atomic_load_n"(const uint32_t* at, int order)
    void atomic_store_u32 "__atomic_store_n"(uint32_t* at, uint32_t value, int order)
