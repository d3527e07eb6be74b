"""The client of the control socket: one request, its answer part by part."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any, Final

from control import exit_codes
from control.errors import DialoutError, ResourceError
from control.operation.protocol import Code, encode

PATIENCE: Final = 30.0
"""Seconds without a word of the router after which it is given up."""
_ID: Final = 1
_BUFFER: Final = 1 << 18

EXIT_CODES: Final[Mapping[str, int]] = {
    Code.MALFORMED.value: exit_codes.USAGE,
    Code.UNKNOWN_COMMAND.value: exit_codes.USAGE,
    Code.BAD_ARGUMENT.value: exit_codes.USAGE,
    Code.FORBIDDEN.value: exit_codes.RESOURCE,
    Code.NOT_FOUND.value: exit_codes.FAILED,
    Code.REFUSED.value: exit_codes.FAILED,
    Code.CONFIGURATION.value: exit_codes.CONFIGURATION,
    Code.BUSY.value: exit_codes.RESOURCE,
    Code.INTERNAL.value: exit_codes.FAILED,
}
"""What becomes of a request that the router did not do."""


class NotDone(DialoutError):
    """What the router said instead of doing it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.exit_code = EXIT_CODES.get(code, exit_codes.FAILED)


def ask(
    path: str, command: str, arguments: Mapping[str, Any], *, patience: float = PATIENCE
) -> Iterator[Any]:
    """The parts of the answer. Raises ResourceError if there is no router, NotDone if it will
    not."""
    with _connected(path) as connection:
        connection.settimeout(patience)
        connection.sendall(encode(_ID, command, dict(arguments)))
        with connection.makefile("rb", _BUFFER) as lines:
            yield from _parts(path, lines)


def ask_rows(path: str, command: str, arguments: Mapping[str, Any]) -> Iterator[str]:
    """The rows of a list as JSON, each part as it came without its brackets: who only passes them
    on need not read them. Raises as `ask`."""
    with _connected(path) as connection:
        connection.settimeout(PATIENCE)
        connection.sendall(encode(_ID, command, dict(arguments)))
        with connection.makefile("rb", _BUFFER) as lines:
            more = True
            while more:
                line = _line(path, lines)
                more = line.startswith(_MORE)
                if not more and not line.startswith(_LAST):
                    # A refusal, or another way to write the same.
                    told = _read(line)
                    more = told.get("more", False)
                    yield json.dumps(told["result"])[1:-1]
                else:
                    yield line[len(_MORE if more else _LAST) : -len(_END)].decode()


_LAST: Final = f'{{"id":{_ID},"ok":true,"result":['.encode()
_MORE: Final = f'{{"id":{_ID},"ok":true,"more":true,"result":['.encode()
_END: Final = b"]}\n"
"""How a router writes the lines of a list."""


def _line(path: str, lines: Any) -> bytes:
    try:
        line: bytes = lines.readline()
    except TimeoutError:
        raise ResourceError(f"{path}: the router does not answer") from None
    except ConnectionError:
        line = b""
    if not line.endswith(b"\n"):
        raise ResourceError(f"{path}: the router closed the connection")
    return line


def _read(line: bytes) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(line)
    if not told["ok"]:
        raise NotDone(told["error"]["code"], told["error"]["message"])
    return told


def _parts(path: str, lines: Any) -> Iterator[Any]:
    more = True
    while more:
        told = _read(_line(path, lines))
        more = told.get("more", False)
        yield told["result"]


def _connected(path: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.connect(path)
    except OSError as error:
        made.close()
        why = {
            FileNotFoundError: "there is no such socket",
            ConnectionRefusedError: "nobody answers there",
            PermissionError: "you may not ask there",
        }.get(type(error), error.strerror or str(error))
        raise ResourceError(f"no router at {path}: {why}") from None
    return made
