"""Whom a PPP link belongs to: what link_phase.py has to know of it, be it a dial-out session or an
incoming call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from control.config import Profile
    from control.dialout.virtual_router import VirtualRouter


class Owner(Protocol):
    """Somebody whose attempts are told apart by a number."""

    attempt_id: int
    """The attempt whose events count; 0: none is under way."""


class LinkOwner(Owner, Protocol):
    @property
    def owner(self) -> str:
        """Who owns the access routes in the RIB."""

    @property
    def router(self) -> VirtualRouter:
        """Whose table, RIB, RADIUS group and address the link uses."""

    @property
    def profile(self) -> Profile:
        """How PPP is built."""

    @property
    def destination(self) -> str:
        """What the access routes have to reach, IPv4 or IPv6; empty: nothing in particular."""

    @property
    def family(self) -> int:
        """4 or 6: without routes of this the call is of no use."""

    @property
    def key(self) -> int | None:
        """The data plane's trigger key whose packets wait for the routes; None: there is none."""

    def fact(self, now: float) -> tuple[float, str, str, str]:
        """The first fields of every fact about this owner (events.SessionFact)."""


@dataclass(frozen=True, slots=True)
class OwnName:
    """What we show a peer that wants proof of us."""

    username: str = ""
    """Empty: we never prove ourselves."""
    password: bytes = field(default=b"", repr=False)
    protocols: tuple[str, ...] | None = None
    """Methods we answer with, in order; None: those of the profile."""
