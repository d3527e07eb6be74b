"""The pool port: packets are changed where they lie; and checksums that somebody has verified."""

from __future__ import annotations

import numpy as np
import pytest
from engine_rig import session
from packets import HOME, SITE, Outer, data_message, datagram, forwarded
from parse_packets import ipv4
from test_mss import mss, tcp

from fastpath import Engine, PoolPort

STRIDE, HEADROOM = 512, 128


class Pool:
    """An engine whose only port is a pool of `packets`."""

    def __init__(self, packets: list[bytes], *, trusted: bool = False, outer: Outer | None = None):
        self.length = len(packets[0])
        self.memory = np.zeros(len(packets) * STRIDE, np.uint8)
        for number, packet in enumerate(packets):
            start = number * STRIDE + HEADROOM
            self.memory[start : start + self.length] = np.frombuffer(packet, np.uint8)
        self.port = PoolPort(self.memory, slots=len(packets), stride=STRIDE, headroom=HEADROOM,
                             length=self.length, trusted=trusted)  # fmt: skip
        self.engine = Engine()
        self.outer = outer or Outer()
        table = self.engine.add_table("red")
        index = self.engine.attach(self.port, table)
        with self.engine.transaction() as t:
            nh = t.add_session(**session(2, self.outer, table=table, port=index))
            t.add_route(table, "198.51.100.0/24", nh)
            t.add_route(table, "10.88.0.1/32", t.add_adjacency("local", tunnel=True))
        self.port.offer(len(packets))

    def outgoing(self, number: int) -> bytes:
        """The encapsulated packet of a slot."""
        assert self.engine.poll(0) == len(self.memory) // STRIDE
        end = number * STRIDE + HEADROOM + self.length
        header = len(self.outer.around(b"\0\0")) - 2
        return self.memory[end - self.length - header : end].tobytes()


def test_headers_are_written_before_the_packet_and_the_rest_stays():
    packets = [datagram(bytes((n,)) * 20) for n in range(70)]
    for chosen in (0, 1, 31, 32, 63, 69):
        pool = Pool(packets)
        before = pool.memory.copy()
        assert pool.outgoing(chosen) == pool.outer.around(forwarded(packets[chosen]))
        changed = np.flatnonzero(before != pool.memory) % STRIDE
        assert changed.min() >= HEADROOM - 44
        assert changed.max() < HEADROOM + 20
        assert (pool.port.tx_packets, len(pool.port)) == (70, 0)
        assert pool.port.tx_octets == 70 * (len(packets[0]) + 40)


@pytest.mark.parametrize("outer", [
    Outer(acfc=a, pfc=p, sequencing=s) for a in (False, True) for p in (False, True)
    for s in (False, True)
], ids=str)  # fmt: skip
@pytest.mark.parametrize("packet", [
    *(datagram(bytes(range(size)), src=HOME) for size in (0, 1, 18, 19, 200)),
    datagram(b"without", checksum=False),
    tcp(mss(1460), src=HOME, dst=SITE),
    ipv4(b"other protocol", proto=47, src=HOME, dst=SITE),
    ipv4(datagram(b"trailing octets")[20:] + b"xyz", src=HOME, dst=SITE),
    ipv4(datagram(b"a fragment")[20:], src=HOME, dst=SITE, fragment=0x2000),
    datagram(b"options", src=HOME, options=b"\x01" * 4),
], ids=lambda packet: packet.hex()[:24])  # fmt: skip
def test_a_verified_checksum_gives_the_outer_one_without_the_payload(outer, packet):
    # Equal octets, whether the payload was summed or its sum followed from the inner checksum.
    assert Pool([packet], trusted=True, outer=outer).outgoing(0) == outer.around(forwarded(packet))


def test_a_wrong_inner_checksum_leaves_the_outer_one_right_unless_it_is_said_to_be_verified():
    packet = datagram(b"payload!")
    damaged = packet[:-1] + b"?"
    expected = Outer().around(forwarded(damaged))
    assert Pool([damaged]).outgoing(0) == expected
    lied_to = Pool([damaged], trusted=True).outgoing(0)
    assert lied_to != expected
    assert lied_to[:26] + lied_to[28:] == expected[:26] + expected[28:]


def test_a_verified_outer_checksum_says_nothing_of_the_inner_one():
    inner = datagram(b"payload!", src=SITE, dst="198.51.100.77")
    message = data_message(b"\xff\x03\x00\x21" + inner[:-1] + b"?")
    pool = Pool([message], trusted=True)
    assert pool.engine.poll(0) == 1
    assert int(pool.engine.counters()["reason"]["same-session"]) == 1


@pytest.mark.parametrize("wrong", [
    {"slots": 0}, {"slots": 3}, {"headroom": 500}, {"length": 500}, {"headroom": 70_000},
])  # fmt: skip
def test_slots_outside_the_memory_are_refused(wrong):
    right = {"slots": 2, "stride": STRIDE, "headroom": HEADROOM, "length": 60}
    with pytest.raises((ValueError, OverflowError)):
        PoolPort(np.zeros(2 * STRIDE, np.uint8), **{**right, **wrong})
