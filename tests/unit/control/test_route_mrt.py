"""MRT dumps: what is read, which of several routes is taken, and what a damaged dump leads to."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mrt_dump import (
    GENERIC,
    IPV4,
    IPV4_MULTICAST,
    MP_REACH,
    NEXT_HOP,
    PEERS,
    Path,
    attribute,
    attributes,
    peer_index,
    record,
    rib,
)

from control.route_file import RouteFileError, read_routes
from fastpath.route_columns import NextHops, RouteDataError, address_of
from fastpath.route_mrt import MrtReader

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no fault."""

A, B, SIX = "192.0.2.1", "192.0.2.2", "2001:db8::1"
PEER_INDEX = peer_index([(A, 64500), (B, 4200000000), (SIX, 64502)])
ONE = rib("10.0.0.0/8", [Path(0, attributes(A))])


def read(data: bytes, *, piece: int = 1 << 20, peer: bytes | None = None, choose=None):
    """[(prefix, next hop)] of a dump, IPv4 first, and the reader."""
    reader = MrtReader(NextHops(choose), peer)
    for at in range(0, len(data), piece):
        reader.feed(data[at : at + piece])
    reader.finish()
    routes = []
    for columns in (reader.v4, reader.v6):
        rows = zip(*columns.arrays(), strict=True)
        routes += [(f"{address_of(bytes(a))}/{n}", int(nh)) for a, n, nh in rows]
    return routes, reader


def test_routes_of_both_families_are_read_in_pieces_of_any_size():
    data = PEER_INDEX + ONE + rib("2001:db8::/32", [Path(2, attributes(SIX))])
    expected = [("10.0.0.0/8", 1), ("2001:db8::/32", 2)]
    for piece in (1, 2, 3, 7, 64, len(data)):
        routes, reader = read(data, piece=piece)
        assert routes == expected
        assert reader.records == 3


@pytest.mark.parametrize(
    ("peer", "expected"),
    [(None, [("10.0.0.0/8", 1)]), (B, [("10.0.0.0/8", 1), ("10.1.0.0/16", 2)]), (SIX, [])],
    ids=["first", "chosen", "without routes"],
)
def test_the_first_route_or_that_of_the_chosen_peer_is_taken(tmp_path, peer, expected):
    hops = {None: {A: 1, "203.0.113.9": 2}, B: {"203.0.113.7": 1, "203.0.113.9": 2}, SIX: {}}
    path = tmp_path / "rib.mrt"
    both = rib("10.0.0.0/8", [Path(0, attributes(A)), Path(1, attributes("203.0.113.7"))])
    other = rib("10.1.0.0/16", [Path(1, attributes("203.0.113.9"))])
    path.write_bytes(PEER_INDEX + both + other)
    found = read_routes(path, peer=peer)
    if peer is None:
        expected = [*expected, ("10.1.0.0/16", 2)]
    rows = found.routes.get(4)
    assert len(expected) == (0 if rows is None else len(rows))
    assert [nh for _, nh in expected] == ([] if rows is None else rows.nhs.tolist())
    assert found.next_hops == hops[peer]
    assert found.left_out == 2 - len(expected)
    assert found.peers == ((A, 64500), (B, 4200000000), (SIX, 64502))


def test_routes_with_path_identifiers_are_read():
    paths = [Path(1, attributes(B), 5), Path(1, attributes(A), 6)]
    data = PEER_INDEX + rib("10.0.0.0/8", paths, with_paths=True)
    data += rib("2001:db8::/32", [Path(2, attributes(SIX), 1)], with_paths=True)
    met: list[str] = []
    routes, _ = read(data, choose=lambda text: met.append(text) or len(met))
    assert routes == [("10.0.0.0/8", 1), ("2001:db8::/32", 2)]
    assert met == [B, SIX]


@pytest.mark.parametrize(
    "reach",
    [
        pytest.param(attributes(SIX), id="abbreviated"),
        pytest.param(attributes(SIX, whole=True), id="as-in-a-message"),
        pytest.param(
            attribute(MP_REACH, bytes([32]) + bytes.fromhex("20010db8" + "00" * 11 + "01") * 2),
            id="with-link-local",
        ),
        pytest.param(
            attribute(
                MP_REACH, bytes([16]) + bytes.fromhex("20010db8" + "00" * 11 + "01"), extended=True
            ),
            id="extended-length",
        ),
    ],
)
@pytest.mark.parametrize("prefix", ["2001:db8::/32", "10.0.0.0/8"], ids=["ipv6", "ipv4"])
def test_next_hops_of_ipv6_are_found(prefix, reach):
    met = []
    routes, _ = read(
        PEER_INDEX + rib(prefix, [Path(2, reach)]), choose=lambda text: met.append(text) or 9
    )
    assert routes == [(prefix, 9)]
    assert met == [SIX]


def test_bits_behind_the_prefix_length_mean_nothing():
    routes, _ = read(PEER_INDEX + rib("10.255.0.0/9", [Path(0, attributes(A))]))
    assert routes == [("10.128.0.0/9", 1)]


def test_other_tables_are_passed_over_and_told():
    other = record(IPV4_MULTICAST, b"anything") + record(GENERIC, b"")
    routes, reader = read(PEER_INDEX + other + ONE)
    assert routes == [("10.0.0.0/8", 1)]
    assert reader.passed_over == 2


def test_of_equal_prefixes_the_first_counts(tmp_path):
    path = tmp_path / "twice.mrt"
    again = rib("10.0.0.0/8", [Path(1, attributes(B), 1)], with_paths=True)
    path.write_bytes(PEER_INDEX + ONE + again)
    assert read_routes(path).routes[4].nhs.tolist() == [1]


def test_a_next_hop_that_is_not_chosen_leaves_its_routes_out(tmp_path):
    path = tmp_path / "rib.mrt"
    path.write_bytes(PEER_INDEX + ONE + rib("10.1.0.0/16", [Path(1, attributes(B))]))
    found = read_routes(path, next_hops=lambda text: 5 if text == B else None)
    assert found.routes[4].nhs.tolist() == [5]
    assert (found.left_out, found.next_hops) == (1, {B: 5})
    with pytest.raises(RouteFileError, match=rf"record 1: next hop {A} has no number"):
        read_routes(path, next_hops={B: 5})
    with pytest.raises(RouteFileError, match=r"number 16777216, which is not in 1\.\.16777215"):
        read_routes(path, next_hops={A: 1 << 24, B: 1})


# --- damage ---------------------------------------------------------------------------------------

BODY = ONE[12:]
ENTRY = BODY[:8]  # sequence, length 8, prefix, count


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (ONE, "record 0: routes come before the PEER_INDEX_TABLE"),
        (PEER_INDEX + PEER_INDEX, "record 1: there is a second PEER_INDEX_TABLE"),
        (record(2, b"", kind=12), r"record 0: type 12 is not TABLE_DUMP_V2 \(13\)"),
        (PEER_INDEX + record(13, b""), "record 1: subtype 13 is not in 1..12"),
        (PEER_INDEX + record(0, b""), "record 1: subtype 0 is not in 1..12"),
        (PEER_INDEX + record(IPV4, b"", length=2**32 - 1), "length 4294967295 is above 67108864"),
        (PEER_INDEX + record(IPV4, BODY, length=500), "the data ends 39 octets after its"),
        (PEER_INDEX + record(IPV4, b"1234"), "a route needs 5 octets, and 4 are left"),
        (PEER_INDEX + record(IPV4, b"1234\x21" + bytes(9)), "prefix length 33 is not in 0..32"),
        (PEER_INDEX + record(IPV4, b"1234\x20" + bytes(3)), "a prefix needs 6 octets, and 3"),
        (PEER_INDEX + record(IPV4, BODY + b"x"), "1 octets are behind the last of 1 routes"),
        (PEER_INDEX + record(IPV4, ENTRY[:6] + b"\xff\xff" + BODY[8:]), "route 1 of 65535 needs 8"),
        (PEER_INDEX + record(IPV4, ENTRY + b"\0\3" + BODY[10:]), "peer index 3 is not below 3"),
        (PEER_INDEX + record(IPV4, BODY[:14] + b"\xff\xff" + BODY[16:]), "the attributes of route"),
        (PEER_INDEX + rib("10.0.0.0/8", [Path(0, b"")]), "neither NEXT_HOP"),
        (PEER_INDEX + rib("10.0.0.0/8", [Path(0, b"\x40\x03")]), "a path attribute needs 3"),
        (PEER_INDEX + rib("10.0.0.0/8", [Path(0, b"\x50\x03\x00")]), "a path attribute needs 4"),
        (
            PEER_INDEX + rib("10.0.0.0/8", [Path(0, b"\x40\x02\xff")]),
            "a path attribute's value needs 255",
        ),
        (PEER_INDEX + rib("10.0.0.0/8", [Path(0, attribute(NEXT_HOP, b"12"))]), "2 octets, not 4"),
        (PEER_INDEX + rib("::/0", [Path(0, attribute(MP_REACH, b""))]), "MP_REACH_NLRI needs 1"),
        (PEER_INDEX + rib("::/0", [Path(0, attribute(MP_REACH, b"\x05"))]), "a next hop of 5 oct"),
        (PEER_INDEX + rib("::/0", [Path(0, attribute(MP_REACH, b"\x10ab"))]), "needs 17 octets"),
        (PEER_INDEX + rib("::/0", [Path(0, attribute(MP_REACH, b"\0\2"))]), "needs 4 octets"),
        (record(PEERS, b"12345"), "PEER_INDEX_TABLE needs 6 octets"),
        (record(PEERS, b"1234\xff\xffxx"), "the view's name needs 65537 octets, and 2 are left"),
        (record(PEERS, b"1234\0\0\0\1"), "peer 0 of 1 needs 1 octets"),
        (record(PEERS, b"1234\0\0\xff\xff\3" + bytes(20)), "peer 0 of 65535 needs 25 octets"),
        (record(PEERS, b"1234\0\0\0\0x"), "1 octets are behind the last of 0 peers"),
        (record(GENERIC, b""), "there is no PEER_INDEX_TABLE"),
    ],
)
def test_damage_is_told_with_its_record_and_what_is_allowed(tmp_path, data, told):
    with pytest.raises(RouteDataError, match=told):
        read(data)
    path = tmp_path / "bad.mrt"
    path.write_bytes(data)
    with pytest.raises(RouteFileError, match=told) as caught:
        read_routes(path)
    assert f"bad.mrt at octet {caught.value.offset}: record " in str(caught.value)


def test_a_peer_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(RouteDataError, match=r"peer 192.0.2.9 is none of its 3: 192.0.2.1, 192"):
        read(PEER_INDEX + ONE, peer=bytes([192, 0, 2, 9]))


def test_a_dump_that_ends_anywhere_is_refused_but_between_records():
    second = rib("2001:db8::/32", [Path(2, attributes(SIX))])
    data = PEER_INDEX + ONE + second
    whole = {len(PEER_INDEX): 0, len(PEER_INDEX + ONE): 1, len(data): 2}
    for end in range(len(data) + 1):
        if end in whole:
            assert len(read(data[:end])[0]) == whole[end]
        else:
            with pytest.raises(RouteDataError):
                read(data[:end])


@patient
@given(st.integers(0, len(PEER_INDEX + ONE) - 1), st.integers(0, 255))
def test_an_octet_that_is_changed_leads_to_routes_or_an_error(at, value):
    data = bytearray(PEER_INDEX + ONE)
    data[at] = value
    with contextlib.suppress(RouteDataError):
        routes, _ = read(bytes(data), piece=13)
        assert len(routes) <= 1


@patient
@given(st.binary(max_size=200))
def test_whatever_follows_the_peers_leads_to_routes_or_an_error(body):
    data = PEER_INDEX + record(IPV4, body) + record(4, body) + record(10, body)
    with contextlib.suppress(RouteDataError):
        read(data)


# --- round trips ----------------------------------------------------------------------------------


def networks(width: int):
    def prefix(bits: int, length: int) -> str:
        return f"{address_of(bits.to_bytes(width, 'big'))}/{length}"

    def masked(pair: tuple[int, int]) -> str:
        value, length = pair
        return prefix(value >> (8 * width - length) << (8 * width - length), length)

    return st.tuples(st.integers(0, 2 ** (8 * width) - 1), st.integers(0, 8 * width)).map(masked)


next_hops = st.sampled_from([A, B, "203.0.113.7", SIX, "2001:db8::2"])


@patient
@given(
    st.dictionaries(networks(4) | networks(16), next_hops, max_size=30),
    st.booleans(),
    st.booleans(),
    st.integers(1, 100),
)
def test_what_is_written_is_read(routes, with_paths, whole, piece):
    numbers = {A: 1, B: 2, "203.0.113.7": 3, SIX: 4, "2001:db8::2": 5}
    data = PEER_INDEX
    for prefix, hop in routes.items():
        data += rib(prefix, [Path(0, attributes(hop, whole=whole))], with_paths=with_paths)
    found, _ = read(data, piece=piece, choose=numbers.__getitem__)
    assert dict(found) == {prefix: numbers[hop] for prefix, hop in routes.items()}
    assert len(found) == len(routes)
