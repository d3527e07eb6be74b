"""`dialout show` and every other command that asks a running router: request, answer, print."""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Iterator
from typing import Any

from control.console import say
from control.exit_codes import OK
from control.operation.table import COMMANDS, Command
from control.operation.where import to_ask
from control.show import views
from control.show.client import PATIENCE, NotDone, ask, ask_rows


def run(arguments: argparse.Namespace) -> int:
    """Returns the exit code. Raises ResourceError if there is no router to ask."""
    if arguments.request == "completion":
        from control.show.completion import script

        print(script(arguments.shell), end="")
        return OK
    if arguments.request == "schema":
        from control.operation.schema import schema

        print(json.dumps(schema(arguments.schema), indent=2))
        return OK
    try:
        return _ask(arguments)
    except NotDone as error:
        say(f"dialout: {error}")
        return error.exit_code


def _ask(arguments: argparse.Namespace) -> int:
    command = COMMANDS[arguments.request]
    told = {
        row.name: value
        for row in command.arguments
        if (value := getattr(arguments, row.name, None)) not in (None, False)
    }
    path = to_ask() if arguments.socket is None else arguments.socket
    if command.name == "top":
        return _top(path, told, arguments)
    if command.name == "capture":
        return _save(path, arguments, told)
    if command.repeats:
        if "watch" in told:
            return _watch(path, command, told, arguments.json)
        command = COMMANDS[f"show {command.name}"]
    detail = getattr(arguments, "form", None) == "detail"
    if arguments.json:
        detail = getattr(arguments, "form", None) != "brief"
    if detail and any(row.name == "detail" for row in command.arguments):
        told["detail"] = True
    # A long list is many objects, and none of them goes before the end.
    gc.disable()
    try:
        return _tell(path, command, told, detail=detail, as_json=arguments.json)
    finally:
        gc.enable()


def _tell(path: str, command: Command, told: dict[str, Any], *, detail: bool, as_json: bool) -> int:
    patience = PATIENCE + float(told.get("patience", 0.0))
    if command.rows and as_json:
        return _stream(ask_rows(path, command.name, told))
    parts = ask(path, command.name, told, patience=patience)
    result = [row for part in parts for row in part] if command.rows else next(parts)
    if as_json:
        print(json.dumps(result, indent=1))
    else:
        print("\n".join(views.lines(command.name, result, detail=detail)))
    return OK


def _top(path: str, told: dict[str, Any], arguments: argparse.Namespace) -> int:
    from control.top import command as top

    told.setdefault("watch", top.INTERVAL)
    if arguments.json and not arguments.once:
        return _watch(path, COMMANDS["top"], told, True)

    def looks() -> Iterator[Any]:
        parts = ask(path, "top", told, patience=told["watch"] + PATIENCE)
        return (part for part in parts if part is not None)

    if arguments.json:
        print(json.dumps(next(looks()), indent=1))
        return OK
    return top.once(looks, print) if arguments.once else top.live(looks)


def _save(path: str, arguments: argparse.Namespace, told: dict[str, Any]) -> int:
    from control.show.capture import MEGABYTE, Rotation, save

    rotation = Rotation(
        int((arguments.rotate_size or 0) * MEGABYTE),
        arguments.rotate_seconds or 0.0,
        arguments.files or 0,
    )
    return save(path, told, arguments.write, rotation)


def _stream(parts: Iterator[str]) -> int:
    """A list as JSON, a line for each part, as it comes."""
    before = "["
    for part in parts:
        if part:
            sys.stdout.write(before + part)
            before = ",\n"
    sys.stdout.write("]\n" if before != "[" else "[]\n")
    return OK


def _watch(path: str, command: Command, told: dict[str, Any], as_json: bool) -> int:
    """Until Ctrl-C, or until the router ends."""
    before: dict[str, Any] | None = None
    for result in ask(path, command.name, told, patience=told["watch"] + PATIENCE):
        if result is None:
            break
        if as_json:
            print(json.dumps(result), flush=True)
        elif before is None:
            print("\n".join(views.lines(command.name, result, detail=False)), flush=True)
        else:
            print("\n" + "\n".join(views.rates(before, result)), flush=True)
        before = result
    return OK
