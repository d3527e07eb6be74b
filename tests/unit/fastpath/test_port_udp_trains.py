"""Trains of the UDP port: what passes the kernel together is, octet for octet and in order, what
plain sockets send and receive one by one."""

from __future__ import annotations

import random
import select
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packets import PPP_IP, datagram, forwarded
from test_port_udp import LOCAL6, ipv6_packet, loopback_host, peer, read, wait

from control.sim import data_header, host
from control.sim.data_header import DataHeader
from fastpath import Engine, MemPort, UdpPort

UDP_SEGMENT = 103
SO_NO_CHECK = 11
BUFFER = 4 << 20
SIZES = [0, 1, 2, 17, 18, 62, 63, 175, 176, 177, 204, 1400, 1401, 9000]
DEEP = settings(max_examples=60, deadline=None)


def receiver(address: str) -> socket.socket:
    """A plain socket that tells of the TOS of what it receives."""
    made = peer(address)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    if made.family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
    else:
        made.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    return made


def take(lac: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """The next datagrams, each with its TOS."""
    found = []
    for _ in range(count):
        data, control, *_ = lac.recvmsg(70000, 100)
        found.append((control[0][2][0], data))
    return found


def waiting_at(lac: socket.socket) -> list[bytes]:
    """All that came so far."""
    found = []
    while select.select([lac], [], [], 0)[0]:
        found.append(lac.recv(70000))
    return found


def packet(port: UdpPort, lac: socket.socket, payload: bytes, tos: int = 0) -> bytes:
    address, number = lac.getsockname()[:2]
    if ":" in address:
        return ipv6_packet(payload, address, number, traffic_class=tos)
    return host.udp_packet(port.address[0], 1701, address, number, payload, tos=tos)


@contextmanager
def rig(address: str, lacs: int = 1, **options) -> Iterator[tuple[UdpPort, list[socket.socket]]]:
    with ExitStack() as stack:
        ours = loopback_host() if address == "" else address
        port = UdpPort(ours, 0, **options)
        stack.callback(port.close)
        sockets = [stack.enter_context(receiver(address or loopback_host())) for _ in range(lacs)]
        yield port, sockets


families = pytest.mark.parametrize("address", ["", LOCAL6], ids=["ipv4", "ipv6"])


# --- what leaves ----------------------------------------------------------------------------------

burst = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.one_of(st.sampled_from(SIZES), st.just(62), st.integers(0, 1500)),
        st.sampled_from([0, 0, 0, 0xB8]),
        st.integers(1, 90),
    ),
    max_size=8,
)


@families
@given(runs=burst, seed=st.integers(0, 1000), mixed=st.booleans())
@DEEP
def test_bursts_leave_as_from_a_plain_socket(address, runs, seed, mixed):
    drawn = random.Random(seed)
    rows = [
        (to, drawn.randbytes(size), tos) for to, size, tos, n in runs for _ in range(min(n, 40))
    ]
    if mixed:
        drawn.shuffle(rows)
    with rig(address, 3) as (port, lacs):
        assert port.send_many(packet(port, lacs[to], p, tos) for to, p, tos in rows) == len(rows)
        for number, lac in enumerate(lacs):
            sent = [(tos, payload) for to, payload, tos in rows if to == number]
            assert take(lac, len(sent)) == sent
            assert waiting_at(lac) == []
        counts = port.counts()
        assert counts["tx_packets"] == len(rows)
        assert counts["tx_messages"] <= len(rows)
        assert counts["trains_refused"] == counts["other_errors"] == 0


@families
def test_equal_datagrams_leave_as_one_message_and_a_shorter_one_ends_it(address):
    with rig(address) as (port, (lac,)):
        payloads = [bytes([n]) * 100 for n in range(9)] + [b"short"] + [b"x" * 100]
        assert port.send_many(packet(port, lac, p) for p in payloads) == 11
        assert [data for _, data in take(lac, 11)] == payloads
        counts = port.counts()
        assert (counts["tx_packets"], counts["tx_messages"], counts["tx_batches"]) == (11, 2, 1)


def test_train_ends_at_64_datagrams_and_at_what_one_message_may_carry():
    with rig("") as (port, (lac,)):
        assert port.send_many([packet(port, lac, b"x" * 50)] * 130) == 130
        assert port.counts()["tx_messages"] == 3
        take(lac, 130)
        assert port.send_many([packet(port, lac, b"x" * 9000)] * 8) == 8
        assert port.counts()["tx_messages"] == 3 + 2
        take(lac, 8)
        assert port.send_many([packet(port, lac, b"x" * 65507)] * 2) == 2
        assert port.counts()["tx_messages"] == 5 + 2
        assert [len(data) for _, data in take(lac, 2)] == [65507] * 2


@families
def test_trains_to_several_destinations_grow_side_by_side(address):
    with rig(address, 3) as (port, lacs):
        rows = [(n % 3, bytes([n]) * 80) for n in range(90)]
        assert port.send_many(packet(port, lacs[to], p) for to, p in rows) == 90
        for number, lac in enumerate(lacs):
            assert [p for _, p in take(lac, 30)] == [p for to, p in rows if to == number]
        # Two of them may have drawn one slot; then one train ends where the other begins.
        assert port.counts()["tx_batches"] == 1


def test_other_tos_begins_another_train():
    with rig("") as (port, (lac,)):
        rows = [(0xB8 if n in (3, 4) else 0, bytes([n])) for n in range(8)]
        assert port.send_many(packet(port, lac, p, tos) for tos, p in rows) == 8
        assert take(lac, 8) == rows
        assert port.counts()["tx_messages"] == 3


def test_path_without_trains_gets_datagrams_one_by_one_from_then_on():
    with rig("") as (port, (lac,)):
        with socket.socket(fileno=socket.dup(port.fileno())) as same:
            # The kernel cuts no train whose checksums it may not compute.
            same.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
        payloads = [bytes([n]) * 50 for n in range(20)]
        for _ in range(3):
            assert port.send_many(packet(port, lac, p) for p in payloads) == 20
            assert [data for _, data in take(lac, 20)] == payloads
        counts = port.counts()
        assert (counts["trains_refused"], counts["tx_packets"]) == (1, 60)
        assert counts["other_errors"] == 0


def test_port_without_trains_sends_and_receives_one_by_one():
    with rig("", trains=False) as (port, (lac,)):
        payloads = [bytes([n]) * 50 for n in range(20)]
        assert port.send_many(packet(port, lac, p) for p in payloads) == 20
        assert [data for _, data in take(lac, 20)] == payloads
        assert port.counts()["tx_messages"] == 20
        send_train(lac, port, b"".join(payloads), 50)
        assert [row[3][28:] for row in read(port, 20)] == payloads
        assert port.counts()["rx_messages"] == 20


def test_train_above_the_path_mtu_is_counted_and_its_path_is_known():
    with rig(LOCAL6) as (port, (lac,)):
        # The loopback's MTU is 65,536: two of these are no train, but each too big.
        assert port.send_many([packet(port, lac, bytes(65500))] * 2) == 2
        assert port.counts()["too_big"] == 2
        assert port.path_mtus == {LOCAL6: 65536}


def test_what_was_refused_are_the_last_trains_and_no_more_is_counted():
    with rig("", 2, buffer=1) as (port, lacs):
        rows = [(n % 2, bytes([n]) * 1000) for n in range(256)]
        taken = port.send_many(packet(port, lacs[to], p) for to, p in rows)
        counts = port.counts()
        assert counts["tx_packets"] == taken
        assert counts["no_buffers"] == 256 - taken
        for number, lac in enumerate(lacs):
            sent = [p for to, p in rows if to == number]
            got = waiting_at(lac)
            assert got == sent[: len(got)]
            taken -= len(got)
        assert taken == 0


def test_train_to_a_closed_port_is_an_error_of_later_and_others_go_on():
    with rig("", 2) as (port, (gone, lac)):
        lost = packet(port, gone, b"lost")
        gone.close()
        assert port.send_many([lost] * 10 + [packet(port, lac, b"here")] * 10) == 20
        assert [data for _, data in take(lac, 10)] == [b"here"] * 10
        assert port.send_many([packet(port, lac, b"again")] * 10) == 10
        assert [data for _, data in take(lac, 10)] == [b"again"] * 10
        assert port.counts()["refused"] == 1, "of a train, the kernel tells once"
        assert not select.select([port], [], [], 0)[0], "the socket still says there is something"


# --- what arrives ---------------------------------------------------------------------------------


def send_train(lac: socket.socket, port: UdpPort, octets: bytes, segment: int) -> None:
    """A message that the kernel is to cut into datagrams; it does not, on its way to a socket that
    takes trains."""
    control = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("H", segment))]
    assert lac.sendmsg([octets], control, 0, port.address) == len(octets)


trains = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.one_of(st.sampled_from(SIZES[1:]), st.integers(1, 1500)),
        st.integers(1, 64),
        st.integers(0, 1500),
    ),
    max_size=12,
)


@families
@given(rows=trains, seed=st.integers(0, 1000), steps=st.lists(st.integers(1, 256), min_size=1))
@DEEP
def test_trains_arrive_as_the_datagrams_they_are_made_of(address, rows, seed, steps):
    drawn = random.Random(seed)
    with rig(address, 2) as (port, lacs):
        expected = []
        for sender, segment, count, last in rows:
            count = min(count, 60000 // segment)
            octets = drawn.randbytes(segment * (count - 1) + (last % segment or segment))
            if count == 1:
                lacs[sender].sendto(octets, port.address)
            else:
                send_train(lacs[sender], port, octets, segment)
            source = lacs[sender].getsockname()[:2]
            expected += [
                (source, octets[at : at + segment]) for at in range(0, len(octets), segment)
            ]
        packets = []
        while len(packets) < len(expected):
            packets += read(port, min(steps[len(packets) % len(steps)], 256,
                                      len(expected) - len(packets)))  # fmt: skip
        assert [outer(row[3]) for row in packets] == expected
        assert port.read() == []
        counts = port.counts()
        assert (counts["rx_packets"], counts["rx_messages"]) == (len(expected), len(rows))


def outer(packet: bytes) -> tuple[tuple[str, int], bytes]:
    """Source and payload of an IP packet with a UDP datagram, whose lengths are right."""
    if packet[0] >> 4 == 4:
        found = host.parse_udp(packet)
        return found.source, found.payload
    length, number = struct.unpack_from("!H", packet, 4)[0], struct.unpack_from("!H", packet, 40)[0]
    assert len(packet) == 40 + length == 40 + struct.unpack_from("!H", packet, 44)[0]
    return (socket.inet_ntop(socket.AF_INET6, packet[8:24]), number), packet[48:]


@pytest.mark.parametrize("size", [30, 100, 120, 150, 200, 1000])
def test_what_is_written_in_front_of_a_datagram_leaves_the_one_before_it_alone(size):
    # From one session into another whose outer header is longer by 20 octets.
    with rig("") as (port, (lac,)):
        engine, far = Engine(), MemPort()
        table = engine.add_table("red")
        inside, outside = engine.attach(far, table), engine.attach(port, table)
        ours = port.address[0]
        with engine.transaction() as t:
            one, two = (
                t.add_session(
                    table=table, port=at, local=(local, 1701), peer=peer_address, tunnel=1,
                    session=number, peer_tunnel=3, peer_session=4, mtu=9000,
                )
                for number, at, local, peer_address in (
                    (2, outside, ours, lac.getsockname()),
                    (3, inside, "2001:db8::1", ("2001:db8::2", 1701)),
                )
            )  # fmt: skip
            t.add_route(table, "198.51.100.0/24", one)
            t.add_route(table, "203.0.113.0/24", two)
            t.add_route(table, f"{ours}/32", t.add_adjacency("local", tunnel=True))
        inner = [
            datagram(bytes([n]) * (size - (n == 39)), src="198.51.100.7", dst="203.0.113.9")
            for n in range(40)
        ]
        frames = [data_header.encode(DataHeader(1, 2), PPP_IP + p) for p in inner]
        send_train(lac, port, b"".join(frames), len(frames[0]))
        wait(port)
        assert engine.poll(outside) == 40
        messages = [data_header.decode(octets[48:]) for _, octets in far.pop_all()]
        assert [payload for _, payload in messages] == [PPP_IP + forwarded(p) for p in inner]
