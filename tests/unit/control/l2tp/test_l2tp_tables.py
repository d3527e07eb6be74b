"""The three state tables, cell by cell, against a second writing of RFC 2661 7.2.1, 7.5.1 and
7.5.2. A line reads `state: events -> next: actions`; `never` is a cell that cannot happen."""

from __future__ import annotations

from enum import Enum

import pytest

from control.fsm import IllegalEvent, Table
from control.l2tp import lac_table, lns_table, tunnel_table

TUNNEL = """
IDLE: LOCAL_OPEN -> WAIT_CTL_REPLY: SEND_SCCRQ
IDLE: SCCRQ_GOOD -> WAIT_CTL_CONN: SEND_SCCRP
IDLE: SCCRQ_BAD SCCRP_GOOD SCCRP_BAD -> IDLE: SEND_STOPCCN CLEAN_UP
IDLE: SCCCN_GOOD SCCCN_BAD STOPCCN FAULT LOCAL_CLOSE -> IDLE: CLEAN_UP
IDLE: TIE_WON TIE_LOST TIE_EQUAL TIE_NONE -> never
IDLE: PEER_DEAD -> IDLE: VANISH
WAIT_CTL_REPLY: LOCAL_OPEN TIE_WON TIE_NONE -> WAIT_CTL_REPLY:
WAIT_CTL_REPLY: SCCRP_GOOD -> ESTABLISHED: SEND_SCCCN REPORT_OPEN OPEN_WAITING
WAIT_CTL_REPLY: SCCRP_BAD SCCCN_GOOD SCCCN_BAD FAULT LOCAL_CLOSE -> IDLE: SEND_STOPCCN CLEAN_UP
WAIT_CTL_REPLY: SCCRQ_GOOD SCCRQ_BAD -> IDLE: SEND_STOPCCN CLEAN_UP
WAIT_CTL_REPLY: TIE_LOST -> IDLE: HAND_OVER VANISH
WAIT_CTL_REPLY: TIE_EQUAL PEER_DEAD -> IDLE: VANISH
WAIT_CTL_REPLY: STOPCCN -> IDLE: CLEAN_UP
WAIT_CTL_CONN: LOCAL_OPEN -> WAIT_CTL_CONN:
WAIT_CTL_CONN: SCCCN_GOOD -> ESTABLISHED: REPORT_OPEN OPEN_WAITING
WAIT_CTL_CONN: SCCCN_BAD SCCRP_GOOD SCCRP_BAD SCCRQ_GOOD SCCRQ_BAD -> IDLE: SEND_STOPCCN CLEAN_UP
WAIT_CTL_CONN: FAULT LOCAL_CLOSE -> IDLE: SEND_STOPCCN CLEAN_UP
WAIT_CTL_CONN: STOPCCN -> IDLE: CLEAN_UP
WAIT_CTL_CONN: PEER_DEAD -> IDLE: VANISH
WAIT_CTL_CONN: TIE_WON TIE_LOST TIE_EQUAL TIE_NONE -> never
ESTABLISHED: LOCAL_OPEN -> ESTABLISHED: OPEN_WAITING
ESTABLISHED: SCCRQ_GOOD SCCRQ_BAD SCCRP_GOOD SCCRP_BAD -> IDLE: SEND_STOPCCN CLEAN_UP
ESTABLISHED: SCCCN_GOOD SCCCN_BAD FAULT LOCAL_CLOSE -> IDLE: SEND_STOPCCN CLEAN_UP
ESTABLISHED: STOPCCN -> IDLE: CLEAN_UP
ESTABLISHED: PEER_DEAD -> IDLE: VANISH
ESTABLISHED: TIE_WON TIE_LOST TIE_EQUAL TIE_NONE -> never
"""

LNS_CALL = """
IDLE: LOCAL_OPEN -> WAIT_TUNNEL:
IDLE: OCRP_GOOD OCRP_BAD OCCN_GOOD OCCN_BAD CDN OCRQ FAULT LOCAL_CLOSE -> IDLE:
IDLE: TUNNEL_OPEN INCAPABLE PATIENCE_OVER TUNNEL_DOWN -> never
WAIT_TUNNEL: TUNNEL_OPEN -> WAIT_REPLY: SEND_OCRQ
WAIT_TUNNEL: LOCAL_CLOSE INCAPABLE PATIENCE_OVER TUNNEL_DOWN -> IDLE: CLEAN_UP
WAIT_TUNNEL: LOCAL_OPEN OCRP_GOOD OCRP_BAD OCCN_GOOD OCCN_BAD OCRQ CDN FAULT -> never
WAIT_REPLY: OCRP_GOOD -> WAIT_CONNECT: REPORT_ACCEPTED
WAIT_REPLY: OCRP_BAD OCCN_GOOD OCCN_BAD OCRQ FAULT LOCAL_CLOSE -> IDLE: SEND_CDN CLEAN_UP
WAIT_REPLY: PATIENCE_OVER -> IDLE: SEND_CDN CLEAN_UP
WAIT_REPLY: CDN TUNNEL_DOWN -> IDLE: CLEAN_UP
WAIT_REPLY: LOCAL_OPEN TUNNEL_OPEN INCAPABLE -> never
WAIT_CONNECT: OCCN_GOOD -> ESTABLISHED: REPORT_CONNECTED
WAIT_CONNECT: OCRP_GOOD OCRP_BAD OCCN_BAD OCRQ FAULT LOCAL_CLOSE -> IDLE: SEND_CDN CLEAN_UP
WAIT_CONNECT: CDN TUNNEL_DOWN -> IDLE: CLEAN_UP
WAIT_CONNECT: LOCAL_OPEN TUNNEL_OPEN INCAPABLE PATIENCE_OVER -> never
ESTABLISHED: OCRP_GOOD OCRP_BAD OCCN_GOOD OCCN_BAD OCRQ FAULT -> IDLE: SEND_CDN CLEAN_UP
ESTABLISHED: LOCAL_CLOSE -> IDLE: SEND_CDN CLEAN_UP
ESTABLISHED: CDN TUNNEL_DOWN -> IDLE: CLEAN_UP
ESTABLISHED: LOCAL_OPEN TUNNEL_OPEN INCAPABLE PATIENCE_OVER -> never
"""

LAC_CALL = """
IDLE: OCRQ_GOOD -> WAIT_ACCEPT: REPORT_REQUEST
IDLE: OCRQ_BAD OCRP -> IDLE: SEND_CDN CLEAN_UP
IDLE: OCCN CDN FAULT -> IDLE: CLEAN_UP
IDLE: LOCAL_ACCEPT BEARER_ANSWER LOCAL_CLOSE TUNNEL_DOWN -> never
WAIT_ACCEPT: LOCAL_ACCEPT -> WAIT_CS_ANSWER: SEND_OCRP
WAIT_ACCEPT: OCRQ_GOOD OCRQ_BAD OCRP OCCN FAULT LOCAL_CLOSE -> IDLE: SEND_CDN CLEAN_UP
WAIT_ACCEPT: CDN TUNNEL_DOWN -> IDLE: CLEAN_UP
WAIT_ACCEPT: BEARER_ANSWER -> never
WAIT_CS_ANSWER: BEARER_ANSWER -> ESTABLISHED: SEND_OCCN REPORT_CONNECTED
WAIT_CS_ANSWER: OCRQ_GOOD OCRQ_BAD OCRP OCCN FAULT LOCAL_CLOSE -> IDLE: SEND_CDN CLEAN_UP
WAIT_CS_ANSWER: CDN TUNNEL_DOWN -> IDLE: CLEAN_UP
WAIT_CS_ANSWER: LOCAL_ACCEPT -> never
ESTABLISHED: OCRQ_GOOD OCRQ_BAD OCRP OCCN FAULT LOCAL_CLOSE -> IDLE: SEND_CDN CLEAN_UP
ESTABLISHED: CDN TUNNEL_DOWN -> IDLE: CLEAN_UP
ESTABLISHED: LOCAL_ACCEPT BEARER_ANSWER -> never
"""

Cells = dict[tuple[str, str], tuple[str, tuple[str, ...]] | None]


def _parse(text: str) -> Cells:
    cells: Cells = {}
    for line in text.strip().splitlines():
        left, right = line.split(" -> ")
        state, names = left.split(": ")
        for event in names.split():
            assert (state, event) not in cells
            if right == "never":
                cells[state, event] = None
            else:
                target, actions = right.split(":")
                cells[state, event] = (target, tuple(actions.split()))
    return cells


CASES = [
    (tunnel_table.TUNNEL, TUNNEL),
    (lns_table.LNS_CALL, LNS_CALL),
    (lac_table.LAC_CALL, LAC_CALL),
]


@pytest.mark.parametrize(("table", "text"), CASES, ids=lambda x: getattr(x, "name", ""))
def test_every_cell_of_the_table(table: Table[Enum, Enum, Enum], text: str) -> None:
    expected = _parse(text)
    assert set(expected) == {(s.name, e.name) for s in table.states for e in table.events}
    for state in table.states:
        for event in table.events:
            cell = expected[state.name, event.name]
            if cell is None:
                with pytest.raises(IllegalEvent):
                    table.step(state, event)
                continue
            row = table.step(state, event)
            assert (row.next.name, tuple(a.name for a in row.actions)) == cell, (state, event)


@pytest.mark.parametrize(("table", "text"), CASES, ids=lambda x: getattr(x, "name", ""))
def test_every_state_is_left_again(table: Table[Enum, Enum, Enum], text: str) -> None:
    assert "IDLE --> " in table.mermaid()
    for state in table.states:
        rows = [row for s, _, row in table if s is state]
        assert any(row is not None and row.next is not state for row in rows)
