"""Packets joined into superpackets: cut again they are the same, and no flow is reordered."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from offload_model import ACK, CWR, DF, ECE, FIN, NONE, PSH, SYN, Segment, segments
from parse_packets import ipv4, ipv6, sealed

from fastpath.ports.tun_merge import merge
from fastpath.ports.tun_split import split

TIMESTAMPS = b"\1\1\x08\x0a12345678"


def cut(written: list[tuple[bytes, bytes]]) -> list[bytes]:
    """What the kernel sees of what was written."""
    return [packet for header, whole in written for packet in split(header, whole)]


def sizes(packets: list[bytes], **how: bool) -> list[int]:
    """How many packets each write has."""
    return [len(split(header, whole)) for header, whole in merge(packets, **how)]


def train(whole: Segment, size: int = 10) -> list[bytes]:
    return [segment.packet() for segment in segments(whole, size)]


KINDS = [Segment(six=six, tcp=tcp) for six in (False, True) for tcp in (False, True)]


@pytest.mark.parametrize(
    "kind", KINDS, ids=lambda s: f"{'TCP' if s.tcp else 'UDP'}{6 if s.six else 4}"
)
@pytest.mark.parametrize("trusted", [False, True])
def test_a_train_becomes_superpackets_of_64_packets_at_the_most(kind, trusted):
    packets = train(replace(kind, payload=bytes(1000)), 10)
    assert sizes(packets, trusted=trusted) == [64, 36]
    assert cut(merge(packets, trusted=trusted)) == packets


def test_a_superpacket_is_never_longer_than_an_ip_packet_can_be():
    packets = train(Segment(bytes(80000)), 1448)
    assert sizes(packets) == [45, 11]
    assert cut(merge(packets)) == packets


@pytest.mark.parametrize("kind", KINDS)
def test_a_shorter_packet_is_the_last_of_its_superpacket(kind):
    packets = train(replace(kind, payload=bytes(25)), 10)
    follower = replace(kind, payload=bytes(10), sequence=kind.sequence + 25, identification=103)
    assert sizes([*packets, follower.packet()]) == [3, 1]


def test_a_longer_packet_begins_a_superpacket():
    first, second = Segment(bytes(10)), Segment(bytes(11), sequence=11, identification=101)
    assert sizes([first.packet(), second.packet()]) == [1, 1]


def test_a_push_ends_a_superpacket_and_belongs_to_its_last_packet():
    packets = train(Segment(bytes(30), flags=ACK | PSH)) + train(Segment(bytes(20), sequence=31))
    assert sizes(packets) == [3, 2]
    assert cut(merge(packets)) == packets


BASE = Segment(bytes(10), options=TIMESTAMPS, identification=7)
NEXT = replace(BASE, sequence=11, identification=8)
DATAGRAM, NEXT_DATAGRAM = replace(BASE, tcp=False), replace(NEXT, tcp=False)
DIFFERENT = {
    "gap in the sequence": (BASE, replace(NEXT, sequence=12)),
    "the same once more": (BASE, BASE),
    "acknowledgment": (BASE, replace(NEXT, acknowledgment=8)),
    "window": (BASE, replace(NEXT, window=513)),
    "timestamps": (BASE, replace(NEXT, options=b"\1\1\x08\x0a12345679")),
    "no options": (BASE, replace(NEXT, options=b"")),
    "congestion echo": (BASE, replace(NEXT, flags=ACK | ECE)),
    "congestion window reduced": (BASE, replace(NEXT, flags=ACK | CWR)),
    "end of the stream": (BASE, replace(NEXT, flags=ACK | FIN)),
    "no acknowledgment": (replace(BASE, flags=0), replace(NEXT, flags=0)),
    "beginning of the stream": (replace(BASE, flags=SYN | ACK), NEXT),
    "hops": (BASE, replace(NEXT, ttl=63)),
    "traffic class": (BASE, replace(NEXT, tos=1)),
    "port": (BASE, replace(NEXT, ports=(40000, 81))),
    "destination": (BASE, replace(NEXT, last=8)),
    "protocol": (BASE, NEXT_DATAGRAM),
    "datagram's hops": (DATAGRAM, replace(NEXT_DATAGRAM, ttl=63)),
    "nothing inside": (replace(DATAGRAM, payload=b""), replace(NEXT_DATAGRAM, payload=b"")),
}


@pytest.mark.parametrize("six", [False, True])
@pytest.mark.parametrize(("first", "second"), DIFFERENT.values(), ids=DIFFERENT)
def test_packets_that_differ_in_more_than_segmentation_restores_go_alone(first, second, six):
    packets = [replace(first, six=six).packet(), replace(second, six=six).packet()]
    assert [whole for _, whole in merge(packets)] == packets


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(BASE, replace(NEXT, identification=9), id="identification jumps"),
        pytest.param(
            replace(BASE, fragment=0),
            replace(NEXT, fragment=0, identification=7),
            id="stands still",
        ),
        pytest.param(BASE, replace(NEXT, fragment=0), id="may be fragmented or not"),
        pytest.param(
            replace(BASE, ip_options=bytes(4)), replace(NEXT, ip_options=bytes(4)), id="options"
        ),
        pytest.param(
            replace(BASE, fragment=0x8000), replace(NEXT, fragment=0x8000), id="reserved flag"
        ),
    ],
)
def test_ipv4_packets_that_segmentation_would_make_otherwise_go_alone(first, second):
    packets = [first.packet(), second.packet()]
    assert [whole for _, whole in merge(packets)] == packets


def test_packets_with_ipv6_extension_headers_go_alone():
    packets = train(Segment(bytes(20), six=True, extension=bytes(7)))
    assert sizes(packets) == [1, 1]


def test_an_identification_without_meaning_may_stand_still():
    packets = [replace(s, identification=0).packet() for s in segments(DATAGRAM, 5)]
    counted = [replace(s, identification=n).packet() for n, s in enumerate(segments(DATAGRAM, 5))]
    assert cut(merge(packets)) == counted
    assert sizes(packets) == [2]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_a_wrong_checksum_goes_alone_and_stays_wrong(kind, wrong):
    packets = train(replace(kind, payload=bytes(30)))
    packets[wrong] = packets[wrong][:-1] + b"x"
    written = merge(packets)
    assert [header for header, whole in written if whole == packets[wrong]] == [bytes(10)]
    assert cut(written) == packets
    assert len(written) == (3 if wrong == 1 else 2)


def test_a_wrong_ipv4_header_checksum_goes_alone_and_stays_wrong():
    packets = train(Segment(bytes(20)))
    packets[1] = packets[1][:10] + b"\0\0" + packets[1][12:]
    assert [whole for _, whole in merge(packets, trusted=True)] == packets


def test_datagrams_without_a_checksum_go_alone():
    packets = [packet[:26] + b"\0\0" + packet[28:] for packet in train(DATAGRAM, 5)]
    assert [whole for _, whole in merge(packets, trusted=True)] == packets


def test_datagrams_go_alone_where_the_kernel_knows_no_udp_superpackets():
    assert sizes(train(DATAGRAM, 5), udp=False) == [1, 1]
    assert sizes(train(BASE, 5), udp=False) == [2]


def test_flows_that_take_turns_are_joined_each_by_itself():
    flows = [
        train(replace(BASE, payload=bytes(80), ports=(port, 80))) for port in range(2000, 2016)
    ]
    turns = [packet for turn in zip(*flows, strict=True) for packet in turn]
    assert cut(merge(turns)) == [packet for flow in flows for packet in flow]


def test_many_flows_that_take_turns_do_not_part_each_other():
    flows = [train(replace(DATAGRAM, payload=bytes(40), ports=(port, 9))) for port in range(64)]
    turns = [packet for turn in zip(*flows, strict=True) for packet in turn]
    assert sizes(turns) == [4] * 64


@pytest.mark.parametrize(
    "between",
    [
        pytest.param(replace(BASE, sequence=11, payload=b"").packet(), id="only acknowledges"),
        pytest.param(replace(BASE, sequence=11, flags=SYN).packet(), id="of the same flow"),
        pytest.param(ipv4(b"piece", proto=6, fragment=2, dst="198.51.100.9"), id="fragment"),
        pytest.param(ipv6(bytes(16), proto=44), id="IPv6 fragment"),
        pytest.param(ipv4(b"short", proto=6), id="half a header"),
        pytest.param(b"E", id="no packet"),
    ],
)
def test_no_packet_goes_around_one_that_may_be_of_its_flow(between):
    packets = [BASE.packet(), between, NEXT.packet()]
    assert [whole for _, whole in merge(packets)] == packets


def test_packets_of_other_protocols_are_no_obstacle():
    ping = sealed(ipv4(b"\x08\0\0\0ping", proto=1))
    written = merge([BASE.packet(), ping, NEXT.packet()])
    assert cut(written) == [BASE.packet(), NEXT.packet(), ping]


STEPS = st.lists(
    st.tuples(
        st.integers(0, 3),  # flow
        st.sampled_from([8, 8, 8, 8, 8, 3, 20, 0]),  # octets
        st.sampled_from([ACK, ACK, ACK, ACK, ACK, ACK | PSH, ACK | FIN, ACK | ECE]),
        st.sampled_from([0, 0, 0, 0, 0, 1]),  # hole in the sequence
        st.sampled_from([1, 1, 1, 1, 1, 0, 5]),  # step of the identification
        st.sampled_from([True, True, True, True, False]),  # sound
    ),
    max_size=60,
)


@given(
    steps=STEPS,
    kinds=st.lists(
        st.sampled_from([replace(kind, fragment=f) for kind in KINDS for f in (0, DF)]),
        min_size=4,
        max_size=4,
    ),
    ends=st.lists(st.integers(0, 2), min_size=4, max_size=4),
)
@settings(max_examples=300)
def test_what_is_joined_and_cut_again_is_what_it_was(steps, kinds, ends):
    state = [replace(kind, ports=(end, 80)) for kind, end in zip(kinds, ends, strict=True)]
    packets = []
    for flow, octets, flags, hole, step, sound in steps:
        now = replace(state[flow], payload=bytes(range(octets)), flags=flags)
        packet = now.packet()
        packets.append(packet if sound or not octets else packet[:-1] + b"\xaa")
        state[flow] = replace(
            now,
            sequence=now.sequence + octets + hole,
            identification=now.identification + step,
        )
    assert by_flow(cut(merge(packets))) == by_flow(packets)


def by_flow(packets: list[bytes]) -> dict[bytes, list[bytes]]:
    """Packets in order, by addresses, protocol and ports; an IPv4 identification of a packet that
    must not be cut means nothing."""
    flows = defaultdict(list)
    for packet in packets:
        if packet[0] >> 4 == 6:
            flows[packet[6:7] + packet[8:44]].append(packet)
            continue
        known = packet
        if packet[6] & 0x40:
            known = packet[:4] + b"\0\0" + packet[6:10] + b"\0\0" + packet[12:]
        flows[packet[9:10] + packet[12:24]].append(known)
    return flows


def test_a_burst_has_256_packets():
    packets = [replace(BASE, ports=(port, 80)).packet() for port in range(256)]
    assert [header[1] for header, _ in merge(packets)] == [NONE] * 256
    with pytest.raises(ValueError, match="257"):
        merge([*packets, packets[0]])
