"""Manual pages and completion scripts, made from the command line and the configuration's tree.

`docs/generate.py` writes them to contrib/; a test fails while a committed one is another.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from control.arguments import parser
from control.show.completion import script
from control.show.tree import Node, walk

CONTRIB = Path(__file__).parents[1] / "contrib"

EXIT_CODES = (
    ("0", "Done."),
    ("1", "It failed, a damaged input too; a running router refused it."),
    ("2", "The command line is wrong."),
    ("3", "The configuration is wrong, or needs a restart."),
    ("4", "A peer or authentication failed."),
    (
        "5",
        "A resource or a permission is missing: an address or a socket is in use, no router "
        "answers, or the role does not allow it.",
    ),
    ("130", "Interrupted."),
)
"""Of control/exit_codes.py."""


def escaped(text: str) -> str:
    """Text as roff reads it: no line is a request, a hyphen is one that can be typed."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in text.split("\n"))


def paragraphs(text: str) -> Iterator[str]:
    """Indented lines stay as they are; others flow."""
    for block in text.split("\n\n"):
        if re.search(r"^  ", block, re.MULTILINE):
            yield f".PP\n.nf\n{escaped(textwrap.dedent(block))}\n.fi"
        else:
            yield f".PP\n{escaped(' '.join(block.split()))}"


def page(name: str, section: int, about: str, body: Iterable[str]) -> str:
    head = f'.TH {escaped(name.upper())} {section} "" dialout "dialout manual"'
    title = f".SH NAME\n{escaped(name)} \\- {escaped(about)}"
    mark = '.\\" Written by docs/generate.py from the program itself.'
    return "\n".join([mark, head, title, *body]) + "\n"


def help_of(action: argparse.Action) -> str:
    text = (action.help or "") % {"default": action.default, "prog": "dialout"}
    return text[:1].upper() + text[1:] + "."


def entry(action: argparse.Action) -> str:
    """An option or a place, with what it means."""
    value = action.metavar or action.dest.upper()
    shown = f"\\fI{escaped(str(value))}\\fR"
    if not action.option_strings:
        title = shown
    else:
        title = ", ".join(f"\\fB{escaped(name)}\\fR" for name in action.option_strings)
        if action.nargs == "?":
            title += f" [{shown}]"
        elif action.nargs != 0:
            title += f" {shown}"
    return f".TP\n{title}\n{escaped(help_of(action))}"


def synopsis(node: Node) -> str:
    words = [f"\\fB{escaped(' '.join(node.path))}\\fR"]
    for action in (*node.options, *node.positionals):
        told = action.option_strings[-1] if action.option_strings else ""
        value = f"\\fI{escaped(str(action.metavar or action.dest.upper()))}\\fR"
        if told in ("--help",):
            continue
        one = f"\\fB{escaped(told)}\\fR" if told else value
        if told and action.nargs == "?":
            one += f" [{value}]"
        elif told and action.nargs != 0:
            one += f" {value}"
        needed = action.required and action.nargs not in ("?", "*")
        words.append(one if needed else f"[{one}]")
    if node.children:
        words.append("\\fICOMMAND\\fR ...")
    return " ".join(words)


def described(node: Node, heading: str) -> Iterator[str]:
    """One command: how it is typed, what it does, its options."""
    yield heading
    yield f".PP\n{synopsis(node)}"
    yield from paragraphs(node.parser.description or "")
    actions = [*node.positionals, *node.options]
    yield from (entry(action) for action in actions if "--help" not in action.option_strings)


def command_page(nodes: list[Node], about: str) -> str:
    """A command and all below it; `about`: what it does, in half a line."""
    first, *below = nodes
    body = [".SH SYNOPSIS", synopsis(first), ".SH DESCRIPTION"]
    body += list(paragraphs(first.parser.description or ""))
    options = [a for a in (*first.positionals, *first.options) if "--help" not in a.option_strings]
    if options:
        body += [".SH OPTIONS", *map(entry, options)]
    if below:
        body.append(".SH COMMANDS")
        for node in below:
            body += described(node, f".SS {escaped(' '.join(node.path[1:]))}")
    body += [".SH EXIT STATUS", *(f".TP\n{code}\n{escaped(text)}" for code, text in EXIT_CODES)]
    body.append(".SH SEE ALSO\n.BR dialout (1),\n.BR dialout.toml (5)")
    return page("-".join(first.path), 1, about, body)


def top_page(nodes: list[Node]) -> str:
    first = nodes[0]
    body = [".SH SYNOPSIS", synopsis(first), ".SH DESCRIPTION"]
    body += list(paragraphs(first.parser.description or ""))
    body.append(".SH COMMANDS")
    for name, text in first.children.items():
        body.append(f".TP\n.BR dialout\\-{escaped(name)} (1)\n{escaped(text)}")
    body += [".SH EXIT STATUS", *(f".TP\n{code}\n{escaped(text)}" for code, text in EXIT_CODES)]
    body.append(
        ".SH FILES\n.TP\n\\fI/run/dialout/control.sock\\fR\nThe control socket of a running router."
    )
    body.append(".SH SEE ALSO\n.BR dialout.toml (5)")
    return page("dialout", 1, "L2TP dial-out LNS", body)


def configuration_page(
    sections: Iterable[tuple[str, Any]], rows: Any, texts: dict[str, dict[str, str]]
) -> str:
    """`sections`, `rows` and `texts` as docs/generate.py makes them for docs/configuration.md."""
    body = [".SH DESCRIPTION"]
    body += paragraphs(
        "The configuration of dialout(1) is one TOML file. `dialout check` reads it and tells "
        "everything that is wrong with it at once. An unknown key is an error; a key without a "
        "default is required."
    )
    body.append(".SH SECTIONS")
    for name, section in sections:
        title = f"[[{name}]]" if section.array else f"[{name}]"
        body.append(f".SS {escaped(title)}")
        body += paragraphs(texts[section.make.__name__][""])
        for key, allowed, default, text in rows(section):
            shown = " or ".join(f"\\fB{escaped(one)}\\fR" for one in key.strip("`").split("` or `"))
            value = escaped(f"Value: {allowed}. Default: {default}.".replace("`", ""))
            body.append(f".TP\n{shown}\n{escaped(text)}\n{value}")
    body.append(".SH SEE ALSO\n.BR dialout (1),\n.BR dialout\\-check (1)")
    return page("dialout.toml", 5, "configuration of the L2TP dial-out LNS", body)


def files() -> dict[Path, str]:
    """All but the configuration's page, by path."""
    nodes = list(walk(parser()))
    found = {
        CONTRIB / "completion/dialout.bash": script("bash"),
        CONTRIB / "completion/_dialout": script("zsh"),
        CONTRIB / "man/dialout.1": top_page(nodes),
    }
    for name, about in nodes[0].children.items():
        below = [node for node in nodes if node.path[1:2] == (name,)]
        found[CONTRIB / f"man/dialout-{name}.1"] = command_page(below, about)
    return found
