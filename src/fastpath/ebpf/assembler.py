"""An assembler of eBPF: rows of a mnemonic and its operands become the kernel's instructions.

The instruction set is that of RFC 9669; jumps name labels, maps are named by their descriptor. It
knows what our programs need and no more, and checks no program: that is the kernel's part.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

Row = tuple[str | int, ...]
"""A mnemonic and its operands, or one that ends with a colon: a label."""

INSTRUCTIONS: Final[dict[str, tuple[int, str]]] = {
    # d, s: registers 0 to 10; o: offset of memory; i: constant; l: label; m: descriptor of a map
    "mov": (0xB7, "di"),
    "movx": (0xBF, "ds"),
    "add": (0x07, "di"),
    "addx": (0x0F, "ds"),
    "and": (0x57, "di"),
    "lsh": (0x67, "di"),
    "rsh": (0x77, "di"),
    "be": (0xDC, "di"),  # the lower 16, 32 or 64 bits from network order
    "ldxb": (0x71, "dso"),
    "ldxh": (0x69, "dso"),
    "ldxw": (0x61, "dso"),
    "ldxdw": (0x79, "dso"),
    "stb": (0x72, "doi"),
    "sth": (0x6A, "doi"),
    "stw": (0x62, "doi"),
    "stdw": (0x7A, "doi"),
    "stxw": (0x63, "dos"),
    "stxdw": (0x7B, "dos"),
    "ja": (0x05, "l"),
    "jeq": (0x15, "dil"),
    "jne": (0x55, "dil"),
    "jgt": (0x25, "dil"),
    "jge": (0x35, "dil"),
    "jlt": (0xA5, "dil"),
    "jset": (0x45, "dil"),
    "jne32": (0x56, "dil"),  # the lower 32 bits alone
    "jgtx": (0x2D, "dsl"),
    "call": (0x85, "i"),
    "exit": (0x95, ""),
    "map": (0x18, "dm"),  # two instructions long
}
"""Mnemonic: operation code and operands in their order."""

REGISTERS: Final = 11
_MAP_DESCRIPTOR: Final = 1
_LONG: Final = 0x18


def size_of(row: Row) -> int:
    """Instructions of a row: none of a label."""
    name = str(row[0])
    if name.endswith(":"):
        return 0
    if name not in INSTRUCTIONS:
        raise ValueError(f"{row}: no instruction {name!r}")
    return 2 if INSTRUCTIONS[name][0] == _LONG else 1


def assemble(rows: Iterable[Row]) -> bytes:
    """The instructions. Raises ValueError, naming the row, for one that cannot be."""
    rows = list(rows)
    labels: dict[str, int] = {}
    at = 0
    for row in rows:
        size = size_of(row)
        if size == 0:
            name = str(row[0])[:-1]
            if name in labels:
                raise ValueError(f"label {name!r} is there twice")
            labels[name] = at
        at += size
    made = []
    at = 0
    for row in rows:
        size = size_of(row)
        at += size
        if size:
            made.append(_encode(row, at, labels))
    return b"".join(made)


def _encode(row: Row, following: int, labels: dict[str, int]) -> bytes:
    code, operands = INSTRUCTIONS[str(row[0])]
    if len(row) != len(operands) + 1:
        raise ValueError(f"{row}: {len(operands)} operands are wanted")
    field = {"d": 0, "s": 0, "o": 0, "i": 0}
    for kind, value in zip(operands, row[1:], strict=True):
        if kind == "l":
            if value not in labels:
                raise ValueError(f"{row}: no label {value!r}")
            field["o"] = labels[str(value)] - following
        elif not isinstance(value, int):
            raise ValueError(f"{row}: {value!r} is no number")
        elif kind == "m":
            field["s"], field["i"] = _MAP_DESCRIPTOR, value
        else:
            field[kind] = value
    for kind in "ds":
        if not 0 <= field[kind] < REGISTERS:
            raise ValueError(f"{row}: no register {field[kind]}")
    registers = field["s"] << 4 | field["d"]
    try:
        made = struct.pack("<BBhi", code, registers, field["o"], field["i"])
    except struct.error as error:
        raise ValueError(f"{row}: {error}") from None
    return made + bytes(8) if code == _LONG else made
