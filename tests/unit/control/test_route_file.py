"""Files of routes: text of every kind, packing, our own form, and damage in each."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mrt_dump import Path as Route
from mrt_dump import attributes, peer_index, rib

from control.route_file import RouteFileError, read_routes, save_routes
from control.routes import Routes, sorted_routes
from fastpath.lpm_burst import BurstTrie
from fastpath.lpm_chunk import Chunked
from fastpath.route_columns import NextHops, RouteDataError, address_of
from fastpath.route_text import TextReader

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no fault."""

TEXT = b"""# two families
10.0.0.0/8 7
10.1.0.0/16\t8 # to the west

0.0.0.0/0
2001:db8::/32 9\r
::/0
192.0.2.1/32 16777215"""
ROWS = {
    "0.0.0.0/0": 1,
    "10.0.0.0/8": 7,
    "10.1.0.0/16": 8,
    "192.0.2.1/32": 16777215,
    "::/0": 1,
    "2001:db8::/32": 9,
}


def rows(found) -> dict[str, int]:
    """The routes of a file in their order."""
    return {
        f"{address_of(bytes(address))}/{length}": int(nh)
        for family in sorted(found.routes)
        for address, length, nh in zip(
            found.routes[family].addresses,
            found.routes[family].lengths,
            found.routes[family].nhs,
            strict=True,
        )
    }


@pytest.fixture
def write(tmp_path):
    def write(data: bytes, name: str = "routes") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


PACKERS = {"plain": bytes, "gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}
packed = pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)


@packed
def test_text_is_read_however_it_is_packed(write, pack):
    found = read_routes(write(pack(TEXT)))
    assert found.form == "text"
    assert rows(found) == ROWS
    assert list(rows(found)) == list(ROWS), "sorted"


@packed
def test_a_dump_is_read_however_it_is_packed(write, pack):
    data = peer_index([("192.0.2.1", 1)]) + rib("10.0.0.0/8", [Route(0, attributes("192.0.2.7"))])
    found = read_routes(write(pack(data)))
    assert (found.form, rows(found)) == ("mrt", {"10.0.0.0/8": 1})
    assert found.next_hops == {"192.0.2.7": 1}


def test_several_packed_parts_are_one_file(write):
    found = read_routes(write(gzip.compress(TEXT[:40]) + gzip.compress(TEXT[40:])))
    assert rows(found) == ROWS


def test_a_file_without_routes_has_none(write):
    assert read_routes(write(b"")).routes == {}
    assert read_routes(write(b"# none\n\n")).routes == {}


def test_next_hops_by_address_get_the_numbers_that_are_given(write):
    path = write(b"10.0.0.0/8 192.0.2.1\n10.1.0.0/16 2001:db8::1\n10.2.0.0/16 5\n")
    assert list(rows(read_routes(path)).values()) == [1, 2, 5]
    given = {"192.0.2.1": 40, "2001:db8::1": 41}
    assert list(rows(read_routes(path, next_hops=given)).values()) == [40, 41, 5]
    found = read_routes(path, next_hops=lambda text: None if ":" in text else 9)
    assert list(rows(found).values()) == [9, 5]
    assert (found.left_out, found.next_hops) == (1, {"192.0.2.1": 9})


def test_lines_without_a_next_hop_get_the_default(write):
    assert rows(read_routes(write(b"10.0.0.0/8"), default_nh=77)) == {"10.0.0.0/8": 77}
    with pytest.raises(ValueError, match="next hop 0 is not"):
        read_routes(write(b"10.0.0.0/8"), default_nh=0)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"10.0.0.0", "'10.0.0.0' does not begin with address/length"),
        (b"10.0.0/8", "does not begin with an IPv4 or IPv6 address"),
        (b"010.0.0.0/8", "does not begin with an IPv4 or IPv6 address"),
        (b"ten/8", "does not begin with an IPv4 or IPv6 address"),
        (b"1" * 100 + b"/8", "does not begin with address/length"),
        (b"10.0.0.0/33", r"has a prefix length that is not in 0\.\.32"),
        (b"2001::/129", r"has a prefix length that is not in 0\.\.32 \(IPv6: 0\.\.128\)"),
        (b"10.0.0.0/", "has a prefix length"),
        (b"10.0.0.0/+8", "has a prefix length"),
        (b"10.0.0.0/99999999999999999999", "has a prefix length"),
        (b"10.0.0.1/8", "has host bits set"),
        (b"2001:db8::1/32", "has host bits set"),
        (b"10.0.0.0/8 0", r"has a next hop that is neither 1\.\.16777215 nor an address"),
        (b"10.0.0.0/8 16777216", "has a next hop that is neither"),
        (b"10.0.0.0/8 -1", "has a next hop that is neither"),
        (b"10.0.0.0/8 west", "has a next hop that is neither"),
        (b"10.0.0.0/8 192.0.2.9", "has a next hop without a number: next hop 192.0.2.9 has no"),
        (b"10.0.0.0/8 1 2", "has more than a prefix and a next hop"),
        (b"x" * 5000, "is longer than 4096 octets"),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"", b"\n10.9.0.0/16 1\n"], ids=["last", "open", "inner"])
def test_a_bad_line_is_told_with_its_number_and_what_is_allowed(write, line, told, end):
    path = write(b"10.0.0.0/7 1\n\n" + line + end, "bad.txt")
    with pytest.raises(RouteFileError, match=rf"line 3: .*{told}") as caught:
        read_routes(path, next_hops={})
    assert str(caught.value).startswith(f"{path} at octet 14: ")
    assert caught.value.offset == 14


def test_endless_lines_are_refused_before_they_are_read(write):
    reader = TextReader(NextHops())
    with pytest.raises(RouteDataError, match="line 1"):
        reader.feed(b"1" * 5000)


def test_a_prefix_that_stands_there_twice_is_refused(write):
    with pytest.raises(RouteFileError, match=r"10\.0\.0\.0/8 stands there twice"):
        read_routes(write(b"10.0.0.0/8 1\n10.1.0.0/16 1\n10.0.0.0/8 2\n"))


def test_only_dumps_have_peers(write):
    with pytest.raises(RouteFileError, match="is text: only an MRT dump has peers"):
        read_routes(write(TEXT), peer="192.0.2.1")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_data_that_ends_or_changes_anywhere_is_refused(write, pack):
    data = pack(TEXT)
    for end in range(7, len(data)):
        with pytest.raises(RouteFileError, match=r"damaged|line"):
            read_routes(write(data[:end]))
    for at in range(10, len(data)):
        changed = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
        try:
            assert rows(read_routes(write(changed))) == ROWS
        except RouteFileError as error:
            told = str(error)
            assert "damaged" in told or "line" in told or "record" in told


def test_a_file_that_is_not_there_is_a_system_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_routes(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError):
        read_routes(tmp_path)


# --- our own form ---------------------------------------------------------------------------------


def saved(path: Path) -> tuple[Path, dict[str, int]]:
    tables = []
    for family, lines in ((4, list(ROWS)[:4]), (6, list(ROWS)[4:])):
        table = (Chunked if family == 4 else BurstTrie)(family)
        for prefix in lines:
            table.add_prefix(prefix, ROWS[prefix])
        tables.append(table)
    save_routes(path, tables)
    return path, ROWS


def test_a_whole_table_is_saved_and_loaded(tmp_path):
    path, expected = saved(tmp_path / "table.routes")
    found = read_routes(path)
    assert found.form == "saved"
    assert rows(found) == expected
    again = Chunked(4)
    again.load(found.routes[4].addresses, found.routes[4].lengths, found.routes[4].nhs)
    assert dict(again.items()) == {p: nh for p, nh in expected.items() if ":" not in p}
    assert os.listdir(tmp_path) == ["table.routes"], "nothing unfinished is left"


def test_saved_tables_may_be_packed(tmp_path):
    path, expected = saved(tmp_path / "table.routes")
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert rows(read_routes(path)) == expected


def test_a_saved_table_that_ends_or_changes_anywhere_is_refused(tmp_path):
    path, _ = saved(tmp_path / "table.routes")
    data = path.read_bytes()
    for end in range(1, len(data)):
        path.write_bytes(data[:end])
        with pytest.raises(RouteFileError):
            read_routes(path)
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(RouteFileError):
            read_routes(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(RouteFileError, match="checksum"):
        read_routes(path)


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ([(5, 0, b"")], "family 5 is not 4 or 6"),
        ([(4, 0, b""), (4, 0, b"")], "family 4 is not 4 or 6, once each"),
        ([(4, 1, b"")], "has no 1 routes"),
        ([(4, 2**32 - 1, bytes(100))], "has no 4294967295 routes"),
        ([(4, 0, b"x")], "has 1 octets behind its last table"),
        ([(4, 1, bytes(4) + b"\x21" + bytes(4))], r"route 0: length 33 is not in 0\.\.32"),
        ([(4, 1, bytes(5) + b"\0\0\0\1")], "route 0: next hop 16777216 is not in"),
    ],
)
def test_a_saved_table_with_a_right_checksum_is_checked_all_the_same(tmp_path, tables, told):
    import hashlib

    data = struct.pack("<8sHHI", b"\x89DROUTE\n", 1, 0, len(tables))
    data += b"".join(struct.pack("<II", family, size) + body for family, size, body in tables)
    path = tmp_path / "crafted"
    path.write_bytes(data + hashlib.sha256(data).digest())
    with pytest.raises(RouteFileError, match=told):
        read_routes(path)


def test_a_version_to_come_is_refused(tmp_path):
    path, _ = saved(tmp_path / "table.routes")
    path.write_bytes(path.read_bytes().replace(b"\n\1\0", b"\n\2\0", 1))
    with pytest.raises(RouteFileError, match="version 2 is not 1"):
        read_routes(path)


def test_a_table_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path, expected = saved(tmp_path / "table.routes")
    empty = Routes(4, np.zeros((0, 4), np.uint8), np.zeros(0, int), np.zeros(0, int))
    with pytest.raises(ValueError, match="two tables of family 4"):
        save_routes(path, [empty, empty])
    assert rows(read_routes(path)) == expected


# --- round trips ----------------------------------------------------------------------------------


@st.composite
def tables(draw, family: int):
    width = 4 if family == 4 else 16
    pairs = draw(
        st.dictionaries(
            st.tuples(st.integers(0, 2 ** (8 * width) - 1), st.integers(0, 8 * width)).map(
                lambda pair: (pair[0] >> 8 * width - pair[1] << 8 * width - pair[1], pair[1])
            ),
            st.integers(1, (1 << 24) - 1),
            min_size=1,
            max_size=20,
        )
    )
    addresses = np.array([list(a.to_bytes(width, "big")) for a, _ in pairs], np.uint8)
    lengths = np.array([length for _, length in pairs])
    return sorted_routes(family, addresses, lengths, np.array(list(pairs.values())))


@patient
@given(tables(4), tables(6), st.integers(1, 50))
def test_routes_survive_text_and_our_own_form(tmp_path_factory, four, six, piece):
    folder = tmp_path_factory.mktemp("routes")
    save_routes(folder / "saved", [six, four])
    found = read_routes(folder / "saved")
    text = "".join(f"{prefix} {nh}\n" for prefix, nh in rows(found).items())
    reader = TextReader(NextHops())
    for at in range(0, len(text), piece):
        reader.feed(text[at : at + piece].encode())
    reader.finish()
    for table, columns in ((four, reader.v4), (six, reader.v6)):
        again = found.routes[table.family]
        for mine, other in zip(
            (table.addresses, table.lengths, table.nhs), columns.arrays(), strict=True
        ):
            assert np.array_equal(mine, other)
        assert np.array_equal(table.addresses, again.addresses)
        assert np.array_equal(table.lengths, again.lengths)
        assert np.array_equal(table.nhs, again.nhs)


@patient
@given(st.binary(max_size=300))
def test_any_text_leads_to_routes_or_an_error(data):
    reader = TextReader(NextHops())
    try:
        reader.feed(data)
        reader.finish()
    except RouteDataError as error:
        assert 0 <= error.offset <= len(data)  # noqa: PT017


REAL = {"v4-2020-02": (4, 845_161), "v6-2020-02": (6, 83_125), "v6-2021-01-as19653": (6, 105_957)}


@pytest.mark.parametrize("name", REAL)
def test_real_tables_are_read(name, tmp_path):
    if "DIALOUT_DATA" not in os.environ:
        pytest.skip("DIALOUT_DATA names no folder with routing tables")
    path = Path(os.environ["DIALOUT_DATA"]) / "rib" / f"{name}.txt.xz"
    family, count = REAL[name]
    found = read_routes(path)
    assert {each: len(routes) for each, routes in found.routes.items()} == {family: count}
    with lzma.open(path, "rt") as file:
        lines = [line.split() for line in file]
    middle = found.routes[family]
    for at in (0, count // 2, count - 1):
        prefix = f"{address_of(bytes(middle.addresses[at]))}/{middle.lengths[at]}"
        assert [prefix, str(middle.nhs[at])] == lines[at]
    save_routes(tmp_path / "saved", found.routes.values())
    again = read_routes(tmp_path / "saved").routes[family]
    assert np.array_equal(again.addresses, middle.addresses)
    assert np.array_equal(again.nhs, middle.nhs)
