"""States of dial-out sessions over time, from the facts of a timeline."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from control.dialout.events import Event, SessionStateChanged
from control.dialout.levels import state_name
from control.dialout.session_table import SessionState
from control.html_report.charts import Bar, Lane, bar_text

LANES: Final = 40
"""Sessions that are drawn one by one."""


def colour(state: SessionState) -> str:
    """Its variable in page.css."""
    return state.name.lower().replace("_", "-")


STATES: Final = tuple(
    (colour(state), state_name(state)) for state in SessionState if state is not SessionState.NONE
)
"""Colour and name of each state."""


def session_lanes(events: Iterable[Event], end: float, most: int = LANES) -> tuple[list[Lane], int]:
    """The first `most` sessions, oldest first, and how many there are. `end`: when what still
    lasts is cut."""
    bars: dict[tuple[str, str, str], list[Bar]] = {}
    since: dict[tuple[str, str, str], float] = {}
    state: dict[tuple[str, str, str], SessionState] = {}

    def close(key: tuple[str, str, str], now: float) -> None:
        was, began = state[key], since[key]
        if was is not SessionState.NONE:
            told = bar_text(state_name(was), began, now)
            bars[key].append(Bar(began, now, colour(was), told))

    for event in events:
        if isinstance(event, SessionStateChanged):
            key = event.virtual_router, event.target, event.destination
            if key in bars:
                close(key, event.time)
            bars.setdefault(key, [])
            since[key], state[key] = event.time, event.new
    for key in bars:
        close(key, max(end, since[key]))
    return [Lane(key[2], tuple(bars[key])) for key in list(bars)[:most]], len(bars)
