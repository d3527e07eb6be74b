# Zeroed memory of the kernel for tables of fixed capacity: only what is touched costs anything.

# NULL without memory. `huge` asks for 2 MiB pages, for what packets read at random: a missed entry
# then seldom misses the address translation as well.
cdef void* map_zeroed(size_t size, bint huge) noexcept nogil
cdef void unmap(void* base, size_t size) noexcept nogil       # NULL: nothing to do
