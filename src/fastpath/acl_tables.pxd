# The compiled form of a rule set, as the lookup reads it (simd/acl.h has the structures).

from libc.stdint cimport uint8_t, uint16_t, uint32_t

cdef extern from "simd/acl.h" nogil:
    enum: ACL_GROUPS, ACL_FIELDS, ACL_BATCH, ACL_CHILD, ACL_NONE, ACL_HEADLESS, ACL_FRAGMENT
    enum: ACL_PAD
    ctypedef struct acl_trie_t:
        uint16_t* cells
        uint32_t stride
    ctypedef struct acl_field_t:
        uint16_t* high
        uint32_t* low
    ctypedef struct acl_grid_t:
        uint8_t* cells
        uint16_t* pieces
        uint32_t width
        uint32_t shift
    ctypedef struct acl_group_t:
        acl_grid_t pairs
        acl_grid_t ranks
        uint32_t* lists
        uint32_t list_bits
    ctypedef struct acl_part_t:
        acl_trie_t source
        acl_trie_t destination
        acl_field_t source_port
        acl_field_t destination_port
        acl_field_t flags
        uint32_t* protocol
        uint32_t* traffic
        uint32_t* rows[2]
        uint32_t* columns[2]
        uint32_t* services[2]
        uint32_t groups
        uint32_t words
        acl_group_t group[4]
    void acl_part_lookup(const acl_part_t* part, const void* keys, int n, uint32_t* best,
                         int level)

cdef enum Build:              # what the steps of a build answer
    BUILD_OK = 0
    BUILD_NO_MEMORY = -1
    BUILD_TOO_COMPLEX = -2    # these rules multiply: fewer at a time will do

cdef enum:
    TABLES_MAX = 64           # tables of a part: 2 + 3 * 2 + 2 + 3 * 2 + 4 * 5

# A table of a part while it is built: where its pointer stands in acl_part_t, and its size.
cdef struct table_t:
    size_t at
    size_t size

cdef struct tables_t:
    acl_part_t part
    table_t table[64]
    int count
    size_t octets             # of all tables


cdef inline void tables_add(tables_t* tables, void* pointer, size_t size) noexcept nogil:
    """Notes that the pointer at `pointer`, in tables.part, is a table of `size` octets."""
    tables.table[tables.count].at = <uint8_t*> pointer - <uint8_t*> &tables.part
    tables.table[tables.count].size = size
    tables.count += 1
    tables.octets += (size + ACL_PAD + 63) & ~63
