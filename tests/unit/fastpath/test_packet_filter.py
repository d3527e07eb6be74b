"""fastpath.packet_filter: programs against a slow, obvious interpreter, and what is no program."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastpath.packet_filter import PacketFilter

WORD = 0xFFFFFFFF
RET_K, RET_A = 0x06, 0x16
LD_WORD, LD_HALF, LD_BYTE, IND = 0x20, 0x28, 0x30, 0x20
LD_IMM, LD_MEM, LD_LEN, LDX_IMM, LDX_MSH = 0x00, 0x60, 0x80, 0x01, 0xB1
LOADS = (0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x00, 0x60, 0x80, 0x01, 0x61, 0x81, 0xB1)
ALU = tuple(0x04 | operation | x for operation in range(0, 0xB0, 0x10) for x in (0, 8))
JUMPS = tuple(0x05 | operation | x for operation in (0x10, 0x20, 0x30, 0x40) for x in (0, 8))

Row = tuple[int, int, int, int]

IP_UDP_53 = [  # ip and udp port 53, as tcpdump -ddd -y RAW has it for the destination
    (LD_BYTE, 0, 0, 0),
    (0x54, 0, 0, 0xF0),
    (0x15, 0, 6, 0x40),
    (LD_BYTE, 0, 0, 9),
    (0x15, 0, 4, 17),
    (LDX_MSH, 0, 0, 0),
    (0x48, 0, 0, 2),
    (0x15, 0, 1, 53),
    (RET_K, 0, 0, 262144),
    (RET_K, 0, 0, 0),
]


def run(program: list[Row], packet: bytes, wire_len: int) -> int:
    """A program step by step in Python's own numbers."""
    a = x = at = 0
    memory = [0] * 16

    def read(where: int, octets: int) -> int:
        if where + octets > len(packet):
            raise EOFError
        return int.from_bytes(packet[where : where + octets], "big")

    while True:
        code, jt, jf, k = program[at]
        at += 1
        kind, operand = code & 7, x if code & 8 else k
        if kind == 6:
            return a if code == RET_A else k
        if kind in (0, 1):
            mode, octets = code & 0xE0, {0: 4, 8: 2, 16: 1}[code & 0x18]
            try:
                value = {
                    0x00: lambda k=k: k,
                    0x20: lambda k=k, n=octets: read(k, n),
                    0x40: lambda k=k, n=octets, x=x: read(k + x, n),
                    0x60: lambda k=k: memory[k],
                    0x80: lambda: wire_len,
                    0xA0: lambda k=k: (read(k, 1) & 15) * 4,
                }[mode]()
            except EOFError:
                return 0
            a, x = (value, x) if kind == 0 else (a, value)
        elif kind == 2:
            memory[k] = a
        elif kind == 3:
            memory[k] = x
        elif kind == 7:
            a, x = (x, x) if code & 0x80 else (a, a)
        elif kind == 5:
            if code & 0xF0 == 0:
                at += k
            else:
                holds = {0x10: a == operand, 0x20: a > operand, 0x30: a >= operand}
                at += jt if holds.get(code & 0xF0, bool(a & operand)) else jf
        else:
            operation = code & 0xF0
            if operation in (0x30, 0x90) and operand == 0:
                return 0
            a = {
                0x00: lambda a=a, o=operand: a + o,
                0x10: lambda a=a, o=operand: a - o,
                0x20: lambda a=a, o=operand: a * o,
                0x30: lambda a=a, o=operand: a // o,
                0x40: lambda a=a, o=operand: a | o,
                0x50: lambda a=a, o=operand: a & o,
                0x60: lambda a=a, o=operand: a << o if o < 32 else 0,
                0x70: lambda a=a, o=operand: a >> o if o < 32 else 0,
                0x80: lambda a=a: -a,
                0x90: lambda a=a, o=operand: a % o,
                0xA0: lambda a=a, o=operand: a ^ o,
            }[operation]() & WORD  # fmt: skip


@st.composite
def programs(draw: st.DrawFn) -> list[Row]:
    size = draw(st.integers(1, 12))
    small = st.integers(0, 40) | st.integers(0, WORD)
    rows: list[Row] = []
    for at in range(size - 1):
        left = size - at - 2
        kind = draw(st.sampled_from(["load", "alu", "jump", "ja", "store", "misc", "ret"]))
        if kind == "load":
            code = draw(st.sampled_from(LOADS))
            k = draw(st.integers(0, 15) if code in (0x60, 0x61) else small)
            rows.append((code, 0, 0, k))
        elif kind == "alu":
            code = draw(st.sampled_from(ALU))
            k = draw(small)
            rows.append((code, 0, 0, k or 1 if code in (0x34, 0x94) else k))
        elif kind == "jump":
            jumps = st.integers(0, left)
            rows.append((draw(st.sampled_from(JUMPS)), draw(jumps), draw(jumps), draw(small)))
        elif kind == "ja":
            rows.append((0x05, 0, 0, draw(st.integers(0, left))))
        elif kind == "store":
            rows.append((draw(st.sampled_from((2, 3))), 0, 0, draw(st.integers(0, 15))))
        elif kind == "misc":
            rows.append((draw(st.sampled_from((0x07, 0x87))), 0, 0, 0))
        else:
            rows.append((draw(st.sampled_from((RET_K, RET_A))), 0, 0, draw(small)))
    return [*rows, (draw(st.sampled_from((RET_K, RET_A))), 0, 0, draw(small))]


@given(programs(), st.binary(max_size=60), st.integers(0, WORD))
def test_every_program_does_what_the_obvious_one_does(
    program: list[Row], packet: bytes, wire_len: int
) -> None:
    expected = run(program, packet, wire_len) != 0
    assert PacketFilter(program).matches(packet, wire_len) == expected


@pytest.mark.parametrize(
    ("packet", "taken"),
    [
        (bytes.fromhex("4500001c000000004011000001020304050607080035003500080000"), True),
        (bytes.fromhex("4500001c000000004011000001020304050607080035003600080000"), False),
        (bytes.fromhex("4500001c000000004006000001020304050607080035003500080000"), False),
        (bytes.fromhex("460000200000000040110000010203040506070801010101003500350008"), True),
        (bytes.fromhex("45000014000000004011000001020304050607080035"), False),
        (b"\x60" + bytes(40), False),
        (b"", False),
    ],
)
def test_a_program_of_libpcap_takes_what_it_should(packet: bytes, taken: bool) -> None:
    assert PacketFilter(IP_UDP_53).matches(packet) == taken


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ([], "0 instructions, 1 to 4096"),
        ([(RET_K, 0, 0, 0)] * 4097, "4097 instructions, 1 to 4096"),
        ([(LD_IMM, 0, 0, 0)], "the last instruction of a filter returns nothing"),
        ([(0x05, 0, 0, 1), (RET_K, 0, 0, 0)], "instruction 0 of a filter: a jump over 1 where 1"),
        ([(0x05, 0, 0, WORD), (RET_K, 0, 0, 0)], "a jump over 4294967295 where 1"),
        ([(0x15, 1, 0, 0), (RET_K, 0, 0, 0)], "a jump over 1 where 1"),
        ([(0x15, 0, 255, 0), (RET_K, 0, 0, 0)], "a jump over 255 where 1"),
        ([(LD_MEM, 0, 0, 16), (RET_K, 0, 0, 0)], "memory word 16 does not exist"),
        ([(0x61, 0, 0, WORD), (RET_K, 0, 0, 0)], "memory word 4294967295 does not exist"),
        ([(0x02, 0, 0, 16), (RET_K, 0, 0, 0)], "memory word 16 does not exist"),
        ([(0x03, 0, 0, 99), (RET_K, 0, 0, 0)], "memory word 99 does not exist"),
        ([(0x34, 0, 0, 0), (RET_K, 0, 0, 0)], "a division by zero"),
        ([(0x94, 0, 0, 0), (RET_K, 0, 0, 0)], "a division by zero"),
        ([(0xB4, 0, 0, 1), (RET_K, 0, 0, 0)], "code 0xb4 does not exist"),
        ([(0x38, 0, 0, 0), (RET_K, 0, 0, 0)], "code 0x38 does not exist"),
        ([(0xA0, 0, 0, 0), (RET_K, 0, 0, 0)], "code 0xa0 does not exist"),
        ([(0x120, 0, 0, 0), (RET_K, 0, 0, 0)], "code 0x120 does not exist"),
        ([(0x55, 0, 0, 0), (RET_K, 0, 0, 0)], "code 0x55 does not exist"),
        ([(0x0E, 0, 0, 0)], "code 0xe does not exist"),
        ([(0x17, 0, 0, 0), (RET_K, 0, 0, 0)], "code 0x17 does not exist"),
    ],
)
def test_what_is_no_program_is_refused(program: list[Row], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        PacketFilter(program)


@given(
    st.lists(
        st.tuples(st.integers(0, 0xFFFF), st.integers(0, 5), st.integers(0, 5), st.integers(0, 20)),
        max_size=6,
    ),
    st.binary(max_size=20),
)
def test_whatever_is_loaded_runs_to_its_end(program: list[Row], packet: bytes) -> None:
    try:
        loaded = PacketFilter(program)
    except ValueError:
        return
    assert loaded.matches(packet) == (run(program, packet, len(packet)) != 0)
