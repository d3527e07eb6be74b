"""The exact prefixes of a routing table, with an undo log (the contract is in prefix_store.pxd).

Removal shifts later slots of the run back instead of leaving marks, so churn does not fill the
table. It grows at three quarters and never shrinks: undoing a transaction thus always has room.
"""

from fastpath.atomic cimport spin_lock, spin_unlock
from fastpath.hash cimport hash16, mix64
from fastpath.types cimport NH_DROP, NH_INVALID, nh_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memcmp, memcpy, memset

cdef extern from "<stdlib.h>" nogil:
    void* aligned_alloc(size_t alignment, size_t size)

cdef extern from "<sys/mman.h>" nogil:
    enum: MADV_HUGEPAGE
    int madvise(void* base, size_t size, int advice)

cdef extern from * nogil:
    void __builtin_prefetch(const void* at, int write)

cdef enum:
    SLOTS_MIN = 64
    LOG_MIN = 64
    LOG_KEPT = 4096           # changes; a longer log is given back when its transaction ends
    SLOT_EMPTY = 0xFFFFFFFF   # word of a slot without a prefix
    LARGE_PAGE = 1 << 21


cdef inline uint64_t _hash(const uint8_t* prefix, int length, int width) noexcept nogil:
    cdef uint32_t address
    if width == 4:
        memcpy(&address, prefix, 4)
        return mix64(<uint64_t> address << 8 | <uint64_t> length)
    return hash16(prefix, <uint64_t> length)


cdef inline uint8_t* _slot(const prefix_store_t* store, uint64_t at) noexcept nogil:
    return store.slots + at * <uint64_t> (store.width + 4)


cdef inline void _set_word(uint8_t* slot, int width, uint32_t word) noexcept nogil:
    (<uint32_t*> (slot + width))[0] = word


cdef uint8_t* _empty_slots(int width, uint64_t slots) noexcept nogil:
    cdef size_t size = slots * <uint64_t> (width + 4)
    cdef uint8_t* memory
    if size >= 2 * LARGE_PAGE:
        # Every probe of a large store is somewhere else: large pages save it a page walk.
        size = (size + LARGE_PAGE - 1) // LARGE_PAGE * LARGE_PAGE
        memory = <uint8_t*> aligned_alloc(LARGE_PAGE, size)
        if memory != NULL:
            madvise(memory, size, MADV_HUGEPAGE)
    else:
        memory = <uint8_t*> malloc(size)
    if memory != NULL:
        memset(memory, 0xFF, size)
    return memory


cdef int store_open(prefix_store_t* store, int width) noexcept nogil:
    memset(store, 0, sizeof(prefix_store_t))
    store.width = width
    store.mask = SLOTS_MIN - 1
    store.was_empty = True
    store.slots = _empty_slots(width, SLOTS_MIN)
    return STORE_NO_MEMORY if store.slots == NULL else 0


cdef void store_close(prefix_store_t* store) noexcept nogil:
    free(store.slots)
    free(store.log)
    store.slots = NULL
    store.log = NULL


cdef uint8_t* _find(const prefix_store_t* store, const uint8_t* prefix, int length) noexcept nogil:
    """The slot of the prefix, or the empty one where it would go."""
    cdef int width = store.width
    cdef uint64_t at = _hash(prefix, length, width) & store.mask
    cdef uint8_t* slot = _slot(store, at)
    cdef uint32_t word = slot_word(slot, width)
    while word != SLOT_EMPTY:
        if word_length(word) == length and memcmp(slot, prefix, width) == 0:
            break
        at = (at + 1) & store.mask
        slot = _slot(store, at)
        word = slot_word(slot, width)
    return slot


cdef nh_t store_get(const prefix_store_t* store, const uint8_t* prefix,
                    int length) noexcept nogil:
    cdef uint32_t word = slot_word(_find(store, prefix, length), store.width)
    return <nh_t> NH_INVALID if word == SLOT_EMPTY else word_nh(word)


cdef void store_prefetch(const prefix_store_t* store, const uint8_t* prefix,
                         int length) noexcept nogil:
    __builtin_prefetch(_slot(store, _hash(prefix, length, store.width) & store.mask), 1)


cdef inline bint _is_full(uint64_t mask, Py_ssize_t count) noexcept nogil:
    return <uint64_t> count > mask // 4 * 3


cdef int store_reserve(prefix_store_t* store, Py_ssize_t more) noexcept nogil:
    cdef uint64_t mask = store.mask
    while _is_full(mask, store.count + more):
        mask = 2 * mask + 1
    return 0 if mask == store.mask else _grow(store, mask)


cdef int _grow(prefix_store_t* store, uint64_t mask) noexcept nogil:
    cdef prefix_store_t bigger = store[0]
    cdef uint8_t* slot
    cdef uint64_t at
    bigger.mask = mask
    bigger.slots = _empty_slots(store.width, bigger.mask + 1)
    if bigger.slots == NULL:
        return STORE_NO_MEMORY
    for at in range(store.mask + 1):
        slot = _slot(store, at)
        if slot_word(slot, store.width) != SLOT_EMPTY:
            memcpy(_find(&bigger, slot, word_length(slot_word(slot, store.width))), slot,
                   store.width + 4)
    spin_lock(&store.lock)
    free(store.slots)
    store.slots = bigger.slots
    store.mask = bigger.mask
    spin_unlock(&store.lock)
    return 0


cdef void _vacate(prefix_store_t* store, uint8_t* slot) noexcept nogil:
    """Empties a slot and moves back those behind it that probed over it."""
    cdef uint64_t hole = <uint64_t> (slot - store.slots) // <uint64_t> (store.width + 4)
    cdef uint64_t at = hole
    cdef uint64_t home
    cdef uint32_t word
    while True:
        at = (at + 1) & store.mask
        slot = _slot(store, at)
        word = slot_word(slot, store.width)
        if word == SLOT_EMPTY:
            break
        home = _hash(slot, word_length(word), store.width) & store.mask
        # It may move only if the hole lies on its way from home to where it is.
        if ((at - home) & store.mask) >= ((at - hole) & store.mask):
            memcpy(_slot(store, hole), slot, store.width + 4)
            hole = at
    _set_word(_slot(store, hole), store.width, SLOT_EMPTY)


cdef void _apply(prefix_store_t* store, const uint8_t* prefix, int length,
                 uint32_t word) noexcept nogil:
    """Sets the word of a prefix (SLOT_EMPTY: removes it). There must be room."""
    cdef uint8_t* slot = _find(store, prefix, length)
    cdef bint was = slot_word(slot, store.width) != SLOT_EMPTY
    cdef bint will = word != SLOT_EMPTY
    spin_lock(&store.lock)
    if will:
        memcpy(slot, prefix, store.width)
        _set_word(slot, store.width, word)
    elif was:
        _vacate(store, slot)
    store.count += <int> will - <int> was
    store.of_length[length] += <int> will - <int> was
    spin_unlock(&store.lock)


cdef int _note(prefix_store_t* store, const uint8_t* prefix, int length,
               uint32_t before) noexcept nogil:
    cdef prefix_change_t* log = store.log
    cdef size_t room = store.log_room
    if store.was_empty:
        return 0
    if store.logged == room:
        room = 2 * room if room else LOG_MIN
        log = <prefix_change_t*> realloc(log, room * sizeof(prefix_change_t))
        if log == NULL:
            return STORE_NO_MEMORY
        store.log = log
        store.log_room = room
    memcpy(log[store.logged].prefix, prefix, store.width)
    log[store.logged].before = before
    log[store.logged].length = <uint8_t> length
    store.logged += 1
    return 0


cdef int store_put(prefix_store_t* store, const uint8_t* prefix, int length, nh_t nh,
                   nh_t* before) noexcept nogil:
    cdef uint8_t* slot
    cdef uint32_t was
    cdef bint new
    before[0] = NH_INVALID
    if store_reserve(store, 1) < 0:
        return STORE_NO_MEMORY
    slot = _find(store, prefix, length)
    was = slot_word(slot, store.width)
    new = was == SLOT_EMPTY
    if not new:
        before[0] = word_nh(was)
        if before[0] == nh:
            return 0
    if _note(store, prefix, length, was) < 0:
        return STORE_NO_MEMORY
    spin_lock(&store.lock)
    memcpy(slot, prefix, store.width)
    _set_word(slot, store.width, <uint32_t> nh << 8 | <uint32_t> length)
    store.count += new
    store.of_length[length] += new
    spin_unlock(&store.lock)
    return new


cdef int store_remove(prefix_store_t* store, const uint8_t* prefix, int length) noexcept nogil:
    cdef uint8_t* slot = _find(store, prefix, length)
    cdef uint32_t before = slot_word(slot, store.width)
    if before == SLOT_EMPTY:
        return 0
    if _note(store, prefix, length, before) < 0:
        return STORE_NO_MEMORY
    spin_lock(&store.lock)
    _vacate(store, slot)
    store.count -= 1
    store.of_length[length] -= 1
    spin_unlock(&store.lock)
    return 1


cdef nh_t store_cover(const prefix_store_t* store, const uint8_t* prefix, int length,
                      int* cover_length) noexcept nogil:
    cdef uint8_t[16] shorter
    cdef nh_t nh
    memcpy(shorter, prefix, store.width)
    for length in range(length - 1, -1, -1):
        shorter[length >> 3] &= <uint8_t> ~(0x80 >> (length & 7))
        if store.of_length[length]:
            nh = store_get(store, shorter, length)
            if nh != NH_INVALID:
                cover_length[0] = length
                return nh
    cover_length[0] = 0
    return NH_DROP


cdef int store_longest(prefix_store_t* store, const uint8_t* address) noexcept nogil:
    cdef int length = 8 * store.width
    spin_lock(&store.lock)
    if store_get(store, address, length) == NH_INVALID:
        store_cover(store, address, length, &length)
    spin_unlock(&store.lock)
    return length


cdef void store_keep(prefix_store_t* store) noexcept nogil:
    store.logged = 0
    store.was_empty = store.count == 0
    if store.log_room > LOG_KEPT:
        free(store.log)
        store.log = NULL
        store.log_room = 0


cdef void store_undo(prefix_store_t* store) noexcept nogil:
    cdef prefix_change_t* change
    if store.was_empty and store.count:
        spin_lock(&store.lock)
        memset(store.slots, 0xFF, (store.mask + 1) * <uint64_t> (store.width + 4))
        memset(store.of_length, 0, sizeof(store.of_length))
        store.count = 0
        spin_unlock(&store.lock)
    while store.logged:
        store.logged -= 1
        change = &store.log[store.logged]
        _apply(store, change.prefix, change.length, change.before)
    store_keep(store)


# Slots compare as address, then length. The two widths differ in where the word is.
cdef int _order4(const void* a, const void* b) noexcept nogil:
    cdef int order = memcmp(a, b, 4)
    return order if order else (word_length(slot_word(<const uint8_t*> a, 4))
                                - word_length(slot_word(<const uint8_t*> b, 4)))


cdef int _order16(const void* a, const void* b) noexcept nogil:
    cdef int order = memcmp(a, b, 16)
    return order if order else (word_length(slot_word(<const uint8_t*> a, 16))
                                - word_length(slot_word(<const uint8_t*> b, 16)))


cdef uint8_t* store_sorted(const prefix_store_t* store) noexcept nogil:
    cdef size_t stride = store.width + 4
    cdef uint8_t* copy = <uint8_t*> malloc(store.count * stride + 1)
    cdef uint8_t* into = copy
    cdef uint8_t* slot
    cdef uint64_t at
    if copy == NULL:
        return NULL
    for at in range(store.mask + 1):
        slot = _slot(store, at)
        if slot_word(slot, store.width) != SLOT_EMPTY:
            memcpy(into, slot, stride)
            into += stride
    qsort(copy, store.count, stride, _order4 if store.width == 4 else _order16)
    return copy


cdef size_t store_memory(const prefix_store_t* store) noexcept nogil:
    return ((store.mask + 1) * <uint64_t> (store.width + 4)
            + store.log_room * sizeof(prefix_change_t))
