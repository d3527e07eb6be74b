"""The language of the control socket: JSON, one request or reply a line.

A request is `{"id": 1, "command": "show targets", "arguments": {"state": "down"}}`; `id` comes back
in every line of the reply, `{"id": 1, "ok": true, "result": ...}` or `{"id": 1, "ok": false,
"error": {"code": "forbidden", "message": "..."}}`. A line with `"more": true` is followed by others
of the same reply; lists come in parts, whose rows together are the list.

Whatever the octets are, reading them gives requests or a BadRequest, and no more than one line is
kept (threat T24). Arguments are flat: there is no depth to get lost in.
"""

from __future__ import annotations

import json
from enum import Enum
from typing import Any, Final, NamedTuple

from control.errors import DialoutError

LONGEST_LINE: Final = 16384
"""Octets of a request."""
_LONGEST_ID: Final = 64
_KEYS: Final = frozenset(("id", "command", "arguments"))

Id = int | str | None


class Code(Enum):
    """Why a request was not done."""

    MALFORMED = "malformed"
    """It is no request."""
    UNKNOWN_COMMAND = "unknown-command"
    BAD_ARGUMENT = "bad-argument"
    FORBIDDEN = "forbidden"
    """The role does not allow it."""
    NOT_FOUND = "not-found"
    """What it names is not there."""
    REFUSED = "refused"
    """It cannot be done as things are."""
    CONFIGURATION = "configuration"
    """The configuration file is wrong, or needs a restart."""
    BUSY = "busy"
    """Too many clients."""
    INTERNAL = "internal"
    """A defect of the router."""


class BadRequest(DialoutError):
    """To be told to the client."""

    def __init__(self, code: Code, message: str, id: Id = None) -> None:
        super().__init__(message)
        self.code = code
        self.id = id


class Request(NamedTuple):
    id: Id
    command: str
    arguments: dict[str, Any]


class Lines:
    """Cuts a stream into lines."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._rest = bytearray()

    def __len__(self) -> int:
        """Octets of a line that is not whole yet."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are whole now, without their ends. Raises BadRequest for one that is too
        long: the stream is of no use any more."""
        self._rest += data
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        if len(rest) > self._longest or any(len(line) > self._longest for line in lines):
            self._rest = bytearray()
            raise BadRequest(Code.MALFORMED, f"a line is longer than {self._longest} octets")
        return [bytes(line) for line in lines]


def decode(line: bytes) -> Request:
    """A request. Raises BadRequest."""
    try:
        told = json.loads(line, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        # Of a line that nests deep json itself gives up, in time.
        why = error.args[0] if isinstance(error, _Wrong) else "is no JSON"
        raise BadRequest(Code.MALFORMED, f"the line {why}") from None
    if not isinstance(told, dict):
        raise BadRequest(Code.MALFORMED, "the line is no object")
    id = told.get("id")
    if isinstance(id, bool) or not isinstance(id, int | str | None) or len(str(id)) > _LONGEST_ID:
        raise BadRequest(Code.MALFORMED, f"id must be a number or a text up to {_LONGEST_ID} long")
    if unknown := set(told) - _KEYS:
        raise BadRequest(Code.MALFORMED, f"there is no key {min(unknown)[:32]!r}", id)
    command, arguments = told.get("command"), told.get("arguments", {})
    if not isinstance(command, str):
        raise BadRequest(Code.MALFORMED, "command must be a text", id)
    if not isinstance(arguments, dict):
        raise BadRequest(Code.MALFORMED, "arguments must be an object", id)
    return Request(id, command, arguments)


def encode(id: Id, command: str, arguments: dict[str, Any]) -> bytes:
    """A request as a line."""
    return _line({"id": id, "command": command, "arguments": arguments})


def reply(id: Id, result: Any, *, more: bool = False) -> bytes:
    """A line of a reply; `more` follow."""
    return _line({"id": id, "ok": True, **({"more": True} if more else {}), "result": result})


def refusal(error: BadRequest) -> bytes:
    """The reply to a request that was not done."""
    told = {"code": error.code.value, "message": str(error)}
    return _line({"id": error.id, "ok": False, "error": told})


def _line(told: dict[str, Any]) -> bytes:
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


class _Wrong(ValueError):
    """What json takes and we do not."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Wrong("has a key twice")
    return found


def _no_number(text: str) -> None:
    raise _Wrong(f"has {text}, which is no number")
