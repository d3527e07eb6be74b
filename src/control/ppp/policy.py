"""What a negotiation asks of the protocol whose options it negotiates (RFC 1661 5.1 to 5.4, 6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from control.ppp.events import LinkClosed
from control.ppp.options import Option, OptionRow
from control.unlocked import unlocked


@unlocked
@dataclass(frozen=True, slots=True)
class Answer:
    """What we think of a Configure-Request; empty: acceptable."""

    naks: tuple[tuple[Option | None, Option], ...] = ()
    """The peer's option (None: it did not send one) and the one we would take."""
    rejects: tuple[Option, ...] = ()


class Opinion(Enum):
    """What we think of one option, unless we want it with another value."""

    ACCEPT = "accept"
    REJECT = "reject"


class Policy(Protocol):
    """What the options of one protocol mean."""

    failure: LinkClosed | None
    """Set when negotiating on is pointless."""

    def reset(self) -> None:
        """A new negotiation begins: forget what the peer made of our last one."""

    def request(self) -> tuple[Option, ...]:
        """The options we ask for next."""

    def judge(self, options: tuple[Option, ...]) -> Answer:
        """What is wrong with a request of the peer."""

    def agree(self, options: tuple[Option, ...]) -> None:
        """The peer's request was acknowledged: its values hold from now on."""

    def take_nak(self, options: tuple[Option, ...]) -> None:
        """The peer wants other values."""

    def take_reject(self, options: tuple[Option, ...]) -> None:
        """The peer does not negotiate these."""


def judge_each(
    options: tuple[Option, ...],
    table: Mapping[int, OptionRow[Any]],
    opinion: Callable[[Option], Opinion | Option],
    counters: Counter[str],
) -> Answer:
    """Judge a request option by option. Options that we never negotiate are rejected, and so is
    every copy but the first of one that came twice: none may be listed twice (RFC 1661 6)."""
    naks: list[tuple[Option | None, Option]] = []
    rejects: list[Option] = []
    seen: set[int] = set()
    for option in options:
        row = table.get(option.kind)
        if option.kind in seen:
            counters["duplicate_option"] += 1
            rejects.append(option)
        elif row is None or not row.negotiable:
            rejects.append(option)
        else:
            verdict = opinion(option)
            if isinstance(verdict, Option):
                naks.append((option, verdict))
            elif verdict is Opinion.REJECT:
                rejects.append(option)
        seen.add(option.kind)
    return Answer(tuple(naks), tuple(rejects))


def first_of_each(options: tuple[Option, ...]) -> dict[int, Option]:
    """The options by kind; of several of one kind the first counts."""
    found: dict[int, Option] = {}
    for option in options:
        found.setdefault(option.kind, option)
    return found
