"""The table of commands: complete, and each row refused to whom it is not for."""

from __future__ import annotations

import pytest

from control.dialout.levels import TargetState, VirtualRouterState, state_name
from control.dialout.session_table import SessionState
from control.operation import table
from control.operation.dispatch import HANDLERS, read
from control.operation.protocol import BadRequest, Code, encode
from control.operation.roles import Access, Members, Peer, Role
from control.operation.schema import VIEWS, schema
from control.operation.table import COMMANDS

GOOD = {
    "prefix": "198.51.100.0/24",
    "destination": "198.51.100.7",
    "address": "192.0.2.1",
    "domain": "example.org",
    "profile": "modem",
}
"""Values of arguments that are required."""


def arguments_of(name: str) -> dict:
    return {row.name: GOOD[row.name] for row in COMMANDS[name].arguments if row.required}


def test_each_command_has_a_handler_and_a_schema():
    assert set(HANDLERS) == set(COMMANDS)
    assert {row.result for row in COMMANDS.values()} == set(VIEWS)


def test_states_are_those_of_the_machines():
    sessions = [state_name(state) for state in SessionState if state is not SessionState.NONE]
    assert list(table.SESSION_STATES) == sessions
    assert set(table.TARGET_STATES) == {state_name(state) for state in TargetState}
    assert set(table.ROUTER_STATES) == {state_name(state) for state in VirtualRouterState}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_for_its_role_and_those_above(name, role):
    line = encode(1, name, arguments_of(name))
    if role >= COMMANDS[name].role:
        request, command = read(line, role)
        assert (request.command, command) == (name, COMMANDS[name])
        assert set(request.arguments) == {row.name for row in command.arguments}
    else:
        with pytest.raises(BadRequest, match="needs the role") as raised:
            read(line, role)
        assert raised.value.code is Code.FORBIDDEN


def test_what_changes_something_is_not_for_readers():
    for name, row in COMMANDS.items():
        looks = name.startswith("show ") or name in ("counters", "explain", "hello", "top")
        assert (row.role <= Role.READ) == looks


def test_nobody_without_a_role_is_told_more_than_who_answers():
    assert [name for name, row in COMMANDS.items() if row.role is Role.NONE] == ["hello"]


ROWS = [(name, row) for name, command in COMMANDS.items() for row in command.arguments]


@pytest.mark.parametrize(("name", "row"), ROWS, ids=[f"{name} {row.name}" for name, row in ROWS])
def test_values_of_another_type_are_refused_with_what_is_allowed(name, row):
    wrong: list = [[], {}, [1], {"a": 1}, "\x00", "", "x" * 4097, -1, float(10**300)]
    for value in wrong:
        told = {**arguments_of(name), row.name: value}
        with pytest.raises(BadRequest) as raised:
            read(encode(1, name, told), Role.ADMIN)
        assert raised.value.code is Code.BAD_ARGUMENT
        assert row.name in str(raised.value)
        assert row.allowed in str(raised.value)


@pytest.mark.parametrize("name", [name for name in COMMANDS if arguments_of(name)])
def test_required_arguments_are_asked_for(name):
    for missing in arguments_of(name):
        told = {key: value for key, value in arguments_of(name).items() if key != missing}
        with pytest.raises(BadRequest, match=f"needs {missing}"):
            read(encode(1, name, told), Role.ADMIN)


def test_unknown_commands_and_arguments_are_refused():
    with pytest.raises(BadRequest, match="no command 'show nothing'") as raised:
        read(encode(1, "show nothing", {}), Role.ADMIN)
    assert raised.value.code is Code.UNKNOWN_COMMAND
    with pytest.raises(BadRequest, match="it has address"):
        read(encode(1, "lac drain", {"adress": "192.0.2.1"}), Role.ADMIN)


def test_addresses_and_prefixes_become_canonical():
    told = {"destination": "2001:DB8:0::1"}
    assert read(encode(1, "explain", told), Role.READ)[0].arguments["destination"] == "2001:db8::1"
    told = {"prefix": "198.51.100.9/24"}
    found = read(encode(1, "target remove", told), Role.ADMIN)[0].arguments["prefix"]
    assert found == "198.51.100.0/24"


ACCESS = Access(
    1000,
    read=Members(frozenset({1}), frozenset({10})),
    operate=Members(frozenset({2}), frozenset({20})),
    admin=Members(frozenset({3}), frozenset({30})),
)


@pytest.mark.parametrize(
    ("uid", "groups", "role"),
    [
        (0, (), Role.ADMIN),
        (1000, (), Role.ADMIN),
        (99, (), Role.NONE),
        (1, (), Role.READ),
        (2, (), Role.OPERATE),
        (3, (), Role.ADMIN),
        (99, (10,), Role.READ),
        (99, (20,), Role.OPERATE),
        (99, (30,), Role.ADMIN),
        (99, (10, 30, 20), Role.ADMIN),
        (1, (20,), Role.OPERATE),
        (99, (1, 2, 3), Role.NONE),
        (10, (), Role.NONE),
    ],
)
def test_the_highest_role_of_user_and_groups_counts(uid, groups, role):
    assert ACCESS.role(Peer(7, uid, frozenset(groups))) is role


def test_schemas_are_of_objects_whose_fields_are_all_told():
    for name in VIEWS:
        made = schema(name)
        for one in made.get("anyOf", [made]):
            assert one["type"] == "object"
            assert one["required"] == list(one["properties"])
            assert one["additionalProperties"] is False
