"""Lists from the control socket, passed on as they came."""

from __future__ import annotations

import json
import socket
import threading

import pytest

from control.errors import ResourceError
from control.operation.protocol import BadRequest, Code, refusal, reply
from control.show.client import NotDone, ask_rows


@pytest.fixture
def router(tmp_path):
    """Makes a socket that answers one request with the lines that it is given."""
    path = str(tmp_path / "socket")
    threads = []

    def answering(*lines: bytes) -> str:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        listener.listen(1)

        def serve() -> None:
            with listener, listener.accept()[0] as one:
                one.recv(1 << 16)
                one.sendall(b"".join(lines))

        threads.append(threading.Thread(target=serve))
        threads[0].start()
        return path

    yield answering
    for thread in threads:
        thread.join()


ROWS = [{"destination": "10.0.0.1", "why": "a ] and a }"}, {"destination": "é", "why": '"'}]


def passed_on(path):
    parts = [part for part in ask_rows(path, "show sessions", {}) if part]
    return json.loads("[" + ",".join(parts) + "]")


def test_rows_that_are_passed_on_are_those_that_are_read(router):
    lines = [reply(1, ROWS, more=True), reply(1, [], more=True), reply(1, ROWS[:1])]
    assert passed_on(router(*lines)) == ROWS + ROWS[:1]


def test_a_list_without_rows_is_empty(router):
    assert passed_on(router(reply(1, []))) == []


def test_lines_that_are_written_otherwise_are_read(router):
    lines = [
        json.dumps({"ok": True, "id": 1, "more": True, "result": ROWS}).encode() + b"\n",
        json.dumps({"ok": True, "id": 1, "result": []}).encode() + b"\n",
    ]
    assert passed_on(router(*lines)) == ROWS


def test_what_the_router_will_not_do_is_raised(router):
    with pytest.raises(NotDone, match="too many"):
        passed_on(router(refusal(BadRequest(Code.BUSY, "too many", 1))))


def test_a_router_that_goes_in_the_middle_of_a_list_is_an_error(router):
    with pytest.raises(ResourceError, match="closed the connection"):
        passed_on(router(reply(1, ROWS, more=True), reply(1, ROWS)[:-5]))
