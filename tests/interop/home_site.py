"""A capture as the traffic of a home site: a configuration whose dial-out targets are prefixes that
the capture really goes to, and the replay of it by the command that users have.

Everything else that the capture goes to is behind the home port as well, so nothing is unroutable.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from captures import Record

from control.cli import main

LNS, RADIUS = "10.88.0.1", "10.88.0.9"
LACS = ("10.88.0.2", "10.88.0.3")

CONFIGURATION = """
[chassis]
name = "lns.example"
flush_delay = 20

[[virtual_router]]
name = "home"
radius = "home"
local_address = "{lns}"
max_buffered_triggers = 256

[[port]]
name = "home"
url = "pcap:"
side = "home"
virtual_router = "home"
networks = ["0.0.0.0/0"]

[[profile]]
name = "modem"
authentication = ["chap"]
mru = {mru}
acfc = {compressed}
pfc = {compressed}

[budget]
calls_per_day = 100000
target_calls_per_day = 100000
dial_rate = 1000
dial_burst = 1000
lac_dial_rate = 1000

[[radius]]
name = "home"
servers = [{{ address = "{radius}" }}]

[sim]
seed = 7

[[sim.radius]]
address = "{radius}"
secret = "radius-secret"
"""

LAC = """
[[lac]]
address = "{address}"
hide_avps = {hidden}

[[sim.lac]]
address = "{address}"
host_name = "{name}"
secret = "secret of {name}"
modems = 1000
dial_delay = 0.05
delay = 0.002
new_port = {new_port}
sequencing = {sequencing}
"""

TARGET = """
[[target]]
prefix = "{prefix}"
virtual_router = "home"
domain = "t{number}.example"
profile = "modem"

[[sim.cpe]]
number = "555{number:04}"
username = "site{number}"
password = "secret of site {number}"
authentication = ["chap"]
peer_username = "lns"
peer_password = "lns-secret"
delay = 0.003

[[sim.radius.users]]
name = "*@t{number}.example"
[sim.radius.users.reply]
"Tunnel-Type:1" = "L2TP"
"Tunnel-Medium-Type:1" = "IPv4"
"Tunnel-Server-Endpoint:1" = "{lac}"
"Tunnel-Password:1" = "secret of {lac_name}"
"Tunnel-Client-Auth-Id:1" = "lns.example"
"Tunnel-Server-Auth-Id:1" = "{lac_name}"
"ERX-Dial-Out-Number" = "555{number:04}"
"ERX-PPP-Username" = "lns"
"ERX-PPP-Password" = "lns-secret"
"ERX-PPP-Auth-Protocol" = "CHAP"
"ERX-Bearer-Type" = "Digital"

[[sim.radius.users]]
name = "site{number}"
password = "secret of site {number}"
[sim.radius.users.reply]
"Framed-IP-Address" = "100.64.0.{host}"
"Framed-Route" = "{prefix} 0.0.0.0 1"
"""


@dataclass(frozen=True)
class Run:
    """What a replay left behind."""

    written: Path
    report: dict[str, Any]

    @classmethod
    def of(cls, folder: Path) -> Run:
        report = json.loads((folder / "report.json").read_text())
        return cls(folder / "out.pcapng", report)


def remote_prefixes(
    records: list[Record], count: int, length: int, odd: Iterable[Record] = ()
) -> list[str]:
    """The prefixes of this length that most packets go to, of those that can be remote sites: the
    host that sends most is at home, and no two of them talk to each other. Those that `odd` packets
    go to come first."""
    pairs = Counter((p[12:16], p[16:20]) for r in records if (p := r.ip()) is not None)
    senders: Counter[bytes] = Counter()
    talks: Counter[tuple[str, str]] = Counter()
    for (source, destination), packets in pairs.items():
        senders[source] += packets
        talks[prefix_of(source, length), prefix_of(destination, length)] += packets
    popular: Counter[str] = Counter()
    for (_, destination), packets in talks.items():
        popular[destination] += packets
    first = {prefix_of(p[16:20], length) for r in odd if (p := r.ip()) is not None}
    home = prefix_of(senders.most_common(1)[0][0], length)
    found: list[str] = []
    for prefix in sorted(popular, key=lambda p: (p in first, popular[p]), reverse=True):
        alone = not any((prefix, p) in talks or (p, prefix) in talks for p in [*found, prefix])
        if alone and prefix != home and is_host(prefix):
            found.append(prefix)
    return found[:count]


def prefix_of(address: bytes, length: int) -> str:
    return str(IPv4Network((address, length), strict=False))


def is_host(prefix: str) -> bool:
    """Whether hosts may have such addresses; 10/8 has the LACs."""
    first = int(prefix.partition(".")[0])
    return 0 < first < 224 and first not in (10, 127)


def configuration(
    targets: list[str],
    *,
    mru: int = 1500,
    sequencing: bool = False,
    compressed: bool = False,
    hidden: bool = False,
) -> str:
    """A configuration file with a target, a site and two RADIUS users for each prefix."""
    text = CONFIGURATION.format(lns=LNS, radius=RADIUS, mru=mru, compressed=flag(compressed))
    for number, prefix in enumerate(targets):
        lac = number % len(LACS)
        text += TARGET.format(
            prefix=prefix, number=number, host=number + 1, lac=LACS[lac], lac_name=f"lac{lac}"
        )
    for index, address in enumerate(LACS):
        text += LAC.format(
            address=address,
            name=f"lac{index}",
            new_port=flag(index == 1),
            sequencing=flag(sequencing),
            hidden=flag(hidden),
        )
    return text


def flag(value: bool) -> str:
    return "true" if value else "false"


def replay(capture: Path, config: str, folder: Path) -> Run:
    """Runs `dialout replay` and checks that it says it went well."""
    file, written, report = (folder / n for n in ("lns.toml", "out.pcapng", "report.json"))
    file.write_text(config)
    arguments = ["replay", "-q", "--config", file, "--write", written, "--report", report, capture]
    assert main([str(a) for a in arguments]) == 0
    return Run.of(folder)
