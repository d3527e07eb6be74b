# Ordered loads and stores (the compiler's __atomic built-ins) for what two threads may look at.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "<sched.h>" nogil:
    int sched_yield()

cdef extern from * nogil:
    int ATOMIC_RELAXED "__ATOMIC_RELAXED"
    int ATOMIC_ACQUIRE "__ATOMIC_ACQUIRE"
    int ATOMIC_RELEASE "__ATOMIC_RELEASE"
    int ATOMIC_SEQ_CST "__ATOMIC_SEQ_CST"
    void* atomic_load_pointer "__atomic_load_n"(const void** at, int order)
    void atomic_store_pointer "__atomic_store_n"(const void** at, const void* value, int order)
    uint8_t atomic_load_u8 "__atomic_load_n"(const uint8_t* at, int order)
    void atomic_store_u8 "__atomic_store_n"(uint8_t* at, uint8_t value, int order)
    uint8_t atomic_or_u8 "__atomic_fetch_or"(uint8_t* at, uint8_t bits, int order)
    uint8_t atomic_and_u8 "__atomic_fetch_and"(uint8_t* at, uint8_t bits, int order)
    void atomic_store_u16 "__atomic_store_n"(uint16_t* at, uint16_t value, int order)
    uint16_t atomic_add_u16 "__atomic_fetch_add"(uint16_t* at, uint16_t n, int order)
    uint32_t atomic_load_u32 "__atomic_load_n"(const uint32_t* at, int order)
    void atomic_store_u32 "__atomic_store_n"(uint32_t* at, uint32_t value, int order)
    uint32_t atomic_exchange_u32 "__atomic_exchange_n"(uint32_t* at, uint32_t value, int order)
    uint64_t atomic_load_u64 "__atomic_load_n"(const uint64_t* at, int order)
    void atomic_store_u64 "__atomic_store_n"(uint64_t* at, uint64_t value, int order)
    uint64_t atomic_add_u64 "__atomic_fetch_add"(uint64_t* at, uint64_t n, int order)
    bint atomic_cas_u64 "__atomic_compare_exchange_n"(uint64_t* at, uint64_t* expected,
                                                      uint64_t value, bint weak, int success,
                                                      int failure)
    bint atomic_cas_pointer "__atomic_compare_exchange_n"(
        const void** at, const void** expected, const void* value, bint weak, int success,
        int failure)


cdef inline bint atomic_swap_pointer(const void** at, const void* expected,
                                     const void* value) noexcept nogil:
    """Stores `value` if `expected` is there; whether it was."""
    return atomic_cas_pointer(at, &expected, value, False, ATOMIC_SEQ_CST, ATOMIC_SEQ_CST)


cdef inline bint atomic_swap_u64(uint64_t* at, uint64_t expected, uint64_t value) noexcept nogil:
    """Stores `value` if `expected` is there; whether it was."""
    return atomic_cas_u64(at, &expected, value, False, ATOMIC_SEQ_CST, ATOMIC_SEQ_CST)


# A lock for a few instructions: 0 is open. Its holder must not wait for anything.
cdef inline void spin_lock(uint32_t* lock) noexcept nogil:
    while atomic_exchange_u32(lock, 1, ATOMIC_ACQUIRE):
        while atomic_load_u32(lock, ATOMIC_RELAXED):
            sched_yield()


cdef inline void spin_unlock(uint32_t* lock) noexcept nogil:
    atomic_store_u32(lock, 0, ATOMIC_RELEASE)
