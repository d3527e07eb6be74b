"""Triggers: any sequence of packets and orders against a model of dicts and lists."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trigger_cases import ADMITTED, BUFFERED, DISCARDED, MISSED, ip4

from fastpath.trigger import TriggerTable
from fastpath.trigger_record import COUNTERS, OUTCOMES


class Model:
    """What a trigger table is, with dicts and lists."""

    def __init__(self, capacity: int, events: int) -> None:
        self.capacity, self.events = capacity, events
        self.held: dict[tuple[int, int], bool] = {}
        self.buffers: dict[tuple[int, int], list[bytes]] = {}
        self.queue: list[tuple[int, int]] = []
        self.limits = {0: (16, 65536), 1: (16, 65536)}

    def fits(self, key: tuple[int, int], packet: bytes) -> bool:
        table = key[0] % 2
        waiting = [p for k, buffer in self.buffers.items() if k[0] % 2 == table for p in buffer]
        packets, octets = self.limits[table]
        return len(waiting) < packets and sum(map(len, waiting)) + len(packet) <= octets

    def keep(self, key: tuple[int, int], packet: bytes) -> bool:
        if self.fits(key, packet):
            self.buffers[key].append(packet)
            return True
        return False

    def offer(self, key: tuple[int, int], packet: bytes) -> int:
        if key in self.held:
            return BUFFERED if self.held[key] and self.keep(key, packet) else DISCARDED
        if len(self.queue) == self.events or len(self.held) == self.capacity:
            return MISSED
        self.held[key], self.buffers[key] = True, []
        self.queue.append(key)
        self.keep(key, packet)
        return ADMITTED

    def forget(self, key: tuple[int, int]) -> int:
        del self.held[key]
        # An event of a forgotten key keeps its place in the queue, and tells nobody anything.
        self.queue = [None if queued == key else queued for queued in self.queue]
        return len(self.buffers.pop(key))


ORDERS = ["hold", "discard", "forget", "finish", "take", "tail"]
STEPS = st.one_of(
    st.tuples(st.just("offer"), st.integers(0, 3), st.integers(0, 2), st.integers(0, 60)),
    st.tuples(st.sampled_from(ORDERS), st.integers(0, 30)),
    st.tuples(st.just("events"), st.integers(0, 4)),
    st.tuples(st.just("limits"), st.integers(0, 1), st.integers(0, 4), st.integers(0, 200)),
    st.tuples(st.just("forget_glean"), st.integers(0, 3)),
)


def assert_laws(table: TriggerTable, of: int | None = None) -> None:
    c = table.counters(of)
    kept = c["admitted"] - c["admitted_unbuffered"] + c["buffered"]
    assert kept == c["flushed"] + c["dropped"] + c["enqueued"]
    assert c["enqueued"] <= c["max_enqueued"] <= kept
    assert (c["octets"] == 0) == (c["enqueued"] == 0)


class Both:
    """Performs each step on a table and on its model and compares what they answer."""

    def __init__(self) -> None:
        self.table = TriggerTable(capacity=5, events=4, seed=11)
        self.model = Model(5, 4)
        self.given: list[tuple[int, tuple[int, int]]] = []
        self.gone: set[int] = set()
        self.offered = 0

    def offer(self, glean: int, host: int, size: int) -> None:
        packet = ip4(f"10.0.0.{host}", bytes(size))
        outcome = self.table.offer_packet(packet, glean % 2, glean)
        assert outcome == self.model.offer((glean, host), packet)
        self.offered += 1

    def events(self, limit: int) -> None:
        records = iter(self.table.events(limit))
        found = 0
        while found < limit and self.model.queue:
            pair = self.model.queue.pop(0)
            if pair is None:
                continue
            record = next(records)
            assert (record.glean, record.destination) == (pair[0], f"10.0.0.{pair[1]}")
            self.given.append((record.key, pair))
            found += 1
        assert next(records, None) is None

    def limits(self, table: int, packets: int, octets: int) -> None:
        self.table.set_limits(table, packets, octets)
        self.model.limits[table] = packets, octets

    def forget_glean(self, glean: int) -> None:
        for pair in [p for p in self.model.held if p[0] == glean]:
            for key in {key for key, named in self.given if named == pair} - self.gone:
                self.gone.add(key)
                assert self.table.forget(key) == self.model.forget(pair)

    def order(self, name: str, chosen: int) -> None:
        if not self.given:
            return
        key, pair = self.given[chosen % len(self.given)]
        if key in self.gone:
            with pytest.raises(KeyError):
                self.table.buffered(key)
            return
        getattr(self, name)(key, pair)

    def hold(self, key, pair) -> None:
        self.table.hold(key)
        self.model.held[pair] = True

    def discard(self, key, pair) -> None:
        self.table.discard(key)
        self.model.held[pair] = False

    def forget(self, key, pair) -> None:
        assert self.table.forget(key) == self.model.forget(pair)
        self.gone.add(key)

    def finish(self, key, pair) -> None:
        if self.model.buffers[pair]:
            with pytest.raises(ValueError, match="still buffered"):
                self.table.finish(key)
        else:
            self.table.finish(key)
            self.model.forget(pair)
            self.gone.add(key)

    def take(self, key, pair) -> None:
        buffer = self.model.buffers[pair]
        assert self.table.take_packet(key) == ((buffer.pop(0), 0) if buffer else None)

    def tail(self, key, pair) -> None:
        packet = ip4("10.9.9.9", b"tail")
        outcome = BUFFERED if self.model.keep(pair, packet) else DISCARDED
        assert self.table.offer_tail_packet(packet, key) == outcome
        self.offered += 1


def perform(steps) -> None:
    both = Both()
    for name, *arguments in steps:
        if name in ORDERS:
            both.order(name, *arguments)
        else:
            getattr(both, name)(*arguments)
        counters = both.table.counters()
        assert sum(counters[name] for name in OUTCOMES) == both.offered
        assert counters["enqueued"] == sum(map(len, both.model.buffers.values()))
        for table in (None, 0, 1):
            assert_laws(both.table, table)
        for name in COUNTERS:
            assert counters[name] == sum(both.table.counters(t)[name] for t in (0, 1))
    for key, pair in both.given:
        if key not in both.gone:
            assert both.table.buffered(key) == len(both.model.buffers[pair])


@settings(max_examples=100, deadline=None)
@given(steps=st.lists(STEPS, max_size=60))
def test_any_sequence_of_packets_and_orders_matches_the_model(steps):
    perform(steps)


def random_steps(rng: random.Random, count: int):
    """Long runs, which reach full tables, stale keys and long buffers more often."""
    for _ in range(count):
        name = rng.choice(["offer"] * 8 + ORDERS * 2 + ["events"] * 3 + ["limits", "forget_glean"])
        if name in ORDERS:
            # Recent keys mostly: they are the ones that still live.
            yield name, rng.choice([-1, -2, -3, -4, -5, rng.randrange(1000)])
        elif name == "offer":
            yield name, rng.randrange(4), rng.randrange(3), rng.randrange(60)
        elif name == "limits":
            yield name, rng.randrange(2), rng.choice([0, 3, 6]), rng.choice([0, 300, 65536])
        else:
            yield name, rng.randrange(5)


@pytest.mark.parametrize("seed", range(4))
def test_a_long_random_run_matches_the_model(seed):
    perform(random_steps(random.Random(seed), 3000))
