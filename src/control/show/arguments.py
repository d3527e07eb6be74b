"""The part of the command line that asks a running router: made of the rows of the table of
commands.

Imports nothing that takes time: --help of everything else passes through here.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, Final

from control.operation.arguments import Argument
from control.operation.table import COMMANDS, VIEWS, Command

SHELLS: Final = ("bash", "zsh")
FORMS: Final = ("brief", "detail")
_GROUPS: Final = {
    "session": "reset or delete a dial-out session",
    "target": "add, remove and freeze dial-out targets",
    "lac": "drain, undrain or shut down a LAC",
}
"""Commands of two words, by the first."""
_ELSEWHERE: Final = ("hello", "capture")
"""Programs ask the one, people have no use for it; the other writes files and has more options."""
_SHOWN: Final = """\
Asks the running router and prints its answer, as a table or, with --json, as the
JSON that its schema describes (`dialout show schema VIEW`)."""


def add_operation(commands: Any) -> None:
    """`dialout show`, `session`, `target`, `freeze`, `lac`, `reload`, `counters`, `explain`."""
    _add_show(commands)
    groups: dict[str, Any] = {}
    for row in COMMANDS.values():
        first, _, second = row.name.partition(" ")
        if first == "show" or row.name in _ELSEWHERE:
            continue
        if second and first not in groups:
            group = commands.add_parser(
                first, help=_GROUPS[first], description=_sentence(_GROUPS[first])
            )
            groups[first] = group.add_subparsers(dest="order", metavar="ORDER", required=True)
        inside = groups[first] if second else commands
        _add_request(
            inside.add_parser(second or first, help=row.help, description=_sentence(row.help)), row
        )
    _add_capture(commands)
    completion = commands.add_parser(
        "completion",
        help="print what makes a shell complete commands",
        description="Prints a script that makes a shell complete the commands of dialout.",
    )
    completion.add_argument("shell", choices=SHELLS, metavar="SHELL", help=" or ".join(SHELLS))
    completion.set_defaults(request="completion")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _add_capture(commands: Any) -> None:
    row = COMMANDS["capture"]
    capture = commands.add_parser(
        "capture",
        help="capture packets of a running router into pcapng files",
        description=f"Writes {row.help}.\nEach packet has its verdict as comment. Ends at Ctrl-C.",
    )
    capture.add_argument(
        "--write", metavar="FILE", default="-", help="pcapng file; default: standard output"
    )
    _add_request(capture, row, as_json=False)
    capture.add_argument(
        "--rotate-size", type=_positive, metavar="MB", help="another file after so many megabytes"
    )
    capture.add_argument(
        "--rotate-seconds", type=_positive, metavar="SECONDS", help="another file after this time"
    )
    capture.add_argument(
        "--files", type=_files, metavar="N", help="keep so many of them, the latest"
    )


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1e9:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a number above 0, up to 1e9")
    return value


def _files(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= 100000):
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number from 1 to 100000")
    return int(text)


def _add_show(commands: Any) -> None:
    show = commands.add_parser(
        "show", help="show what a running router has and does", description=_SHOWN
    )
    views = show.add_subparsers(dest="view", metavar="VIEW", required=True)
    for view in VIEWS:
        row = COMMANDS[f"show {view}"]
        parser = views.add_parser(view, help=row.help, description=f"Shows {row.help}.")
        parser.add_argument(
            "form",
            nargs="?",
            choices=FORMS,
            metavar="FORM",
            help="brief or detail; default: brief as text, detail as JSON",
        )
        _add_request(parser, row)
    schema = views.add_parser(
        "schema",
        help="the JSON schema of a view",
        description="Prints the JSON schema of a view, or of an order's answer. Asks no router.",
    )
    names = sorted({row.result for row in COMMANDS.values()})
    schema.add_argument("schema", choices=names, metavar="NAME", help=", ".join(names))
    schema.set_defaults(request="schema")


def _add_request(parser: argparse.ArgumentParser, row: Command, *, as_json: bool = True) -> None:
    for argument in row.arguments:
        if not argument.private:
            _add_argument(parser, argument)
    if row.name == "top":
        parser.add_argument("--once", action="store_true", help="print one picture as text")
    if as_json:
        parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    parser.add_argument(
        "--socket", metavar="PATH", help="control socket of the router; default: where it is"
    )
    parser.set_defaults(request=row.name)


def _add_argument(parser: argparse.ArgumentParser, argument: Argument) -> None:
    option = "--" + argument.name.replace("_", "-")
    if argument.flag:
        parser.add_argument(option, action="store_true", help=argument.help)
        return
    more: dict[str, Any] = {"type": _typed(argument), "metavar": _metavar(argument)}
    more["help"] = argument.help
    if argument.choices:
        more["choices"] = argument.choices
        more["help"] += ": " + ", ".join(argument.choices)
    if argument.positional:
        parser.add_argument(argument.name, **more)
    elif argument.default is not None:
        more["help"] += f"; default: {argument.default:g}"
        if argument.bare:
            more |= {"nargs": "?", "const": argument.default}
        parser.add_argument(option, **more)
    else:
        parser.add_argument(option, required=argument.required, **more)


_ADDRESSES: Final = ("prefix", "address", "destination", "target", "lac")


def _metavar(argument: Argument) -> str:
    if argument.convert is not str:
        return "N" if argument.convert is int else "SECONDS"
    if argument.choices:
        return argument.name.upper()
    if argument.name == "filter":
        return "EXPRESSION"
    return argument.name.upper() if argument.name in _ADDRESSES else "NAME"


def _typed(argument: Argument) -> Callable[[str], Any]:
    def typed(text: str) -> Any:
        try:
            return argument.parse(argument.convert(text))
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r}: must be {argument.allowed}") from None

    return typed
