"""IPv6 Control Protocol: the interface identifiers of both ends of one link (RFC 5072 4).

The automaton and packets are negotiation.py. No header compression. Addresses are not negotiated
here: a Router Advertisement or a static configuration gives them.
"""

from __future__ import annotations

from typing import Final

from control.errors import DecodeError
from control.ppp.config import LinkConfig, read_identifier
from control.ppp.events import LinkClosed
from control.ppp.options import INTERFACE_IDENTIFIER, IPV6CP_OPTIONS, Option
from control.ppp.outbox import Outbox
from control.ppp.policy import Answer, Opinion, first_of_each, judge_each
from control.ppp.randomness import Randomness

NO_IDENTIFIER: Final = LinkClosed(
    "ipv6cp", "the peer takes no interface identifier of ours", "address"
)

_UNIVERSAL: Final = 1 << 57
"""The u bit: set only in identifiers made of a global one (RFC 4291 2.5.1)."""


class Ipv6cpPolicy:
    __slots__ = ("_box", "_config", "_rng", "assigned", "failure", "local", "peer")

    def __init__(self, config: LinkConfig, rng: Randomness, box: Outbox) -> None:
        self.failure: LinkClosed | None = None
        self.local = 0
        self.peer = 0
        """What the peer uses, as agreed; 0: not yet."""
        self.assigned = _number(config.peer_interface_identifier)
        """What the peer has to use; 0: its choice."""
        self._config = config
        self._rng = rng
        self._box = box

    def reset(self) -> None:
        self.local = _number(self._config.interface_identifier)
        if not self.local or self.local == self.assigned:
            self.local = self._new_identifier()

    def request(self) -> tuple[Option, ...]:
        return (INTERFACE_IDENTIFIER.option(self.local),)

    def judge(self, options: tuple[Option, ...]) -> Answer:
        answer = judge_each(options, IPV6CP_OPTIONS, self._opinion, self._box.counters)
        if INTERFACE_IDENTIFIER.kind not in first_of_each(options):
            wanted = INTERFACE_IDENTIFIER.option(self._suggestion())
            return Answer((*answer.naks, (None, wanted)), answer.rejects)
        return answer

    def agree(self, options: tuple[Option, ...]) -> None:
        self.peer = INTERFACE_IDENTIFIER.value(first_of_each(options)[INTERFACE_IDENTIFIER.kind])

    def take_nak(self, options: tuple[Option, ...]) -> None:
        wanted = first_of_each(options).get(INTERFACE_IDENTIFIER.kind)
        if wanted is None:
            return
        try:
            number = INTERFACE_IDENTIFIER.value(wanted)
        except DecodeError:
            return
        if number in (0, self.local, self.peer, self.assigned):
            number = self._new_identifier()
        self.local = number

    def take_reject(self, options: tuple[Option, ...]) -> None:
        if INTERFACE_IDENTIFIER.kind in first_of_each(options):
            self.failure = NO_IDENTIFIER

    def check(self) -> None:
        """IPV6CP is open: nothing is missing by now."""

    def _opinion(self, option: Option) -> Opinion | Option:
        try:
            number = INTERFACE_IDENTIFIER.value(option)
        except DecodeError:
            number = 0
        if number in (0, self.local) or self.assigned not in (0, number):
            return INTERFACE_IDENTIFIER.option(self._suggestion())
        return Opinion.ACCEPT

    def _suggestion(self) -> int:
        return self.assigned or self._new_identifier()

    def _new_identifier(self) -> int:
        """A random one that nobody on this link has."""
        number = int.from_bytes(self._rng.randbytes(8), "big") & ~_UNIVERSAL
        while number in (0, self.local, self.peer, self.assigned):
            number = (number + 1) & ~_UNIVERSAL
        return number


def _number(text: str) -> int:
    return read_identifier(text) if text else 0
