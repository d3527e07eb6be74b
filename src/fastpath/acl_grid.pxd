# Tables of rows and columns in which pieces of rows that are equal are there once.

from fastpath.acl_tables cimport acl_grid_t, tables_t
from fastpath.scratch cimport scratch_t
from libc.stdint cimport uint8_t, uint32_t

# The grid of rows x columns cells of `size` octets (1 or 4), into *grid, which is in tables.part.
# enum Build.
cdef int grid_build(acl_grid_t* grid, tables_t* tables, scratch_t* scratch, const uint8_t* cells,
                    uint32_t rows, uint32_t columns, uint32_t size) noexcept nogil
