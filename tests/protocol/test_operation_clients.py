"""Clients of the control socket that mean ill, or do not know how: the router goes on."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live import PATIENCE
from operated import Client, Operator, operated

from control.operation import dispatch, show
from control.operation.protocol import LONGEST_LINE
from control.runtime import control_socket


def play(folder: Path, story: Callable[[Operator], Awaitable[None]]) -> None:
    async def run() -> None:
        async with operated(folder) as operator:
            await story(operator)
            assert (await (await operator.connect()).ask("hello"))["role"] == "admin"

    asyncio.run(run())


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await asyncio.sleep(0.01)


def test_a_line_that_is_too_long_is_the_last_one(tmp_path):
    async def story(operator: Operator) -> None:
        for octets in (b"x" * (LONGEST_LINE + 4097), b"[" * 100000):
            client = await operator.connect()
            client.send(octets)
            told = json.loads((await client.closed()).split(b"\n")[0])
            assert told["error"]["code"] == "malformed"

    play(tmp_path, story)


def test_lines_come_in_pieces_and_many_at_once(tmp_path):
    async def story(operator: Operator) -> None:
        client = await operator.connect()
        for octet in b'{"id":1,"command":"hello"}\n\n':
            client.send(bytes((octet,)))
            await asyncio.sleep(0)
        assert (await client.line())["id"] == 1
        client.send(b"".join(b'{"id":%d,"command":"hello"}\n' % n for n in range(500)))
        assert [(await client.line())["id"] for _ in range(500)] == list(range(500))

    play(tmp_path, story)


def test_after_a_refusal_the_connection_goes_on(tmp_path):
    async def story(operator: Operator) -> None:
        client = await operator.connect()
        for octets in (b"hello\n", b"[]\n", b"\xff\n", b'{"id":9,"command":"no"}\n'):
            client.send(octets)
            assert not (await client.line())["ok"]
        assert (await client.ask("hello"))["role"] == "admin"

    play(tmp_path, story)


def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(tmp_path):
    async def story(operator: Operator) -> None:
        for octets in (
            b"",
            b'{"id":1,',
            b'{"id":1,"command":"show sessions"}\n',
            b'{"id":1,"command":"counters","arguments":{"watch":3600}}\n',
            b'{"id":1,"command":"counters","arguments":{"watch":0.1}}\n' * 3,
        ):
            client = await operator.connect()
            client.send(octets)
            await client.writer.drain()
            client.writer.transport.abort()
        await until(lambda: not operator.server._tasks)
        assert not operator.server._users

    play(tmp_path, story)


def test_half_a_request_and_silence_have_their_time(tmp_path, monkeypatch):
    monkeypatch.setattr(control_socket, "PATIENCE", 0.05)
    monkeypatch.setattr(control_socket, "IDLE", 0.2)

    async def story(operator: Operator) -> None:
        for octets in (b'{"id":1', b""):
            client = await operator.connect()
            client.send(octets)
            assert await client.closed() == b""

    play(tmp_path, story)


def test_one_octet_now_and_then_does_not_buy_more_time(tmp_path, monkeypatch):
    monkeypatch.setattr(control_socket, "PATIENCE", 0.1)

    async def story(operator: Operator) -> None:
        client = await operator.connect()
        for _ in range(1000):
            client.send(b"x")
            await asyncio.sleep(0.01)
            if client.reader.at_eof() or client.reader.exception():
                return
        raise AssertionError("a client that never ends its line is served")

    play(tmp_path, story)


def test_who_does_not_read_is_dropped_and_what_waits_for_it_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(control_socket, "PATIENCE", 0.2)
    made = 0

    def endless(router, asked):
        def rows():
            nonlocal made
            while True:
                made += 1
                yield {"text": "x" * 1000}

        return show.Rows(rows())

    monkeypatch.setitem(dispatch.HANDLERS, "show lacs", endless)

    async def story(operator: Operator) -> None:
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.setblocking(False)
            await asyncio.get_running_loop().sock_connect(deaf, operator.path)
            deaf.send(b'{"id":1,"command":"show lacs"}\n')
            await until(lambda: operator.server._tasks)
            await until(lambda: not operator.server._tasks)
            assert made * 1000 < 4_000_000

    play(tmp_path, story)


def test_a_list_lets_others_have_their_turn(tmp_path, monkeypatch):
    """Between any two parts something else runs, even for a client that reads at once."""
    turns, most = 0, 0

    def long(router, asked):
        def rows():
            nonlocal most
            seen = turns
            for number in range(20 * control_socket.SLICE):
                if number % control_socket.SLICE == 0 and number:
                    most = max(most, control_socket.SLICE if turns == seen else 0)
                    seen = turns
                yield {"number": number}

        return show.Rows(rows())

    monkeypatch.setitem(dispatch.HANDLERS, "show lacs", long)

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def story(operator: Operator) -> None:
        task = asyncio.create_task(other())
        rows = await (await operator.connect()).ask("show lacs")
        task.cancel()
        assert [row["number"] for row in rows] == list(range(20 * control_socket.SLICE))
        assert most == 0

    play(tmp_path, story)


def test_one_user_cannot_shut_others_out(tmp_path):
    async def story(operator: Operator) -> None:
        operator.become("read")
        held = [await operator.connect() for _ in range(control_socket.MOST_OF_A_USER)]
        for client in held:
            assert (await client.ask("hello"))["role"] == "read"
        refused = await operator.connect()
        assert (await refused.line())["error"]["code"] == "busy"
        assert await refused.closed() == b""
        operator.become("admin")
        assert (await (await operator.connect()).ask("hello"))["role"] == "admin"
        for client in held:
            client.writer.close()

    play(tmp_path, story)


def test_administrators_are_bounded_too(tmp_path):
    async def story(operator: Operator) -> None:
        held = [await operator.connect() for _ in range(control_socket.MOST_CLIENTS)]
        for client in held:
            await client.ask("hello")
        refused = await operator.connect()
        assert (await refused.line())["error"]["code"] == "busy"
        for client in held:
            client.writer.close()
        await until(lambda: operator.server._users.total() < control_socket.MOST_CLIENTS)

    play(tmp_path, story)


def test_a_defect_of_a_handler_is_told_and_ends_nothing(tmp_path, monkeypatch):
    def broken(router, asked):
        raise ZeroDivisionError("private particulars")

    monkeypatch.setitem(dispatch.HANDLERS, "show lacs", broken)
    told = []

    async def story(operator: Operator) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: told.append(context["exception"]))
        client: Client = await operator.connect()
        error = await client.ask("show lacs")
        assert error == {"code": "internal", "message": "a defect of the router: ZeroDivisionError"}
        assert (await client.ask("hello"))["role"] == "admin"

    play(tmp_path, story)
    assert [type(error) for error in told] == [ZeroDivisionError]


REQUESTS = [
    b'{"id":1,"command":"hello"}\n',
    b'{"id":1,"command":"show sessions","arguments":{"detail":true}}\n',
    b'{"id":1,"command":"explain","arguments":{"destination":"198.51.100.7"}}\n',
    b'{"id":1,"command":"freeze"}\n',
]


@given(
    st.lists(
        st.binary(max_size=60) | st.sampled_from(REQUESTS) | st.just(b"\n") | st.just(b"{" * 2000),
        max_size=12,
    )
)
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_octets_are_answered_or_end_the_connection(stream, pieces):
    """Each whole line has one reply, unless one that is too long comes first."""
    whole = b"".join(pieces)
    lines = [line for line in whole.split(b"\n")[:-1] if line]
    replies = stream(whole)
    for reply in replies:
        assert reply["ok"] or reply["error"]["code"] in ("malformed", "unknown-command")
    too_long = any(len(line) > LONGEST_LINE for line in whole.split(b"\n"))
    assert too_long or len([r for r in replies if not r.get("more")]) == len(lines)


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    """One router for all examples; each is one connection."""
    folder = tmp_path_factory.mktemp("stream")

    with asyncio.Runner() as runner:
        context = operated(folder)
        operator = runner.run(context.__aenter__())
        defects = []
        runner.get_loop().set_exception_handler(lambda loop, told: defects.append(told))

        async def said(octets: bytes) -> list:
            client = await operator.connect()
            client.send(octets)
            client.writer.write_eof()
            found = [json.loads(line) for line in (await client.closed()).splitlines()]
            client.writer.close()
            await until(lambda: not operator.server._tasks)
            assert not defects
            return found

        yield lambda octets: runner.run(said(octets))
        runner.run(context.__aexit__(None, None, None))
