"""One call of the simulated LAC, what its far side must be able to do, and what the LAC counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from control.l2tp.events import CallConnected
from control.sim.clock import Scheduled


class FarLine(Protocol):
    """The far side of a modem that was answered: cpe.Line, or one that leaves this process."""

    def start(self) -> None:
        """The modems have trained: PPP begins."""

    def drop(self) -> None:
        """The carrier is gone; may be called again."""

    def receive_frame(self, frame: bytes) -> None:
        """One PPP frame as it stood in the L2TP payload."""

    def receive_quiet(self, count: int) -> None:
        """As many IP packets that nobody answers."""


class Site(Protocol):
    """Whoever picks up when a number is dialed."""

    @property
    def number(self) -> str: ...
    @property
    def delay(self) -> float:
        """Seconds to its answer."""

    def answer(
        self,
        *,
        send: Callable[[bytes], object],
        hang_up: Callable[[str], object],
        on_open: Callable[[], object] | None = None,
    ) -> FarLine:
        """Picks up: a line that `start` brings to life. `send` takes PPP frames to the caller,
        `hang_up` is called with the reason when this side ends the call, `on_open` when its IPCP is
        open, as far as it knows. None is called after the line's `drop`."""


@dataclass(slots=True)
class LacCounters:
    control_in: int = 0
    control_out: int = 0
    control_wrong_port: int = 0
    """Of those that came in, dropped because their tunnel lives on another port of ours."""
    data_in: int = 0
    """Data messages received: those that reached a CPE and the six below."""
    malformed: int = 0
    unknown_session: int = 0
    wrong_peer: int = 0
    """Not from the address and port that the call belongs to."""
    wrong_port: int = 0
    """Data sent to a port that the call does not use."""
    unsequenced: int = 0
    """Came without Ns though AVP 39 required it."""
    late: int = 0
    """Ns of the past: a duplicate, or overtaken."""
    missing: int = 0
    """Gaps in Ns, in messages."""
    data_out: int = 0
    muted: int = 0
    """Datagrams of both ways that were dropped because the LAC was told to be silent."""


@dataclass(slots=True)
class LacCall:
    """A call from OCRQ to its end."""

    handle: int
    number: str
    began: float = 0.0
    """When OCRQ came, seconds."""
    has_modem: bool = False
    dialing: Scheduled | None = None
    holding: Scheduled | None = None
    """Hangs up a call that lasts as long as it should."""
    site: Site | None = None
    line: FarLine | None = None
    link: CallConnected | None = None
    ns: int = 0
    """Of the next message we send."""
    expected: int = 0
    """Ns of the next message we receive."""
    send_ns: bool = False
