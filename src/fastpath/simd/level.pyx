"""Names of the variants that the vector instructions of this machine allow (level.h)."""

NAMES = ("portable", "avx2", "avx512")


def available() -> tuple[str, ...]:
    """The variants that this machine runs, the best one first."""
    return NAMES[simd_level_here()::-1]


cdef int level_of(str name) except -1:
    if name not in available():
        raise ValueError(f"variant {name!r} is not one of {', '.join(available())}")
    return NAMES.index(name)
