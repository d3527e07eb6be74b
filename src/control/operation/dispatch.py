"""From a line of the control socket to its answer: what is asked, may it be, is it sound, do it.

Sans-IO: the shell reads lines and sends answers. Every refusal is a BadRequest; only a defect of a
handler raises anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from control.errors import ConfigurationError, DialoutError
from control.operation import ask, change, explain, inspect, show
from control.operation.answer import Answer, Asked, Handler
from control.operation.arguments import Refused
from control.operation.protocol import BadRequest, Code, Request, decode
from control.operation.roles import Role
from control.operation.router import NotFound, Router
from control.operation.table import COMMANDS, Command

HANDLERS: Final[Mapping[str, Handler]] = {
    **show.HANDLERS,
    **change.HANDLERS,
    **ask.HANDLERS,
    **explain.HANDLERS,
    **inspect.HANDLERS,
}
"""What each command of the table does."""


def read(line: bytes, role: Role) -> tuple[Request, Command]:
    """A request that this role may make, its arguments checked. Raises BadRequest."""
    request = decode(line)
    command = COMMANDS.get(request.command)
    if command is None:
        what = f"there is no command {request.command[:64]!r}"
        raise BadRequest(Code.UNKNOWN_COMMAND, what, request.id)
    if role < command.role:
        needed = command.role.name.lower()
        what = f"{command.name} needs the role {needed}, yours is {role.name.lower()}"
        raise BadRequest(Code.FORBIDDEN, what, request.id)
    return request._replace(arguments=_arguments(request, command)), command


def answer(router: Router, request: Request, role: Role) -> Answer:
    """Carries out what `read` gave. Raises BadRequest."""
    asked = Asked(request.arguments, role)
    try:
        return HANDLERS[request.command](router, asked)
    except DialoutError as error:
        raise refusal(request, error) from None


def refusal(request: Request, error: DialoutError | OSError) -> BadRequest:
    """What an error of a handler says to the client."""
    if isinstance(error, BadRequest):
        return BadRequest(error.code, str(error), request.id)
    code = Code.REFUSED
    for kind, of_kind in _CODES.items():
        if isinstance(error, kind):
            code = of_kind
    return BadRequest(code, str(error), request.id)


_CODES: Final[Mapping[type, Code]] = {
    NotFound: Code.NOT_FOUND,
    ConfigurationError: Code.CONFIGURATION,
}


def _arguments(request: Request, command: Command) -> dict[str, Any]:
    told = request.arguments
    rows = {row.name: row for row in command.arguments}
    for name in told:
        if name not in rows:
            known = ", ".join(rows) or "none"
            what = f"{command.name} has no argument {name[:64]!r}; it has {known}"
            raise BadRequest(Code.BAD_ARGUMENT, what, request.id)
    found: dict[str, Any] = {}
    for name, row in rows.items():
        if name not in told or told[name] is None:
            if row.required:
                raise BadRequest(
                    Code.BAD_ARGUMENT, f"{command.name} needs {name}: {row.allowed}", request.id
                )
            found[name] = row.default
            continue
        try:
            found[name] = row.parse(told[name])
        except Refused:
            what = f"{name} = {str(told[name])[:64]!r}: must be {row.allowed}"
            raise BadRequest(Code.BAD_ARGUMENT, what, request.id) from None
    return found
