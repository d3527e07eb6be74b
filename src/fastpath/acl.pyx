"""Compiled rule sets (contract in acl.pxd, structures in simd/acl.h)."""

import numpy as np

from fastpath.acl_build cimport acl_build, acl_close, acl_t
from fastpath.acl_tables cimport (ACL_BATCH, ACL_NONE, BUILD_NO_MEMORY, BUILD_TOO_COMPLEX,
                                  acl_part_lookup)
from fastpath.rules cimport RuleSet, acl_key4_t, acl_key6_t, key_octets
from fastpath.simd.level cimport SIMD_PORTABLE, level_of, simd_level_here
from fastpath.types cimport INET
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset

from fastpath.rule_text import RuleError

cdef enum:
    LANES = 16                # of the widest variant

NONE = ACL_NONE
"""The answer for a packet that fits no rule."""


cdef void _lookup(const acl_t* acl, int which, const void* keys, uint32_t* best, int n,
                  int level) noexcept nogil:
    cdef uint32_t i
    for i in range(<uint32_t> n):
        best[i] = ACL_NONE
    for i in range(acl.count[which]):
        acl_part_lookup(acl.parts[which][i], keys, n, best, level)


cdef void acl_lookup(const acl_t* acl, int family, const void* keys, uint32_t* out, int n,
                     int level) noexcept nogil:
    cdef acl_key6_t rest[LANES]
    cdef uint32_t best[LANES]
    cdef int which = family != INET
    cdef int width = sizeof(acl_key6_t) if which else sizeof(acl_key4_t)
    cdef const uint8_t* at = <const uint8_t*> keys
    cdef int now
    while n >= LANES:
        now = min(n - n % LANES, ACL_BATCH)
        _lookup(acl, which, at, out, now, level)
        at += now * width
        out += now
        n -= now
    if n > 0:
        # The variants read and write whole vectors.
        memset(rest, 0, sizeof(rest))
        memcpy(rest, at, n * width)
        _lookup(acl, which, rest, best, LANES, level)
        memcpy(out, best, n * sizeof(uint32_t))


cdef class Classifier:
    """A rule set, compiled. Immutable; a change is another classifier.

    variant: one of fastpath.simd.available(), the best one if None. RuleError if the rules are too
    many of a kind to be compiled, MemoryError without memory.
    """

    def __cinit__(self, RuleSet rules not None, *, str variant=None):
        cdef int code
        self.rules = rules
        self.level = simd_level_here() if variant is None else level_of(variant)
        with nogil:
            code = acl_build(&self.acl, rules.rules, rules.count)
        if code == BUILD_TOO_COMPLEX:
            raise RuleError(f"{rules.name}: {rules.count} rules combine in too many ways")
        if code == BUILD_NO_MEMORY:
            raise MemoryError("no memory for a classifier")

    def __dealloc__(self):
        acl_close(&self.acl)

    @property
    def memory(self) -> int:
        """Octets of the tables."""
        return self.acl.memory

    @property
    def shape(self) -> tuple:
        """Of IPv4 and of IPv6: the number of groups of each part. What a lookup costs grows with
        their sum."""
        return tuple(tuple(self.acl.parts[which][i].groups for i in range(self.acl.count[which]))
                     for which in range(2))

    def select(self, str variant not None):
        """Looks up with another variant from now on."""
        self.level = level_of(variant)

    def lookup_array(self, int family, keys, out=None):
        """uint32 array: for each key (rules.KEY4, rules.KEY6) the number of the first rule that
        fits, or NONE. `out` is filled and returned if it is given, as long as `keys`.
        """
        cdef const uint8_t[::1] octets = key_octets(family, keys)
        cdef int n = len(keys)
        found = np.empty(n, np.uint32) if out is None else out
        cdef uint32_t[::1] answers = found
        if answers.shape[0] != n:
            raise ValueError(f"out has {answers.shape[0]} elements, keys {n}")
        if n:
            with nogil:
                acl_lookup(&self.acl, family, &octets[0], &answers[0], n, self.level)
        return found
