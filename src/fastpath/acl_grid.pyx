"""Tables with shared pieces (contract in acl_grid.pxd)."""

from fastpath.acl_tables cimport (ACL_PAD, BUILD_NO_MEMORY, BUILD_OK, acl_grid_t, tables_add,
                                  tables_t)
from fastpath.intern cimport INTERN_FULL, intern_add, intern_at, intern_close, intern_t
from fastpath.scratch cimport scratch_t, scratch_take
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset

cdef enum:
    SMALL = 1 << 15           # octets that the first cache level holds: there a second step costs
    PIECES_MAX = 65536        # more than it saves
    LINE = 64                 # octets of a piece


cdef int _cut(intern_t* pieces, uint16_t* numbers, const uint8_t* cells, uint32_t rows,
              uint32_t columns, uint32_t size, uint32_t width) noexcept nogil:
    """Numbers the pieces of all rows. 0 if there are more than PIECES_MAX, 1 otherwise."""
    cdef uint8_t piece[LINE]
    cdef uint32_t row, at, number, here
    cdef uint32_t octets = columns * size
    for row in range(rows):
        for at in range(width):
            here = min(<uint32_t> LINE, octets - at * LINE)
            memset(piece, 0, LINE)
            memcpy(piece, cells + <size_t> row * octets + at * LINE, here)
            number = intern_add(pieces, piece, LINE)
            if number == INTERN_FULL:
                return BUILD_NO_MEMORY
            if number >= PIECES_MAX:
                return 0
            numbers[<size_t> row * width + at] = <uint16_t> number
    return 1


cdef int grid_build(acl_grid_t* grid, tables_t* tables, scratch_t* scratch, const uint8_t* cells,
                    uint32_t rows, uint32_t columns, uint32_t size) noexcept nogil:
    cdef size_t dense = <size_t> rows * columns * size
    cdef uint32_t width = (columns * size + LINE - 1) // LINE
    cdef size_t numbers = <size_t> rows * width * sizeof(uint16_t)
    cdef intern_t pieces
    cdef int code = 0
    memset(&pieces, 0, sizeof(pieces))
    if dense > SMALL:
        grid.pieces = <uint16_t*> scratch_take(scratch, numbers + ACL_PAD)
        if grid.pieces == NULL:
            return BUILD_NO_MEMORY
        code = _cut(&pieces, grid.pieces, cells, rows, columns, size, width)
    if code == 1 and 2 * (numbers + pieces.used) < dense:
        grid.shift = 4 if size == 4 else 6
        grid.width = width
        grid.cells = <uint8_t*> scratch_take(scratch, pieces.used + ACL_PAD)
        if grid.cells != NULL:
            memcpy(grid.cells, pieces.octets, pieces.used)
            tables_add(tables, &grid.pieces, numbers)
            tables_add(tables, &grid.cells, pieces.used)
    elif code >= 0:
        grid.pieces = NULL
        grid.shift = 0
        grid.width = columns
        grid.cells = <uint8_t*> scratch_take(scratch, dense + ACL_PAD)
        if grid.cells != NULL:
            memcpy(grid.cells, cells, dense)
            tables_add(tables, &grid.cells, dense)
    intern_close(&pieces)
    if code < 0 or grid.cells == NULL:
        return BUILD_NO_MEMORY
    return BUILD_OK
