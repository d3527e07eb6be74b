"""Which of the sockets bound to one UDP address gets what: packets the first ones, what is for
control the last.

For control are control messages and, of data messages, those that carry PPP's own protocols (LCP,
authentication, NCPs), without which no call comes up. A socket that data floods has no room for
them, and they would come when they are sent again, seconds later. Sequenced data messages stay
together, and those with an offset, which nobody sends, are not looked into.

A classic BPF program of some instructions tells them apart, which the kernel runs over each
datagram or train of them (SO_ATTACH_REUSEPORT_CBPF, Linux 4.5; it needs no privilege).
"""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import Final

_SO_ATTACH_REUSEPORT_CBPF: Final = 51
_INSTRUCTION: Final = struct.Struct("=HBBI")
_NETWORK: Final = 0x100000000 - 0x100000
"""SKF_NET_OFF: from the IP header on. Offsets from 0 on are those of the UDP payload."""
_LOAD_WORD, _LOAD_HALF, _LOAD_OCTET, _LOAD_OCTET_AT_X = 0x20, 0x28, 0x30, 0x50
_SET_X, _TO_X, _XOR_X, _MULTIPLY, _SHIFT, _MODULO = 0x01, 0x07, 0xAC, 0x24, 0x74, 0x94
_GO, _IF_EQUAL, _IF_SET, _RETURN, _RETURN_A = 0x05, 0x15, 0x45, 0x06, 0x16
_T, _L, _S_OR_O = 0x80, 0x40, 0x0A
"""Flags in the first octet of a message (RFC 2661 3.1)."""
_ADDRESS: Final = 0xFF
"""Of PPP in HDLC-like framing, which may be left out (RFC 1662 6.6)."""
_NOT_NETWORK: Final = 0x80
"""Set in the first octet of PPP protocol numbers from 0x8000 on: no packets (RFC 1661 2)."""
_GOLDEN: Final = 0x9E3779B1
"""An odd factor near 2**32 divided by the golden ratio: close numbers come far apart."""


def program(queues: int, *, six: bool) -> list[tuple[int, int, int, int]]:
    """Instructions (code, how many to skip if it is true, if not, operand). The result is `queues`
    for what is for control, otherwise below that, the same for all that a peer sends; a message
    that ends too early is for 0.

    The peer's port is looked for behind a header without options or extensions, and with some the
    other octets there are as good as long as they do not change.
    """
    source, port = (_NETWORK + 20, _NETWORK + 40) if six else (_NETWORK + 12, _NETWORK + 20)
    return [
        (_LOAD_OCTET, 0, 0, 0),
        (_IF_SET, 9, 0, _T),
        (_IF_SET, 9, 0, _S_OR_O),
        (_IF_SET, 2, 0, _L),
        (_SET_X, 0, 0, 6),
        (_GO, 0, 0, 1),
        (_SET_X, 0, 0, 8),
        (_LOAD_OCTET_AT_X, 0, 0, 0),
        (_IF_EQUAL, 0, 1, _ADDRESS),
        (_LOAD_OCTET_AT_X, 0, 0, 2),
        (_IF_SET, 0, 1, _NOT_NETWORK),
        (_RETURN, 0, 0, queues),
        (_LOAD_WORD, 0, 0, source),
        (_TO_X, 0, 0, 0),
        (_LOAD_HALF, 0, 0, port),
        (_XOR_X, 0, 0, 0),
        (_MULTIPLY, 0, 0, _GOLDEN),
        (_SHIFT, 0, 0, 16),
        (_MODULO, 0, 0, queues),
        (_RETURN_A, 0, 0, 0),
    ]


def steer(member: socket.socket, queues: int) -> bool:
    """For a group of sockets, `queues` and then one for control in the order in which they were
    bound. False: the kernel cannot do it, and spreads all over all of them."""
    code = program(queues, six=member.family == socket.AF_INET6)
    memory = ctypes.create_string_buffer(b"".join(_INSTRUCTION.pack(*row) for row in code))
    filter = struct.pack("HxxxxxxQ", len(code), ctypes.addressof(memory))
    try:
        member.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, filter)
    except OSError:
        return False
    return True
