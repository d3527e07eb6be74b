"""Workers that serve a router: on threads that need no GIL, woken by packets and by control."""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from engine_rig import Rig, assert_law, counter
from packets import (
    LAC,
    LCP_ECHO,
    LOCAL,
    PPP_IP,
    SITE,
    Outer,
    control_message,
    data_message,
    datagram,
)

from control.sim import data_header
from control.sim.data_header import DataHeader
from fastpath import Bell, Engine, MemPort, PcapPort, Service, UdpPort
from fastpath.ports.port import Port

PATIENCE = 30


def wait_until(what) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, "it does not come to it"
        time.sleep(0.001)


@contextmanager
def serving(*services: Service) -> Iterator[None]:
    threads = [threading.Thread(target=service.run) for service in services]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for service, thread in zip(services, threads, strict=True):
            service.stop()
            thread.join(PATIENCE)
            assert not thread.is_alive()
            service.close()


class Socket:
    """An engine whose worker 1 has a socket; worker 0 is control's."""

    def __init__(self, *, busy: bool = False, **options) -> None:
        self.engine = Engine(**options)
        self.table = self.engine.add_table("red")
        # One socket for all, where open() would have control messages come to control's part.
        self.part = UdpPort("127.0.0.1", 0, name="socket")
        self.sender = UdpPort("127.0.0.1", 0, name="socket", sends_by=self.part)
        self.index = self.engine.attach(self.sender, self.table)
        self.worker = self.engine.add_worker()
        self.worker.attach(self.index, self.part)
        self.bell = Bell()
        self.service = Service(self.worker, self.bell, busy=busy)
        self.lac = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.lac.bind(("127.0.0.1", 0))
        self.lac.connect(self.sender.address)
        with self.engine.transaction() as t:
            local = t.add_adjacency("local", tunnel=True)
            t.add_route(self.table, "127.0.0.1/32", local)

    def __enter__(self) -> Socket:
        self._stack = serving(self.service)
        self._stack.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(None, None, None)
        self.bell.close()
        self.lac.close()
        self.part.close()
        self.sender.close()

    def rung(self) -> bool:
        return bool(select.select([self.bell], [], [], PATIENCE)[0])


@pytest.mark.parametrize("busy", [False, True])
def test_a_punt_rings_the_bell_once_until_control_answers(busy):
    with Socket(busy=busy) as it:
        punts = []
        for number in range(3):
            for n in range(10):
                it.lac.send(control_message(body=bytes((number, n))))
            assert it.rung()
            wait_until(lambda number=number: counter(it.engine, "punted") == 10 * (number + 1))
            it.bell.answer()
            punts += it.engine.punts()
            assert not select.select([it.bell], [], [], 0)[0]
        assert [tuple(p.data[12:]) for p in punts] == [(a, b) for a in range(3) for b in range(10)]


def test_a_worker_without_packets_sleeps_and_orders_do_not_wake_it():
    with Socket() as it:
        wait_until(lambda: it.service.sleeps > 0)
        sleeps = it.service.sleeps
        home = MemPort("home")
        index = it.engine.attach(home, it.table)
        for _ in range(100):
            it.worker.attach(index, Port())
            it.worker.detach(index)
        assert it.service.sleeps == sleeps
        it.lac.send(control_message())
        assert it.rung()


@pytest.mark.parametrize("busy", [False, True])
def test_a_worker_under_load_pauses_unless_it_is_busy_and_forwards_all_the_same(busy):
    train = bytes(20) * 60
    with Socket(busy=busy) as it:
        it.lac.setsockopt(socket.IPPROTO_UDP, 103, 20)  # UDP_SEGMENT: 60 datagrams a message
        sent = 0

        def send() -> bool:
            nonlocal sent
            for _ in range(20):
                it.lac.send(train)
                sent += 60
            wait_until(lambda: counter(it.engine, "received") == sent)
            return it.service.pauses > 0

        if busy:
            send()
            assert it.service.pauses == 0
        else:
            wait_until(send)
        it.lac.setsockopt(socket.IPPROTO_UDP, 103, 0)
        it.lac.send(control_message())
        assert it.rung()


def test_packets_are_handled_while_the_gil_is_held():
    """A socket is the witness: what the kernel queues in it is counted without Python."""
    with Socket() as it:
        before = sys.getswitchinterval()
        sys.setswitchinterval(1000)
        try:
            for _ in range(100):
                it.lac.send(b"\x00\x02\x12\x34\x56\x78\xff\x03\x00\x21E")
            # Nothing in this loop gives the GIL up, as nothing asks for it.
            end = time.monotonic() + PATIENCE
            while counter(it.engine, "received") < 100 and time.monotonic() < end:
                pass
        finally:
            sys.setswitchinterval(before)
        assert counter(it.engine, "received") == 100


def test_a_port_that_fails_is_down_and_the_others_go_on(tmp_path):
    capture = tmp_path / "cut.pcap"
    whole = bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 65000000")
    capture.write_bytes(whole + b"\0" * 15)
    broken = PcapPort(str(capture))
    with Socket() as it:
        index = it.engine.attach(MemPort("other"), it.table)
        it.worker.attach(index, broken)
        it.service.wake()
        wait_until(lambda: it.service.is_down(index))
        assert it.service.errors(index) >= 1
        assert not it.service.is_down(it.index)
        before = it.service.errors(index)
        wait_until(lambda: it.service.errors(index) > before)
        it.lac.send(control_message())
        assert it.rung()
        # Another one in its place is asked at the next turn, and is well.
        it.worker.attach(index, MemPort("whole"))
        wait_until(lambda: not it.service.is_down(index))


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_start_and_stop_a_hundred_times_leaves_no_descriptor_and_no_thread():
    threads = threading.active_count()
    with Socket():
        pass
    before = open_descriptors()
    for _ in range(100):
        with Socket():
            pass
    assert open_descriptors() == before
    assert threading.active_count() == threads


# --- several queues of one port -------------------------------------------------------------------


def test_queues_of_a_port_lose_nothing_and_keep_each_flow_in_order():
    """Eight LACs, each a flow, over three sockets of one address; home is one port of all."""
    engine = Engine()
    table = engine.add_table("red")
    sender, parts = UdpPort.open("127.0.0.1:0", name="socket", queues=3)
    outside = engine.attach(sender, table)
    home, home_parts = MemPort.open("", name="home", queues=3)
    inside = engine.attach(home, table)
    lacs = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]
    with engine.transaction() as t:
        t.add_route(table, "127.0.0.1/32", t.add_adjacency("local", tunnel=True))
        t.add_route(table, "192.0.2.0/24", t.add_adjacency("ip", port=inside))
        for number, lac in enumerate(lacs):
            lac.bind(("127.0.0.1", 0))
            session = t.add_session(
                table=table, port=outside, local=("127.0.0.1", 1701), peer=lac.getsockname(),
                tunnel=1, session=number + 1, peer_tunnel=1, peer_session=1,
            )  # fmt: skip
            t.add_route(table, f"198.51.{number}.0/24", session)
    bell = Bell()
    services = []
    for part, home_part in zip(parts, home_parts, strict=True):
        worker = engine.add_worker()
        worker.attach(outside, part)
        worker.attach(inside, home_part)
        services.append(Service(worker, bell))
    with serving(*services):
        for count in range(500):
            for number, lac in enumerate(lacs):
                inner = datagram(
                    count.to_bytes(4, "big"), src=f"198.51.{number}.7", dst="192.0.2.9"
                )
                message = data_header.encode(DataHeader(1, number + 1), PPP_IP + inner)
                lac.sendto(message, sender.address)
            if count % 50 == 49:
                wait_until(lambda sent=count + 1: home.tx_packets == 8 * sent)
    seen: dict[bytes, list[int]] = {}
    for _, octets in home.pop_all():
        seen.setdefault(octets[12:16], []).append(int.from_bytes(octets[-4:], "big"))
    assert len(seen) == 8
    assert all(numbers == list(range(500)) for numbers in seen.values())
    for port in (*lacs, *parts, sender, bell):
        port.close()


# --- ports that come and go -----------------------------------------------------------------------


def test_index_of_a_port_that_went_is_used_again_and_counts_from_0():
    rig = Rig()
    rig.ports["home"].push_many(datagram() for _ in range(3))
    rig.engine.step()
    with rig.engine.transaction() as t:
        spare = rig.engine.attach(MemPort("spare"), rig.table)
        nh = t.add_adjacency("ip", port=spare)
        t.add_route(rig.table, "192.0.3.0/24", nh)
    rig.ports["home"].push(datagram(dst="192.0.3.1"))
    rig.engine.step()
    assert rig.engine.port_counters(spare)["tx_packets"] == 1
    home = rig.engine.port_counters(rig.index["home"])
    rig.engine.detach(spare)
    with pytest.raises(KeyError, match=f"port {spare}"):
        rig.engine.detach(spare)
    with pytest.raises(KeyError, match=f"port {spare}"):
        rig.engine.port_counters(spare)
    rig.ports["home"].push(datagram(dst="192.0.3.1"))
    rig.engine.step()
    assert_law(rig.engine)
    assert rig.engine.attach(MemPort("next"), rig.table) == spare
    assert rig.engine.port_counters(spare)["tx_packets"] == 0
    assert rig.engine.port_counters(rig.index["home"])["rx_packets"] == home["rx_packets"] + 1


# --- first frames of sessions that control is about to set up ------------------------------------


def test_lcp_frame_that_came_before_its_session_is_handed_on_once_it_is_there():
    rig = Rig(early_rate=8, outer=Outer(udp_checksum=False))
    with rig.engine.transaction() as t:
        t.delete_adjacency(rig.other)
        t.delete_route(rig.table, "203.0.113.0/24")
    frame = data_message(LCP_ECHO, DataHeader(1, 5))
    rig.ports["tunnel"].push(frame)
    rig.engine.step()
    (punt,) = rig.engine.punts()
    assert (punt.verdict, punt.nh, punt.data) == ("PUNT_PPP", 0, frame)
    assert rig.engine.early_frame(punt.data) is None
    with rig.engine.transaction() as t:
        made = t.add_session(
            table=rig.table, port=rig.index["tunnel"], local=(LOCAL, 1701), peer=(LAC, 1701),
            tunnel=1, session=5, peer_tunnel=3, peer_session=6,
        )  # fmt: skip
    assert rig.engine.early_frame(punt.data) == (made, LCP_ECHO)
    assert_law(rig.engine)
    assert counter(rig.engine, "punted") == 1


def test_frame_whose_session_never_comes_is_a_drop_in_the_end():
    rig = Rig(early_rate=8)
    rig.ports["tunnel"].push(data_message(LCP_ECHO, DataHeader(1, 77)))
    rig.engine.step()
    (punt,) = rig.engine.punts()
    assert rig.engine.early_frame(punt.data, last=True) is None
    assert int(rig.engine.counters()["reason"]["unknown-session"]) == 1
    assert_law(rig.engine)


def test_data_of_no_session_and_lcp_beyond_the_rate_are_dropped_at_once():
    rig = Rig(early_rate=8)
    header = DataHeader(1, 77)
    rig.ports["tunnel"].push_many(data_message(LCP_ECHO, header) for _ in range(20))
    rig.ports["tunnel"].push(data_message(b"\xff\x03\x00\x21" + datagram(src=SITE), header))
    rig.engine.step()
    assert len(rig.engine.punts()) == 8
    assert int(rig.engine.counters()["reason"]["unknown-session"]) == 13


# --- order behind a flush -------------------------------------------------------------------------


def flush_beside_a_worker(packets: int) -> list[int]:
    """A flow for a glean comes by a worker while control sets up its session and flushes. The
    numbers of its packets as they left, by the parts of one port that both have."""
    rig = Rig(outer=Outer(udp_checksum=False))
    engine = rig.engine
    home = MemPort("home")
    sender, (part,) = MemPort.open("", name="wire")
    tunnel = engine.attach(sender, rig.table)
    worker = engine.add_worker()
    worker.attach(rig.index["home"], home)
    worker.attach(tunnel, part)
    with engine.transaction() as t:
        session = t.add_session(
            table=rig.table, port=tunnel, local=(LOCAL, 1701), peer=(LAC, 1701),
            tunnel=1, session=9, peer_tunnel=3, peer_session=9, udp_checksum=False,
        )  # fmt: skip
    engine.triggers.set_limits(rig.table, 4096)
    home.push_many(datagram(n.to_bytes(4, "big"), dst="172.16.0.9") for n in range(packets))
    with serving(Service(worker, Bell(), busy=True)):
        events = []
        wait_until(lambda: events.extend(engine.triggers.events()) or events)
        with engine.transaction() as t:
            t.add_route(rig.table, "172.16.0.9/32", session)
            t.hold(session, events[0].key)
        engine.flush_trigger(events[0].key, session)
        wait_until(lambda: counter(engine, "received") == packets)
    assert_law(engine)
    return [int.from_bytes(octets[-4:], "big") for _, octets in sender.pop_all()]


def test_what_another_worker_forwards_never_overtakes_what_is_flushed():
    for _ in range(20):
        numbers = flush_beside_a_worker(2000)
        assert numbers == sorted(numbers)
