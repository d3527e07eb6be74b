"""Every cell of the transition table of specification 1.4.6."""

import pytest

from control.dialout.session_table import SESSION_TABLE, SessionAction, SessionEvent, SessionState
from control.fsm import IllegalEvent

S, E, A = SessionState, SessionEvent, SessionAction

LETTERS = {
    "N": S.NONE,
    "D": S.DORMANT,
    "P": S.PENDING,
    "A": S.AUTHENTICATING,
    "C": S.CONNECTING,
    "S": S.IN_SERVICE,
    "I": S.INHIBITED,
    "O": S.POST_INHIBITED,
    "F": S.FAILED,
}
# Columns: none dormant pending authenticating connecting inService inhibited postInhibited failed.
# A letter is the next state, `.` the same state without leaving it, `-` cannot happen.
GRID = """
TRIGGER_SLOT            A A . . . . . A .
TRIGGER_NO_SLOT         P P . . . . . P .
TRIGGER_LIMIT           . . . . . . . . .
AAA_GRANT               . . . C . . . . .
AAA_GRANT_REACHABLE     . . . D . . . . .
AAA_GRANT_NO_TOKEN      . . . P . . . . .
BUDGET_DENIED           . . . I . . . . .
AAA_DENY                . . . I . . . . .
AAA_TIMEOUT             - - - I - - - - -
AAA_NO_RESOURCES        - - - I - - - - -
CANDIDATES_FAILED       - - - - . - - - -
CANDIDATES_FAILED_FAST  - - - - I - - - -
PPP_FAILED              - - - - . - - - -
PPP_FAILED_FAST         - - - - I - - - -
CALL_LOST               - - - - . - - - -
CALL_LOST_FAST          - - - - I - - - -
ROUTE_VERIFIED          - - - - S - - - -
ROUTE_UNFIT             - - - - F - - - -
CONNECTING_TIMER        - - - - I - - - -
CALL_CLOSED_OLD         - - - - - D - - -
CALL_CLOSED_YOUNG       - - - - - I - - -
INHIBITED_TIMER         - - - - - - O - -
POST_INHIBITED_TIMER    - - - - - - - D -
DORMANT_TIMER           - N - - - - - - -
SLOT_FREED              - - D - - - - - -
RESET                   - . D D D D D D D
DELETE                  - N N N N N N N N
"""
CELLS = [
    pytest.param(S(column), E[name], cell, id=f"{name}-in-{S(column).name}")
    for name, *row in (line.split() for line in GRID.strip().splitlines())
    for column, cell in enumerate(row)
]


@pytest.mark.parametrize(("state", "event", "cell"), CELLS)
def test_cell(state, event, cell):
    if cell == "-":
        with pytest.raises(IllegalEvent):
            SESSION_TABLE.step(state, event)
        return
    row = SESSION_TABLE.step(state, event)
    assert row.next is (state if cell == "." else LETTERS[cell])


def test_the_grid_names_every_event_and_state():
    assert len(CELLS) == len(S) * len(E)
    assert len(list(SESSION_TABLE)) == len(CELLS)


def test_state_values_are_those_of_the_mib():
    assert [state.name for state in sorted(S, key=lambda state: state.value)] == [
        *("NONE", "DORMANT", "PENDING", "AUTHENTICATING", "CONNECTING"),
        *("IN_SERVICE", "INHIBITED", "POST_INHIBITED", "FAILED"),
    ]


@pytest.mark.parametrize("state", [s for s in S if s not in (S.NONE, S.AUTHENTICATING)])
@pytest.mark.parametrize(
    "event", [E.AAA_GRANT, E.AAA_GRANT_REACHABLE, E.AAA_GRANT_NO_TOKEN, E.BUDGET_DENIED, E.AAA_DENY]
)
def test_answers_out_of_place_do_nothing(state, event):
    assert SESSION_TABLE.step(state, event).actions == ()


def entering(state):
    """Rows that enter a state from another one."""
    return [row for old, _, row in SESSION_TABLE if row and row.next is state and old is not state]


def buffer_order(row):
    orders = (A.HOLD, A.DISCARD, A.DROP, A.FORGET, A.FLUSH, A.FLUSH_ELSEWHERE)
    return [action for action in row.actions if action in orders]


@pytest.mark.parametrize(
    ("state", "order"),
    [
        (S.AUTHENTICATING, [A.HOLD]),
        (S.CONNECTING, [A.DISCARD]),
        (S.IN_SERVICE, [A.FLUSH]),
        (S.PENDING, [A.DROP]),
        (S.INHIBITED, [A.DROP]),
        (S.FAILED, [A.DROP]),
        (S.POST_INHIBITED, [A.FORGET]),
        (S.NONE, [A.FORGET]),
    ],
)
def test_entering_a_state_orders_what_happens_to_triggers(state, order):
    assert all(buffer_order(row) == order for row in entering(state))


def test_entering_dormant_ends_the_key_in_every_row():
    assert all(
        buffer_order(row) in ([A.FORGET], [A.FLUSH_ELSEWHERE]) for row in entering(S.DORMANT)
    )


@pytest.mark.parametrize(
    ("state", "timer"),
    [
        (S.CONNECTING, A.START_CONNECTING),
        (S.INHIBITED, A.START_INHIBITED),
        (S.POST_INHIBITED, A.START_POST_INHIBITED),
        (S.DORMANT, A.START_DORMANT),
    ],
)
def test_entering_a_state_with_a_timer_starts_it(state, timer):
    assert all(timer in row.actions for row in entering(state))


def test_leaving_a_slot_gives_it_away_last():
    for state, event, row in SESSION_TABLE:
        if row is None or state not in (S.AUTHENTICATING, S.CONNECTING) or row.next is state:
            continue
        frees = row.next not in (S.AUTHENTICATING, S.CONNECTING)
        if event is not E.AAA_GRANT_NO_TOKEN:
            assert (row.actions[-1] is A.FREE_SLOT) == frees


def test_a_call_is_closed_wherever_connecting_or_in_service_is_left_otherwise():
    for state, event, row in SESSION_TABLE:
        if row and state in (S.CONNECTING, S.IN_SERVICE) and row.next is not state:
            assert (A.CLOSE_CALL in row.actions) == (event is not E.ROUTE_VERIFIED)


def test_only_a_reset_or_a_deletion_leaves_failed():
    leaving = [e for s, e, row in SESSION_TABLE if s is S.FAILED and row and row.next is not s]
    assert leaving == [E.RESET, E.DELETE]


def test_the_diagram_is_made_from_the_table():
    assert "CONNECTING --> FAILED: ROUTE_UNFIT" in SESSION_TABLE.mermaid()
