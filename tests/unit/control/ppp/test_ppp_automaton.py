"""The automaton against the state transition table of RFC 1661 4.1, cell by cell."""

from __future__ import annotations

import pytest

from control.fsm import IllegalEvent
from control.ppp.automaton import NEGOTIATING, TABLE, TIMED, Event, State

# Written down from the two grids of the RFC. A cell is actions/state; letters are footnotes.
GRID = """
        0      1          2          3              4     5
Up    | 2      irc,scr/6  -          -              -     -
Down  | -      -          0          tls/1          0     1
Open  | tls/1  1          irc,scr/6  3r             5r    5r
Close | 0      tlf/0      2          2              4     4
TO+   | -      -          -          -              str/4 str/5
TO-   | -      -          -          -              tlf/2 tlf/3
RCR+  | -      -          sta/2      irc,scr,sca/8  4     5
RCR-  | -      -          sta/2      irc,scr,scn/6  4     5
RCA   | -      -          sta/2      sta/3          4     5
RCN   | -      -          sta/2      sta/3          4     5
RTR   | -      -          sta/2      sta/3          sta/4 sta/5
RTA   | -      -          2          3              tlf/2 tlf/3
RUC   | -      -          scj/2      scj/3          scj/4 scj/5
RXJ+  | -      -          2          3              4     5
RXJ-  | -      -          tlf/2      tlf/3          tlf/2 tlf/3
RXR   | -      -          2          3              4     5

        6          7          8          9
Up    | -          -          -          -
Down  | 1          1          1          tld/1
Open  | 6          7          8          9r
Close | irc,str/4  irc,str/4  irc,str/4  tld,irc,str/4
TO+   | scr/6      scr/6      scr/8      -
TO-   | tlf/3p     tlf/3p     tlf/3p     -
RCR+  | sca/8      sca,tlu/9  sca/8      tld,scr,sca/8
RCR-  | scn/6      scn/7      scn/6      tld,scr,scn/6
RCA   | irc/7      scr/6x     irc,tlu/9  tld,scr/6x
RCN   | irc,scr/6  scr/6x     irc,scr/8  tld,scr/6x
RTR   | sta/6      sta/6      sta/6      tld,zrc,sta/5
RTA   | 6          6          8          tld,scr/6
RUC   | scj/6      scj/7      scj/8      scj/9
RXJ+  | 6          6          8          9
RXJ-  | tlf/3      tlf/3      tlf/3      tld,irc,str/5
RXR   | 6          7          8          ser/9
"""


def read_grid() -> dict[tuple[int, str], str]:
    found = {}
    columns: list[int] = []
    for line in GRID.splitlines():
        event, bar, row = line.partition("|")
        if not bar:
            columns = [int(word) for word in line.split()]
        else:
            for column, cell in zip(columns, row.split(), strict=True):
                found[column, event.strip()] = cell
    return found


CELLS = read_grid()


def test_grid_has_ten_states_and_sixteen_events() -> None:
    assert len(CELLS) == 10 * 16
    assert len(State) == 10
    assert len(Event) == 16


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_cell_is_that_of_the_rfc(state: State, event: Event) -> None:
    cell = CELLS[state.value, event.value]
    if cell == "-":
        with pytest.raises(IllegalEvent):
            TABLE.step(state, event)
        return
    actions, _, target = cell.rpartition("/")
    row = TABLE.step(state, event)
    assert row.next is State(int(target.rstrip("rpx")))
    assert [action.value for action in row.actions] == actions.split(",") * bool(actions)


def test_restart_timer_runs_where_the_table_has_timeouts() -> None:
    timed = {state for state in State if CELLS[state.value, "TO+"] != "-"}
    assert timed == set(TIMED)
    assert timed - {State.CLOSING, State.STOPPING} == set(NEGOTIATING)


def test_actions_that_start_the_timer_lead_to_states_that_have_it() -> None:
    for _, _, row in TABLE:
        if row is not None and {"scr", "str", "zrc"} & {action.value for action in row.actions}:
            assert row.next in TIMED
