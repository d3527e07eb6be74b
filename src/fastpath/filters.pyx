"""Filters: classifiers by number (contract in filters.pxd)."""

from fastpath.acl cimport Classifier
from fastpath.atomic cimport (ATOMIC_RELAXED, ATOMIC_RELEASE, atomic_load_u64,
                              atomic_store_pointer)
from fastpath.epoch cimport epoch_safe
from fastpath.forwarding cimport Forwarding
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

import numpy as np


cdef filter_t* _filter(Classifier classifier) except NULL:
    cdef filter_t* made = <filter_t*> calloc(1, sizeof(filter_t))
    cdef uint32_t i
    if made == NULL:
        raise MemoryError("no memory for a filter")
    made.rules = classifier.rules.count
    made.actions = <uint8_t*> calloc(made.rules + 1, 1)
    made.counts = <uint64_t*> calloc(made.rules + 1, 8)
    if made.actions == NULL or made.counts == NULL:
        _free(made)
        raise MemoryError("no memory for a filter")
    made.acl = &classifier.acl
    made.level = classifier.level
    for i in range(made.rules):
        made.actions[i] = classifier.rules.rules[i].action
    return made


cdef void _free(filter_t* old) noexcept:
    if old != NULL:
        free(old.actions)
        free(old.counts)
        free(old)


cdef class FilterTable:
    """The filters of one engine. Used by one thread at a time, beside the workers."""

    def __cinit__(self, Forwarding forwarding not None):
        self._epoch = forwarding.epoch
        self._classifiers = [None] * FILTERS_MAX
        self._retired = []

    def __dealloc__(self):
        cdef int i
        for i in range(FILTERS_MAX):
            _free(self.at[i])

    def add(self, Classifier classifier not None) -> int:
        """A number for a classifier, to be named in Transaction.set_filter. MemoryError if all are
        given out."""
        cdef int number = 1
        self._reclaim()
        while number < FILTERS_MAX and self._classifiers[number] is not None:
            number += 1
        if number == FILTERS_MAX:
            raise MemoryError(f"all {FILTERS_MAX - 1} filters are in use")
        cdef filter_t* made = _filter(classifier)
        self._classifiers[number] = classifier
        atomic_store_pointer(<const void**> &self.at[number], made, ATOMIC_RELEASE)
        return number

    def remove(self, int number) -> None:
        """Gives a number back that no adjacency and no session names any more. It is used again
        when no worker can see a version that still does."""
        self._check(number)
        self._retired.append((self._epoch.number + 1, number))
        self._reclaim()

    cdef int _reclaim(self) except -1:
        cdef uint64_t safe = epoch_safe(self._epoch)
        waiting = []
        for since, number in self._retired:
            # Out of use when every worker that is online has passed the version of the removal.
            if safe + 1 >= since:
                _free(self.at[<int> number])
                self.at[<int> number] = NULL
                self._classifiers[number] = None
            else:
                waiting.append((since, number))
        self._retired = waiting
        return 0

    def counts(self, int number):
        """uint64 array: packets by rule, in order of priority; 0 for rules that are not counted."""
        cdef uint32_t i
        cdef filter_t* filter = self.at[self._check(number)]
        return np.array([atomic_load_u64(&filter.counts[i], ATOMIC_RELAXED)
                         for i in range(filter.rules)], np.uint64)

    def classifier(self, int number) -> Classifier:
        return self._classifiers[self._check(number)]

    def _check(self, int number) -> int:
        retired = any(number == at for _, at in self._retired)
        if not 0 < number < FILTERS_MAX or self._classifiers[number] is None or retired:
            raise KeyError(f"filter {number} is not given out")
        return number
