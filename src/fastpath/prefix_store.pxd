# The exact prefixes of a routing table and their next hops: an open-addressing hash with linear
# probing, and a log by which an open transaction can be undone. It matches no packets.

from fastpath.types cimport nh_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    STORE_NO_MEMORY = -1
    NH_LIMIT = 1 << 24        # next hops are below: they share a word with a prefix length

# Slot (width + 4 octets):  address[width] | word
# word:  next hop (24 bits) | length (8 bits);  SLOT_EMPTY where no prefix is

# What a change replaced: undone in reverse order.
cdef struct prefix_change_t:
    uint8_t prefix[16]
    uint32_t before           # word, SLOT_EMPTY if the prefix was not there
    uint8_t length

cdef struct prefix_store_t:
    int width                 # octets of an address
    uint8_t* slots
    uint64_t mask             # slots - 1, slots being a power of two
    Py_ssize_t count          # prefixes
    Py_ssize_t of_length[129] # prefixes by length: a cover is only looked for where there are some
    bint was_empty            # when the transaction began: undoing it empties the store again
    prefix_change_t* log
    size_t logged
    size_t log_room
    uint32_t lock             # held while slots change: a reader elsewhere sees whole ones

cdef int store_open(prefix_store_t* store, int width) noexcept nogil
cdef void store_close(prefix_store_t* store) noexcept nogil

# NH_INVALID if the prefix is not there.
cdef nh_t store_get(const prefix_store_t* store, const uint8_t* prefix,
                    int length) noexcept nogil
# 1 if the prefix was new, 0 if it was there, STORE_NO_MEMORY with nothing changed. *before: the
# next hop that was there, or NH_INVALID.
cdef int store_put(prefix_store_t* store, const uint8_t* prefix, int length, nh_t nh,
                   nh_t* before) noexcept nogil
# 1 if the prefix was there, 0 if not, STORE_NO_MEMORY with nothing changed.
cdef int store_remove(prefix_store_t* store, const uint8_t* prefix, int length) noexcept nogil
# Next hop and length of the longest prefix that covers this one and is shorter; NH_DROP and 0 if
# none does.
cdef nh_t store_cover(const prefix_store_t* store, const uint8_t* prefix, int length,
                      int* cover_length) noexcept nogil

# Length of the longest prefix that an address is in, 0 if there is none. For any thread: the open
# transaction is included, since a hash cannot be of two versions.
cdef int store_longest(prefix_store_t* store, const uint8_t* address) noexcept nogil

# Room for that many more prefixes, or STORE_NO_MEMORY. prefetch: this one will be asked for soon.
cdef int store_reserve(prefix_store_t* store, Py_ssize_t more) noexcept nogil
cdef void store_prefetch(const prefix_store_t* store, const uint8_t* prefix,
                         int length) noexcept nogil

# All changes since the last of either call stay, or are undone. Neither needs memory.
cdef void store_keep(prefix_store_t* store) noexcept nogil
cdef void store_undo(prefix_store_t* store) noexcept nogil

# A malloced copy of the `count` filled slots by address, then length; NULL without memory.
cdef uint8_t* store_sorted(const prefix_store_t* store) noexcept nogil
cdef size_t store_memory(const prefix_store_t* store) noexcept nogil


cdef inline uint32_t slot_word(const uint8_t* slot, int width) noexcept nogil:
    return (<const uint32_t*> (slot + width))[0]


cdef inline nh_t word_nh(uint32_t word) noexcept nogil:
    return word >> 8


cdef inline int word_length(uint32_t word) noexcept nogil:
    return word & 0xFF
