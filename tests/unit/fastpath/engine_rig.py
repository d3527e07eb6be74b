"""An engine with a home and a tunnel port and a next hop of each kind, for its tests."""

from __future__ import annotations

from dataclasses import asdict, replace

from packets import LAC, LOCAL, US, Outer

from fastpath import Engine, MemPort

UNATTACHED = 40


def session(session_id: int, outer: Outer, **rest) -> dict:
    """Arguments of add_session for one of the rig's sessions: our tunnel 1."""
    return {**asdict(outer), "tunnel": 1, "session": session_id, **rest}


def snapshot(engine: Engine) -> dict[str, int]:
    """Counts by verdict; a drop's by `DROP reason`."""
    record = engine.counters()
    counts = {name: int(record["verdict"][name]) for name in record["verdict"].dtype.names}
    del counts["DROP"]
    for name in record["reason"].dtype.names:
        counts[f"DROP {name}"] = int(record["reason"][name])
    return counts


def counter(engine: Engine, name: str) -> int:
    return int(engine.counters()[name])


def assert_law(engine: Engine) -> None:
    """Received is the sum of all verdicts, drops the sum of all reasons, triggers of outcomes."""
    record = engine.counters()
    verdicts = {name: int(record["verdict"][name]) for name in record["verdict"].dtype.names}
    assert int(record["received"]) == sum(verdicts.values())
    assert sum(int(n) for n in record["reason"].tolist()) == verdicts["DROP"]
    outcomes = ("admitted", "buffered", "discarded", "missed")
    assert sum(int(record[f"triggers_{name}"]) for name in outcomes) == verdicts["TRIGGER"]


class Rig:
    """Routes: 192.0.2.0/24 home, 198.51.100.0/24 `session`, 203.0.113.0/24 `other`, 172.16.0.0/16
    `glean`, 10.88.0.1 our tunnel address, 10.0.0.1 ourselves, 10.88.0.2 the LAC, 10.66.0.0/16
    prohibited, 10.77.0.0/16 behind a port that is not there, 10.44.0.0/16 home with a small MTU.
    """

    def __init__(
        self, *, link: str = "raw", outer: Outer | None = None, mtu: int = 1460, **options
    ):
        self.engine = Engine(**options)
        self.table = self._add_table()
        self.ports = {"home": MemPort("home", link), "tunnel": MemPort("tunnel", link)}
        self.index = {
            name: self.engine.attach(port, self.table) for name, port in self.ports.items()
        }
        self.outer = outer or Outer()
        self.other_outer = replace(Outer(), peer_session=6)
        with self.engine.transaction() as t:
            self._fill(t, mtu)

    def _add_table(self) -> int:
        return self.engine.add_table("red", US)

    def _fill(self, t, mtu: int) -> None:
        home, tunnel = self.index["home"], self.index["tunnel"]
        self.lan = t.add_adjacency("ip", port=home)
        self.narrow = t.add_adjacency("ip", port=home, mtu=576)
        self.lac = t.add_adjacency("ip", port=tunnel)
        self.gone = t.add_adjacency("ip", port=UNATTACHED)
        self.prohibited = t.add_adjacency("drop")
        self.tunnel_address = t.add_adjacency("local", tunnel=True)
        self.address = t.add_adjacency("local")
        self.glean = t.add_adjacency("glean", table=self.table)
        self.session = t.add_session(
            **session(2, self.outer, table=self.table, port=tunnel, mtu=mtu)
        )
        self.other = t.add_session(**session(5, self.other_outer, table=self.table, port=tunnel))
        for prefix, nh in (
            ("192.0.2.0/24", self.lan),
            ("10.44.0.0/16", self.narrow),
            (f"{LAC}/32", self.lac),
            ("10.77.0.0/16", self.gone),
            ("10.66.0.0/16", self.prohibited),
            (f"{LOCAL}/32", self.tunnel_address),
            (f"{US}/32", self.address),
            ("172.16.0.0/16", self.glean),
            ("198.51.100.0/24", self.session),
            ("203.0.113.0/24", self.other),
        ):
            t.add_route(self.table, prefix, nh)

    def hand_in(
        self, *frames: bytes, port: str = "home", ts: int = 0, wire_len: int | None = None
    ) -> dict[str, int]:
        """Passes frames through; returns how many got which verdict (`DROP` with its reason)."""
        before = snapshot(self.engine)
        for frame in frames:
            self.ports[port].push(frame, ts, wire_len)
        while len(self.ports[port]):
            self.engine.poll(self.index[port])
        assert_law(self.engine)
        after = snapshot(self.engine)
        return {name: n - before[name] for name, n in after.items() if n != before[name]}

    def sent(self) -> list[tuple[str, bytes]]:
        """Takes what left: (port, packet), port by port."""
        return [(n, octets) for n, port in self.ports.items() for _, octets in port.pop_all()]

    def outcome(self, frame: bytes, **rest) -> tuple[str, list[tuple[str, bytes]]]:
        """Verdict of one frame, and what left because of it."""
        ((verdict, count),) = self.hand_in(frame, **rest).items()
        assert count == 1
        return verdict, self.sent()

    def trigger(self, *packets: bytes) -> int:
        """Hands packets of one destination in and returns the key of the event they make."""
        self.hand_in(*packets)
        (record,) = self.engine.triggers.events()
        return record.key
