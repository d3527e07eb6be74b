"""The assembler of eBPF writes the instructions of RFC 9669, and refuses what is none."""

from __future__ import annotations

import pytest

from fastpath.ebpf.assembler import INSTRUCTIONS, assemble
from fastpath.ebpf.classifier import FILTER, TCX, Maps, program, xdp

ROWS = [
    (("mov", 0, 2), "b7 00 00 00 02 00 00 00"),
    (("mov", 0, -1), "b7 00 00 00 ff ff ff ff"),
    (("movx", 6, 1), "bf 16 00 00 00 00 00 00"),
    (("add", 3, -56), "07 03 00 00 c8 ff ff ff"),
    (("ldxw", 2, 6, 16), "61 62 10 00 00 00 00 00"),
    (("ldxdw", 1, 10, -16), "79 a1 f0 ff 00 00 00 00"),
    (("stw", 10, -64, 32), "62 0a c0 ff 20 00 00 00"),
    (("stxdw", 10, -104, 1), "7b 1a 98 ff 00 00 00 00"),
    (("be", 3, 16), "dc 03 00 00 10 00 00 00"),
    (("call", 51), "85 00 00 00 33 00 00 00"),
    (("map", 1, 7), "18 11 00 00 07 00 00 00 00 00 00 00 00 00 00 00"),
    (("exit",), "95 00 00 00 00 00 00 00"),
]


@pytest.mark.parametrize(("row", "octets"), ROWS, ids=[str(row) for row, _ in ROWS])
def test_a_row_is_the_instruction_of_the_kernel(row, octets):
    assert assemble([row]) == bytes.fromhex(octets)


def test_jumps_count_instructions_from_the_following_one_each_way():
    code = assemble(
        [("back:",), ("map", 1, 3), ("jeq", 0, 0, "on"), ("ja", "back"), ("on:",), ("exit",)]
    )
    assert code[16:24] == bytes.fromhex("15 00 01 00 00 00 00 00")
    assert code[24:32] == bytes.fromhex("05 00 fc ff 00 00 00 00")


BAD = [
    ([("nop",)], "no instruction 'nop'"),
    ([("mov", 0)], "2 operands"),
    ([("mov", 11, 0)], "no register 11"),
    ([("mov", 0, 1 << 31)], "mov"),
    ([("ldxw", 0, 1, 1 << 15)], "ldxw"),
    ([("mov", 0, "two")], "'two' is no number"),
    ([("ja", "nowhere")], "no label 'nowhere'"),
    ([("a:",), ("a:",)], "label 'a' is there twice"),
]


@pytest.mark.parametrize(("rows", "text"), BAD, ids=[text for _, text in BAD])
def test_what_is_no_program_is_refused_with_its_row(rows, text):
    with pytest.raises(ValueError, match=text):
        assemble(rows)


@pytest.mark.parametrize("ending", [FILTER, TCX, xdp(9)], ids=["filter", "tcx", "xdp"])
def test_the_classifier_is_made_of_instructions_the_assembler_knows(ending):
    rows = program(Maps(3, 4, 5), ending)
    assert {row[0] for row in rows if not str(row[0]).endswith(":")} <= set(INSTRUCTIONS)
    assert len(assemble(rows)) % 8 == 0
