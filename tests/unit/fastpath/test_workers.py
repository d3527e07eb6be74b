"""Several workers on threads of their own: nothing is lost, counters add up, flows keep order."""

from __future__ import annotations

import threading
import time

import pytest
from engine_rig import Rig, assert_law, counter
from packets import LCP_ECHO, SITE, Outer, control_message, data_message, datagram, from_lac

from fastpath import MemPort, Stop, Worker

PACKETS = 4_000
PATIENCE = 30


class Second:
    """A rig with one more worker, whose ports are its own."""

    def __init__(self, rig: Rig) -> None:
        self.worker: Worker = rig.engine.add_worker()
        self.ports = {name: MemPort(name) for name in rig.ports}
        for name, port in self.ports.items():
            self.worker.attach(rig.index[name], port)


class Running:
    """Workers on threads, until the block ends."""

    def __init__(self, *workers: Worker) -> None:
        self.stop = Stop()
        self.threads = [
            threading.Thread(target=worker.run_until, args=(self.stop,)) for worker in workers
        ]

    def __enter__(self) -> Running:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


def wait_until(what) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, "the workers do not come to it"
        time.sleep(0.001)


def numbered(count: int, dst: str = SITE) -> list[bytes]:
    return [datagram(n.to_bytes(4, "big"), dst=dst) for n in range(count)]


def test_two_workers_lose_nothing_and_keep_the_order_of_a_flow():
    rig = Rig(outer=Outer(udp_checksum=False))
    second = Second(rig)
    for ports in (rig.ports, second.ports):
        ports["home"].push_many(numbered(PACKETS))
    with Running(rig.engine.worker, second.worker):
        wait_until(lambda: counter(rig.engine, "received") == 2 * PACKETS)
    assert_law(rig.engine)
    for ports in (rig.ports, second.ports):
        sent = [octets for _, octets in ports["tunnel"].pop_all()]
        assert [octets[-4:] for octets in sent] == [n.to_bytes(4, "big") for n in range(PACKETS)]
    assert rig.engine.session_counters(rig.session).packets_out == 2 * PACKETS
    assert rig.engine.port_counters(rig.index["tunnel"])["tx_packets"] == 2 * PACKETS
    assert int(second.worker.counters()["received"]) == PACKETS


def test_sequence_numbers_of_a_session_that_two_workers_share_are_used_once():
    rig = Rig(outer=Outer(sequencing=True))
    second = Second(rig)
    for ports in (rig.ports, second.ports):
        ports["home"].push_many(numbered(PACKETS))
    with Running(rig.engine.worker, second.worker):
        wait_until(lambda: counter(rig.engine, "received") == 2 * PACKETS)
    seen = []
    for ports in (rig.ports, second.ports):
        ns = [int.from_bytes(octets[36:38], "big") for _, octets in ports["tunnel"].pop_all()]
        assert ns == sorted(ns)
        seen += ns
    assert sorted(seen) == list(range(2 * PACKETS))


def test_punts_of_both_workers_reach_control():
    rig = Rig(punt_ring=1 << 16)
    second = Second(rig)
    for number, ports in enumerate((rig.ports, second.ports)):
        ports["tunnel"].push_many(
            from_lac(control_message(body=bytes((number, n >> 8, n & 255)))) for n in range(2000)
        )
    bodies = []
    with Running(rig.engine.worker, second.worker):
        wait_until(lambda: bodies.extend(p.data[12:] for p in rig.engine.punts())
                   or counter(rig.engine, "received") == 4000)  # fmt: skip
    bodies += [p.data[12:] for p in rig.engine.punts(10_000)]
    full = rig.engine.counters()["reason"]["punt-full"]
    assert len(bodies) + int(full) == 4000
    for number in range(2):
        order = [body for body in bodies if body[0] == number]
        assert order == sorted(order)


def test_triggers_of_both_workers_are_one_event_a_destination():
    rig = Rig()
    second = Second(rig)
    destinations = [f"172.16.{n >> 8}.{n & 255}" for n in range(1, 1001)]
    for ports in (rig.ports, second.ports):
        ports["home"].push_many(datagram(dst=dst) for dst in destinations)
    with Running(rig.engine.worker, second.worker):
        wait_until(lambda: counter(rig.engine, "received") == 2000)
    assert_law(rig.engine)
    events = rig.engine.triggers.events(10_000)
    assert sorted(e.destination for e in events) == sorted(destinations)
    assert counter(rig.engine, "triggers_admitted") == 1000


def test_control_works_while_the_worker_runs():
    rig = Rig()
    with Running(rig.engine.worker):
        for _ in range(200):
            rig.engine.inject(LCP_ECHO, rig.session)
        with pytest.raises(ValueError, match="MTU of 576"):
            rig.engine.inject(bytes(600), rig.narrow)
        with pytest.raises(RuntimeError, match="another thread"):
            rig.engine.poll(rig.index["home"])
        rig.ports["home"].push(datagram(dst="172.16.0.9"))
        events = []
        wait_until(lambda: events.extend(rig.engine.triggers.events()) or events)
        with rig.engine.transaction() as t:
            t.add_route(rig.table, "172.16.0.9/32", rig.session)
        assert rig.engine.resolve(rig.table, "172.16.0.9") == rig.session
        assert rig.engine.flush_trigger(events[0].key, rig.session) == 1
    assert len(rig.ports["tunnel"].pop_all()) == 201
    assert counter(rig.engine, "injected") == 200


def test_transactions_while_two_workers_forward_and_decapsulate():
    rig = Rig()
    second = Second(rig)
    back = data_message(b"\xff\x03\x00\x21" + datagram(src=SITE, dst="192.0.2.9"))
    for ports in (rig.ports, second.ports):
        ports["home"].push_many(numbered(PACKETS))
        ports["tunnel"].push_many([back] * PACKETS)
    with Running(rig.engine.worker, second.worker):
        number = 0
        while counter(rig.engine, "received") < 4 * PACKETS:
            number += 1
            with rig.engine.transaction() as t:
                t.update_session(rig.session, peer_tunnel=1 + number % 9, peer_session=4)
    assert_law(rig.engine)
    forwarded = rig.engine.session_counters(rig.session)
    assert (forwarded.packets_in, forwarded.packets_out) == (2 * PACKETS, 2 * PACKETS)


def test_a_worker_has_only_the_ports_that_it_was_given():
    rig = Rig()
    worker = rig.engine.add_worker()
    with pytest.raises(KeyError, match="port 9"):
        worker.attach(9, MemPort())
    with pytest.raises(KeyError, match="port 0"):
        worker.poll(0)
    home = MemPort("home")
    worker.attach(rig.index["home"], home)
    home.push(datagram())
    assert worker.poll(rig.index["home"]) == 1
    # Its part of the tunnel port is not there.
    assert int(worker.counters()["reason"]["port-gone"]) == 1


def test_no_more_than_64_workers():
    rig = Rig()
    for _ in range(63):
        rig.engine.add_worker()
    with pytest.raises(MemoryError, match="64 workers"):
        rig.engine.add_worker()
