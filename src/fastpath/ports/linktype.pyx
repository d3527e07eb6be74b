"""Link types of capture files: the one table of numbers and names.

Source: the registry at https://www.tcpdump.org/linktypes.html. 51 (PPPoE without Ethernet) and
all others not listed are unsupported; such packets are counted and dropped, not guessed at.
"""

from fastpath.packet cimport (
    LINK_ETHERNET, LINK_IPV4, LINK_IPV6, LINK_LOOP, LINK_NULL, LINK_PPP, LINK_PPP_HDLC,
    LINK_PPP_WITHDIR, LINK_RAW, LINK_SLL, LINK_SLL2, LINK_UNSUPPORTED,
)
from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    _LINKS = 16
    _LINKTYPES = 512

# Link, name, number it is written with, further numbers it is read from. 12 and 14 are what BSD
# systems called raw IP; 147 is the first number that is reserved for private use.
_TABLE = (
    (LINK_UNSUPPORTED, "unsupported", 147, ()),
    (LINK_ETHERNET, "ethernet", 1, ()),
    (LINK_SLL, "sll", 113, ()),
    (LINK_SLL2, "sll2", 276, ()),
    (LINK_NULL, "null", 0, ()),
    (LINK_LOOP, "loop", 108, ()),
    (LINK_RAW, "raw", 101, (12, 14)),
    (LINK_IPV4, "ipv4", 228, ()),
    (LINK_IPV6, "ipv6", 229, ()),
    (LINK_PPP, "ppp", 9, ()),
    (LINK_PPP_HDLC, "ppp-hdlc", 50, ()),
    (LINK_PPP_WITHDIR, "ppp-withdir", 204, ()),
)

LINKS = tuple(name for _, name, _, _ in sorted(_TABLE))
"""Names of the link types by number of the enum Link."""

cdef uint8_t _link_of[_LINKTYPES]
cdef uint32_t _linktype_of[_LINKS]
for _link, _name, _number, _others in _TABLE:
    _linktype_of[_link] = _number
    for _n in (_number, *_others):
        _link_of[_n] = _link


cdef uint8_t link_of(uint32_t linktype) noexcept nogil:
    return _link_of[linktype] if linktype < _LINKTYPES else LINK_UNSUPPORTED


cdef uint32_t linktype_of(uint8_t link) noexcept nogil:
    return _linktype_of[link] if link < _LINKS else _linktype_of[<int>LINK_UNSUPPORTED]


cdef uint8_t link_number(str name) except? 255:
    """Number of a link type's name; ValueError names those that exist."""
    if name not in LINKS:
        raise ValueError(f"link type {name!r} is not one of {', '.join(LINKS)}")
    return LINKS.index(name)
