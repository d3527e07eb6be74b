# Prefetches: what a later loop over the burst reads is asked for by the one before, so that the
# misses of a burst overlap. A missed line costs more than a packet's whole handling.

cdef extern from * nogil:
    """
    #define prefetch_read(at) __builtin_prefetch((at), 0, 3)
    #define prefetch_write(at) __builtin_prefetch((at), 1, 3)
    """
    void prefetch_read(const void* at)
    void prefetch_write(const void* at)
