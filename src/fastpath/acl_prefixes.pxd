# The distinct prefixes of rules, numbered so that a prefix comes before those inside it, and the
# trie that finds the longest one that covers an address: its number is the address's class.

from fastpath.acl_tables cimport acl_trie_t
from fastpath.rules cimport rule_t
from fastpath.scratch cimport scratch_t
from fastpath.types cimport addr_t
from libc.stdint cimport uint8_t, uint32_t

cdef struct prefix_t:
    addr_t address
    uint32_t length
    uint32_t rule             # while they are sorted: position of the rule it is of

cdef struct prefixes_t:
    prefix_t* prefix          # number 0 has length 0
    uint32_t* parent          # the longest prefix around each, itself for number 0
    uint32_t* of_rule
    uint32_t count

# Of rules[index[0..count - 1]], their source or destination. enum Build.
cdef int prefixes_build(prefixes_t* prefixes, scratch_t* scratch, const rule_t* rules,
                        const uint32_t* index, uint32_t count, bint source) noexcept nogil
# The trie, and its size in octets. enum Build.
cdef int trie_build(const prefixes_t* prefixes, scratch_t* scratch, acl_trie_t* trie,
                    size_t* size) noexcept nogil
