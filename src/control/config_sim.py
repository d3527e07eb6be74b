"""The simulated other side in the configuration: LACs, sites and RADIUS servers of demo and replay.

Part of the tree in config.py, which says how it is read.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SimLac:
    """A simulated LAC, its bank of modems and the line to it."""

    address: str
    """Where it is called."""
    host_name: str = "lac"
    """What it shows in its Host Name AVP."""
    secret: bytes = field(default=b"", repr=False)
    """Its tunnel secret."""
    modems: int = 30
    """Calls at once; one more is answered with CDN 4 (no facilities for now)."""
    dial_delay: float = 2.0
    """Seconds from OCRQ to the CPE's answer."""
    outcome: str = "answer"
    """What a call meets: `answer`, `busy`, `no-carrier`, `no-dial-tone`, `no-answer`, `reject`,
    `silent` (OCRQ gets no answer)."""
    outcomes: tuple[tuple[str, str], ...] = ()
    """(Called number, outcome) pairs that come before `outcome`; a number may end in `*`, and
    `reject:RESULT` or `reject:RESULT/ERROR` gives its own codes."""
    result_code: int = 4
    """CDN Result Code of `reject`."""
    error_code: int = 0
    """CDN Error Code of `reject`."""
    hold: float = 0.0
    """Seconds after which the modem of an answered call loses its carrier; 0: never."""
    port: int = 1701
    """UDP port at which it is called."""
    early_data: bool = False
    """Let the first PPP frames overtake OCCN."""
    wrong_order: bool = False
    """Let OCRP leave behind OCCN."""
    new_port: bool = False
    """Answer SCCRQ from another UDP port."""
    sequencing: bool = False
    """Require sequence numbers on data messages (AVP 39)."""
    delay: float = 0.01
    """One-way delay of the line between us and it, seconds."""
    loss: float = 0.0
    """Share of datagrams lost, each way."""
    duplicate: float = 0.0
    """Share that arrives twice."""
    reorder: float = 0.0
    """Share that is held back until later ones have overtaken it."""
    corrupt: float = 0.0
    """Share in which one to three bits are flipped."""
    jitter: float = 0.0
    """Up to this much is added to the delay, seconds."""


@dataclass(frozen=True, slots=True)
class SimCpe:
    """A simulated remote site behind the LACs' modems."""

    number: str
    """The number it is called at; `*` for every other number."""
    username: str = "cpe"
    """Its name when we demand authentication."""
    password: bytes = field(default=b"", repr=False)
    """Its secret when we demand authentication."""
    authentication: tuple[str, ...] = ("chap",)
    """What it demands of us, of `chap`, `pap` and `mschapv2`, in order; empty: nothing."""
    peer_username: str = ""
    """Name it expects of us."""
    peer_password: bytes = field(default=b"", repr=False)
    """Secret it expects of us."""
    address: str = ""
    """Its own address; empty: the one it is given."""
    ipv6: bool = False
    """Negotiate IPV6CP, and take addresses from Router Advertisements."""
    interface_identifier: str = ""
    """Its interface identifier, as `0:0:0:2`; empty: a random one for each call."""
    line: str = ""
    """Where its end of the modem's serial line is: `pty:COMMAND` (a program, such as pppd),
    `tcp:ADDRESS:PORT`; empty: in the simulator. The keys above and below are not used then, unless
    `dialout sim cpe` answers at that port."""
    device: str = ""
    """TUN device that `dialout sim` makes for its hosts, which are then this machine's, or those of
    the network namespace it is moved to; empty: the site answers pings and UDP itself."""
    answer: str = "full"
    """Its PPP: `full`, or `fast`, the least that brings up a link, for load tests."""
    echo: bool = True
    """Answer pings, and UDP with the same payload."""
    delay: float = 0.02
    """Seconds to an answer (the slow line behind the modem)."""


@dataclass(frozen=True, slots=True)
class SimUser:
    """One entry of the simulated RADIUS server's user table."""

    name: str
    """User-Name it matches; may end or begin with `*`."""
    password: bytes = field(default=b"", repr=False)
    """PAP or CHAP secret it must prove; empty: none is checked."""
    reply: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Attributes of the Access-Accept: (`Name` or `Name:tag`, value). Empty with `reject`."""
    reject: bool = False
    """Answer with Access-Reject."""


@dataclass(frozen=True, slots=True)
class SimRadius:
    """A simulated RADIUS server."""

    address: str
    """Where it listens."""
    port: int = 1812
    """Its UDP port."""
    secret: bytes = field(default=b"", repr=False)
    """Shared secret, which a [[radius.servers]] of the same address and port may borrow."""
    delay: float = 0.005
    """Seconds to an answer."""
    faults: tuple[str, ...] = ()
    """What becomes of answers, by turns: `answer`, `drop`, `reject`, `slow` (5 s later),
    `wrong-secret`, `unsigned` (no Message-Authenticator), `malformed`; empty: all are good."""
    require_message_authenticator: bool = True
    """Drop Access-Requests without a Message-Authenticator; some LNSs send none."""
    users: tuple[SimUser, ...] = ()
    """The first that matches answers."""
    accounting_port: int = 1813
    """Its UDP port for accounting."""


@dataclass(frozen=True, slots=True)
class SimPhase:
    """A phase of a scenario of `dialout sim`. Phases follow each other, and the last one ends it.
    What a phase does not give is as the LAC has it."""

    duration: float
    """Seconds."""
    name: str = ""
    """What the report calls it."""
    lacs: tuple[str, ...] = ()
    """Addresses of the LACs that it concerns; empty: all."""
    outcome: str | None = None
    """What a call meets, unless the LAC has a rule for its number."""
    modems: int | None = None
    """Calls at once."""
    dial_delay: float | None = None
    """Seconds from OCRQ to the answer."""
    hold: float | None = None
    """Seconds that a call lasts, of calls that are answered in the phase."""
    delay: float | None = None
    """One-way delay of the line to the LAC, seconds."""
    jitter: float | None = None
    """Added to it at random, up to this, seconds."""
    loss: float | None = None
    """Share of datagrams lost, each way."""
    duplicate: float | None = None
    """Share that arrives twice."""
    reorder: float | None = None
    """Share that later ones overtake."""
    corrupt: float | None = None
    """Share in which bits are flipped."""
    silent: bool = False
    """LACs neither hear nor say anything."""
    fault: str = ""
    """What happens at its beginning: `stopccn` (every tunnel is closed, calls or not), `reboot`
    (all is forgotten without a word), `carriers` (all modems lose theirs)."""
    fault_interval: float = 0.0
    """Seconds after which the fault happens again, and so on; 0: once."""
    trigger_rate: float = 0.0
    """Packets a second that are sent to `destinations`, UDP to port 9, by this machine's routes."""
    destinations: str = ""
    """Prefix whose addresses are the packets' destinations, in turn."""
    call_rate: float = 0.0
    """Incoming calls (ICRQ) a second, by the LACs in turn, for `lns`."""
    lns: str = ""
    """Address of the LNS that is called."""
    lns_port: int = 1701
    """Its UDP port."""
    caller: str = ""
    """Number of the [[sim.cpe]] that calls in."""
    called: str = ""
    """Number that it dials."""


@dataclass(frozen=True, slots=True)
class Sim:
    """The simulated other side of `demo`, `replay` and `sim`."""

    seed: int = 1
    """Of every random number; the same seed and input give the same run."""
    drain: float = 10.0
    """Virtual seconds that a replay goes on after its last packet."""
    lac: tuple[SimLac, ...] = ()
    """Each has its own address and line."""
    cpe: tuple[SimCpe, ...] = ()
    """All are reached through every LAC."""
    radius: tuple[SimRadius, ...] = ()
    """Each has its own address or port."""
    phase: tuple[SimPhase, ...] = ()
    """The scenario of `dialout sim`; none: it runs until it is ended."""
