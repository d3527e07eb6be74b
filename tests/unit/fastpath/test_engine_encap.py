"""Encapsulation against a slow twin: every header form, length, counter and checksum."""

from __future__ import annotations

import itertools
from dataclasses import asdict, replace

import pytest
from engine_rig import Rig, counter
from hypothesis import given, settings
from hypothesis import strategies as st
from packets import DF, HOME, LCP_ECHO, MF, SITE, Outer, assert_sound, datagram, forwarded
from packets import icmp_error as error_about
from parse_packets import ipv4

from control.sim import data_header, host
from fastpath.dissect import fragment

FORMS = [
    Outer(acfc=acfc, pfc=pfc, sequencing=sequencing, udp_checksum=checksum, tos=tos, df=df)
    for acfc, pfc, sequencing, checksum, tos, df in itertools.product(
        (False, True), (False, True), (False, True), (False, True), (None, 0, 0xB8), (False, True)
    )
]


def encapsulated(rig: Rig, packet: bytes) -> bytes:
    verdict, ((port, octets),) = rig.outcome(packet)
    assert (verdict, port) == ("FORWARD", "tunnel")
    assert_sound(octets)
    return octets


def update(rig: Rig, outer: Outer, **rest) -> None:
    form = asdict(outer)
    del form["local"], form["peer"]
    with rig.engine.transaction() as t:
        t.update_session(rig.session, **form, **rest)
    rig.outer = outer


@pytest.mark.parametrize("outer", FORMS, ids=str)
def test_every_form_is_that_of_the_twin(outer):
    rig = Rig(outer=outer)
    for at, size in enumerate((0, 1, 2, 3, 63, 64, 65, 1432)):
        packet = datagram(bytes(size), tos=0x2D)
        assert encapsulated(rig, packet) == outer.around(forwarded(packet), ident=at, ns=at)


def test_header_is_as_long_as_the_specification_says():
    # 2.1: outer IPv4 20 + UDP 8 + L2TP + PPP, for the forms with L and with L and S.
    for outer in FORMS:
        ppp = {(False, False): 4, (True, False): 2, (True, True): 1, (False, True): 3}
        size = 28 + (12 if outer.sequencing else 8) + ppp[outer.acfc, outer.pfc]
        assert len(encapsulated(Rig(outer=outer), datagram())) == len(datagram()) + size


@pytest.mark.parametrize("addresses", [
    {"local": ("1.0.0.0", 1), "peer": ("223.255.255.255", 65535)},
    {"local": ("255.255.0.1", 65535), "peer": ("0.0.255.254", 1)},
    {"peer_tunnel": 65535, "peer_session": 65535},
    {"peer_tunnel": 1, "peer_session": 1},
], ids=str)  # fmt: skip
def test_addresses_and_ids_of_any_value(addresses):
    outer = replace(Outer(), **addresses)
    assert encapsulated(Rig(outer=outer), datagram()) == outer.around(forwarded(datagram()))


@pytest.mark.parametrize("outer", [Outer(), Outer(acfc=True, pfc=True, sequencing=True)], ids=str)
def test_packet_as_long_as_the_largest_mtu_fills_the_outer_packet(outer):
    rig = Rig(outer=outer, mtu=65491)
    packet = datagram(bytes(65491 - 28), fragment=DF)
    octets = encapsulated(rig, packet)
    assert octets == outer.around(forwarded(packet))
    assert len(octets) <= 65535
    assert rig.outcome(datagram(bytes(65492 - 28), fragment=DF))[0] == "DROP too-big"


def test_packet_that_nobody_may_cut_has_identification_0():
    rig = Rig()
    rig.hand_in(datagram(), datagram())
    assert [int.from_bytes(octets[4:6]) for _, octets in rig.sent()] == [0, 0]


def test_identification_counts_over_65535():
    rig = Rig(outer=Outer(df=False))
    for at in range(0, 65538, 256):
        count = min(256, 65538 - at)
        rig.hand_in(*[datagram()] * count)
        seen = [int.from_bytes(octets[4:6]) for _, octets in rig.sent()]
        assert seen == [(at + n) & 0xFFFF for n in range(count)]


def ns_of(octets: bytes) -> int | None:
    return data_header.locate(octets[28:])[2]


def test_ns_goes_from_65535_to_0():
    rig = Rig(outer=Outer(sequencing=True))
    for at in range(0, 65538, 256):
        count = min(256, 65538 - at)
        rig.hand_in(*[datagram()] * count)
        packets = [octets for _, octets in rig.sent()]
        assert [ns_of(octets) for octets in packets] == [(at + n) & 0xFFFF for n in range(count)]
        if at + count > 65535:
            for octets in packets:
                assert_sound(octets)


def test_ns_goes_on_where_it_stopped_when_sequencing_comes_back():
    rig = Rig(outer=Outer(sequencing=True))
    assert [ns_of(encapsulated(rig, datagram())) for _ in range(3)] == [0, 1, 2]
    update(rig, Outer(sequencing=False))
    assert ns_of(encapsulated(rig, datagram())) is None
    update(rig, Outer(sequencing=True, acfc=True))
    packet = datagram()
    assert encapsulated(rig, packet) == rig.outer.around(forwarded(packet), ident=4, ns=3)


def test_control_frames_take_numbers_of_the_same_sequence():
    rig = Rig(outer=Outer(sequencing=True))
    encapsulated(rig, datagram())
    rig.engine.inject(LCP_ECHO, rig.session)
    assert rig.sent() == [("tunnel", rig.outer.carry(LCP_ECHO, ident=1, ns=1))]
    assert ns_of(encapsulated(rig, datagram())) == 2


@pytest.mark.parametrize("outer", FORMS[::7], ids=str)
def test_injected_frame_brings_its_own_ppp_header(outer):
    rig = Rig(outer=outer)
    for at, frame in enumerate((b"\xc0\x21\x09", LCP_ECHO, b"\x21" + datagram(), b"x" * 65471)):
        rig.engine.inject(frame, rig.session)
        expected = outer.carry(frame, ident=at, ns=at, tos=outer.tos or 0)
        assert rig.sent() == [("tunnel", expected)]
    assert counter(rig.engine, "injected") == 4
    for size in (0, 65472):
        with pytest.raises(ValueError, match=f"{size} octets is not"):
            rig.engine.inject(bytes(size), rig.session)


def test_injected_packet_leaves_over_a_plain_next_hop_as_it_is_or_in_fragments():
    rig = Rig()
    packet = datagram(dst="10.44.0.1")
    rig.engine.inject(packet, rig.narrow, 5)
    assert rig.ports["home"].pop_all() == [(5, packet)]
    long = datagram(bytes(1000), dst="10.44.0.1")
    rig.engine.inject(long, rig.narrow)
    assert [octets for _, octets in rig.sent()] == fragment(long, 576)
    for bad in (datagram(bytes(1000), fragment=DF), bytes(600), long[:-1]):
        with pytest.raises(ValueError, match="MTU of 576 and cannot be cut"):
            rig.engine.inject(bad, rig.narrow)
    assert rig.sent() == []
    assert counter(rig.engine, "injected") == 2


@pytest.mark.parametrize("nh", ["glean", "address", "tunnel_address", "prohibited"])
def test_nothing_is_injected_where_nothing_is_sent(nh):
    rig = Rig()
    with pytest.raises(KeyError, match="sends nothing"):
        rig.engine.inject(datagram(), getattr(rig, nh))


def test_update_changes_form_and_ids_and_keeps_addresses():
    rig = Rig(outer=Outer(local=("10.1.1.1", 5000), peer=("10.1.1.2", 6000)))
    for at, form in enumerate(FORMS):
        outer = replace(form, local=rig.outer.local, peer=rig.outer.peer, peer_session=at + 1)
        update(rig, outer, mtu=1000)
        octets = encapsulated(rig, datagram())
        ns = ns_of(octets)
        ident = sum(not earlier.df for earlier in FORMS[:at])
        assert octets == outer.around(forwarded(datagram()), ident=ident, ns=ns or 0)
    assert rig.outcome(datagram(bytes(1000), fragment=DF))[0] == "DROP too-big"


# --- checksums ------------------------------------------------------------------------------------


def test_checksum_that_comes_out_as_zero_is_sent_as_ffff():
    # One word of the payload is free: the value for which the twin's checksum is 0xFFFF.
    rig = Rig()
    base = datagram(b"\0\0rest", checksum=False)
    missing = int.from_bytes(Outer().around(forwarded(base))[26:28])
    packet = base[:28] + missing.to_bytes(2) + base[30:]
    octets = encapsulated(rig, packet)
    assert octets[26:28] == b"\xff\xff"
    assert octets == Outer().around(forwarded(packet))


def test_no_checksum_is_zero_whatever_the_packet_is():
    rig = Rig(outer=Outer(udp_checksum=False))
    for size in range(40):
        assert encapsulated(rig, datagram(bytes([255]) * size))[26:28] == b"\0\0"


@pytest.mark.parametrize("ttl", [2, 3, 64, 255])
@pytest.mark.parametrize("ident", [0, 0xFFFF, 0x1234])
def test_ttl_goes_down_by_one_and_the_header_checksum_stays_right(ttl, ident):
    rig = Rig()
    packet = datagram(ttl=ttl, ident=ident)
    octets = encapsulated(rig, packet)
    assert octets == Outer().around(forwarded(packet))
    host.read_ip(octets[40:])
    assert octets[48] == ttl - 1


def test_every_inner_header_checksum_is_adjusted_rightly():
    # All 65,536 identifications give all checksums; RFC 1624 3 is about the two zeros.
    rig = Rig()
    for start in range(0, 65536, 256):
        rig.hand_in(*(ipv4(src=HOME, dst=SITE, ident=start + n) for n in range(256)))
        for _, octets in rig.sent():
            assert int.from_bytes(octets[40:60]) % 0xFFFF == 0
            assert octets[50:52] != b"\xff\xff"


# --- MTU ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mtu", [68, 576, 1460, 1462])
def test_longer_packet_with_df_is_refused_with_the_mtu(mtu):
    rig = Rig(mtu=mtu)
    assert encapsulated(rig, datagram(bytes(mtu - 28), fragment=DF))
    packet = datagram(bytes(mtu - 27), fragment=DF)
    error = error_about(packet, 3, 4, mtu=mtu)
    assert rig.outcome(packet) == ("DROP too-big", [("home", error)])


def inner_packets(rig: Rig, outer: Outer) -> list[bytes]:
    """What the packets that were sent carry, each of them checked against the twin."""
    inner = []
    for at, (port, octets) in enumerate(rig.sent()):
        assert port == "tunnel"
        packet = octets[40:]
        assert octets == outer.around(packet, ident=at)
        inner.append(packet)
    return inner


@pytest.mark.parametrize("mtu", [68, 575, 576, 1460])
@pytest.mark.parametrize("more", [1, 7, 8, 9, 1000, 3000])
def test_longer_packet_without_df_goes_in_fragments_each_encapsulated(mtu, more):
    rig = Rig(mtu=mtu)
    packet = datagram(bytes(n % 251 for n in range(mtu - 28 + more)), tos=0x20)
    assert rig.hand_in(packet) == {"FORWARD": 1}
    pieces = inner_packets(rig, rig.outer)
    assert pieces == fragment(forwarded(packet), mtu)
    assert all(len(piece) <= mtu for piece in pieces)
    assert b"".join(piece[20:] for piece in pieces) == packet[20:]
    assert counter(rig.engine, "fragments") == len(pieces)
    assert rig.engine.session_counters(rig.session).packets_out == len(pieces)


def test_largest_packet_in_the_smallest_pieces():
    rig = Rig(mtu=68)
    packet = datagram(bytes(n % 251 for n in range(65507)))
    rig.hand_in(packet)
    pieces = [octets[40:] for _, octets in rig.sent()]
    assert len(pieces) == 1365
    assert b"".join(piece[20:] for piece in pieces) == packet[20:]
    offsets = [int.from_bytes(piece[6:8]) for piece in pieces]
    assert offsets == [at * 6 | (MF if at < 1364 else 0) for at in range(1365)]


ROUTE = b"\x83\x07\x04\xc0\x00\x02\x01\x00"  # loose source route: copied into fragments
RECORD = b"\x07\x07\x04\x00\x00\x00\x00\x01"  # record route: only in the first one


def test_options_stay_and_only_the_copied_ones_are_in_later_fragments():
    rig = Rig(mtu=576)
    short = datagram(options=RECORD + ROUTE)
    assert encapsulated(rig, short) == rig.outer.around(forwarded(short))
    rig = Rig(mtu=576)
    rig.hand_in(datagram(bytes(1200), options=RECORD + ROUTE))
    first, *later = inner_packets(rig, rig.outer)
    assert first[20:36] == RECORD + ROUTE
    assert {piece[20:28] for piece in later} == {ROUTE}
    assert {piece[0] for piece in later} == {0x47}


def test_fragment_that_is_cut_again_keeps_its_place():
    rig = Rig(mtu=576)
    rig.hand_in(datagram(bytes(1000), fragment=MF | 100, checksum=False))
    offsets = [int.from_bytes(piece[6:8]) for piece in inner_packets(rig, rig.outer)]
    assert offsets == [MF | 100, MF | 169]


def test_bits_of_the_header_that_mean_nothing_here_are_passed_on():
    rig = Rig()
    packet = datagram(fragment=0x8000 | DF, tos=0xFF)
    assert encapsulated(rig, packet) == rig.outer.around(forwarded(packet))


# --- any packet -----------------------------------------------------------------------------------

inner = st.builds(
    ipv4,
    st.binary(max_size=300),
    src=st.sampled_from([HOME, "9.9.9.9", "223.255.255.254"]),
    dst=st.sampled_from([SITE, "198.51.100.255", "198.51.100.0"]),
    proto=st.integers(0, 255),
    options=st.integers(0, 10).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n)),
    fragment=st.sampled_from([0, DF, MF, 100]),
    ident=st.integers(0, 65535),
    ttl=st.integers(2, 255),
    tos=st.integers(0, 255),
)


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(FORMS), st.lists(inner, min_size=1, max_size=8))
def test_any_packets_in_any_form_come_out_as_the_twin_has_them(outer, packets):
    rig = Rig(outer=outer)
    rig.hand_in(*packets)
    expected = [
        ("tunnel", outer.around(forwarded(packet), ident=at, ns=at))
        for at, packet in enumerate(packets)
    ]
    assert rig.sent() == expected
