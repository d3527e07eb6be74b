"""The same packets through two builds of the data plane: every count and octet must be equal.

    differential.py generate FOLDER [--packets N] [--seed N]   writes captures of seeded traffic
    differential.py run FOLDER                                 prints counts and digests

tests/sanitize.sh runs it on the release and on the checked build and compares what they print. Each
run passes the packets once from memory, where they are changed in place, and once from the mapped
captures, where they are copied, and both must have come to the same. How many packets, if not said:
DIALOUT_DIFFERENTIAL_PACKETS, or 200,000.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent / "unit" / "fastpath"))

from engine_rig import assert_law
from engine_traffic import Traffic
from packets import LCP_ECHO, datagram
from packets6 import datagram6
from rig6 import Rig6

from fastpath import MemPort, PcapngWriter, PcapPort
from fastpath.ports.port import Port

LINKS = ("raw", "ethernet")
SIDES = ("home", "tunnel")
GAP_NS = 50_000


def capture(folder: Path, link: str, side: str) -> Path:
    return folder / f"{link}-{side}.pcapng"


def generate(folder: Path, count: int, seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for link in LINKS:
        writers = {
            side: PcapngWriter(capture(folder, link, side), [(side, link)]) for side in SIDES
        }
        traffic = Traffic(seed).frames(count // len(LINKS), ethernet=link == "ethernet")
        for number, (side, frame, wire) in enumerate(traffic):
            writers[side].write(number * GAP_NS, frame, 0, link, wire_len=wire)
        for writer in writers.values():
            writer.close()


def from_memory(path: Path, link: str) -> Port:
    source, port = PcapPort(path), MemPort(path.name, link)
    while packets := source.read():
        for ts, _, wire, frame in packets:
            port.push(frame, ts, wire)
    return port


def from_file(path: Path, _link: str) -> Port:
    return PcapPort(path)


class Run:
    """A rig under traffic, with a control plane that throws dice."""

    def __init__(self, folder: Path, link: str, source: Callable[[Path, str], Port]) -> None:
        self.rig = Rig6(link=link, punt_ring=1 << 14, trigger_keys=16, error_rate=1000)
        self.engine = self.rig.engine
        ports = [source(capture(folder, link, side), link) for side in SIDES]
        self.index = [self.engine.attach(port, self.rig.table) for port in ports]
        self.rng = Random(1)
        self.keys: list[int] = []
        self.digest = hashlib.sha256()

    def pass_through(self) -> dict[str, object]:
        with tempfile.NamedTemporaryFile(suffix=".pcapng") as file:
            with PcapngWriter(file.name) as recorder:
                self.engine.set_capture(recorder)
                while sum(self.burst(index) for index in self.index):
                    self.control()
                for key in self.keys:
                    self.engine.drop_trigger(key)
                self.engine.set_capture(None)
            self.digest.update(Path(file.name).read_bytes())
        assert_law(self.engine)
        return {
            "digest": self.digest.hexdigest(),
            "counters": self.named(self.engine.counters()),
            "sessions": [self.engine.session_counters(nh) for nh in self.sessions()],
            "ports": [self.engine.port_counters(index) for index in self.rig.index.values()],
        }  # fmt: skip

    def sessions(self) -> tuple[int, ...]:
        return self.rig.session, self.rig.other, self.rig.six

    def named(self, record) -> dict[str, object]:
        return {
            name: self.named(record[name]) if record[name].dtype.names else int(record[name])
            for name in record.dtype.names
        }

    def burst(self, index: int) -> int:
        n = self.engine.poll(index, self.rng.randrange(1, 257))
        self.note(self.rig.ports["home"].pop_all(), self.rig.ports["tunnel"].pop_all())
        return n

    def note(self, *what: object) -> None:
        self.digest.update(repr(what).encode())

    def control(self) -> None:
        events = self.engine.triggers.events()
        self.keys += [event.key for event in events]
        self.note(events, self.engine.punts(self.rng.randrange(200)))
        orders = (self.end_trigger, self.update, self.inject, self.hold, self.sources)
        for _ in range(self.rng.randrange(3)):
            self.rng.choice(orders)()

    def end_trigger(self) -> None:
        if not self.keys:
            return
        key = self.keys.pop(self.rng.randrange(len(self.keys)))
        if self.rng.random() < 0.5:
            self.note(
                self.engine.flush_trigger(key, self.rng.choice(self.sessions()), self.engine.now_ns)
            )
        else:
            self.note(self.engine.drop_trigger(key))

    def update(self) -> None:
        dice = [self.rng.random() < 0.5 for _ in range(5)]
        names = ("acfc", "pfc", "sequencing", "udp_checksum", "df")
        with self.engine.transaction() as t:
            t.update_session(
                self.rng.choice(self.sessions()),
                peer_tunnel=self.rng.randrange(1, 65536),
                peer_session=self.rng.randrange(1, 65536),
                mtu=self.rng.choice((68, 576, 1460, 65491)),
                tos=self.rng.choice((None, 0, 184)),
                **dict(zip(names, dice, strict=True)),
            )

    def inject(self) -> None:
        self.engine.inject(LCP_ECHO, self.rng.choice(self.sessions()))
        self.engine.inject(datagram6(bytes(self.rng.randrange(500))), self.rig.narrow)
        self.engine.inject(datagram(bytes(self.rng.randrange(3000))), self.rig.narrow)

    def hold(self) -> None:
        if self.keys:
            with self.engine.transaction() as t:
                t.hold(self.rig.other, self.rng.choice(self.keys))

    def sources(self) -> None:
        prefixes = ("0.0.0.0/0", "198.51.100.0/24", "203.0.113.0/24", "203.0.113.10/32", "::/0",
                    "2001:db8:2::/48")  # fmt: skip
        with self.engine.transaction() as t:
            t.set_sources(self.rig.other, self.rng.sample(prefixes, self.rng.randrange(4)))


def run(folder: Path) -> None:
    for link in LINKS:
        results = [Run(folder, link, source).pass_through() for source in (from_memory, from_file)]
        if results[0] != results[1]:
            raise SystemExit(f"{link}: from memory and from a mapping differ: {results}")
        print(json.dumps({link: results[0]}, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("generate", "run"))
    parser.add_argument("folder", type=Path)
    packets = int(os.environ.get("DIALOUT_DIFFERENTIAL_PACKETS", "200000"))
    parser.add_argument("--packets", type=int, default=packets)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.what == "generate":
        generate(options.folder, options.packets, options.seed)
    else:
        run(options.folder)


if __name__ == "__main__":
    main()
