"""The command line as a tree: for shells that complete it and for its manual pages."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple


class Node(NamedTuple):
    """One command, or a word before others."""

    path: tuple[str, ...]
    """`dialout show sessions`."""
    parser: argparse.ArgumentParser
    children: dict[str, str]
    """The words that may follow, with their help."""
    options: list[argparse.Action]
    positionals: list[argparse.Action]


def walk(parser: argparse.ArgumentParser, path: tuple[str, ...] = ("dialout",)) -> Iterator[Node]:
    """The parser and all below it, in the order in which they were added."""
    below: dict[str, argparse.ArgumentParser] = {}
    children: dict[str, str] = {}
    options, positionals = [], []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            below = dict(action.choices)
            children = {choice.dest: choice.help or "" for choice in action._get_subactions()}
        elif action.option_strings:
            options.append(action)
        else:
            positionals.append(action)
    yield Node(path, parser, children, options, positionals)
    for name, child in below.items():
        yield from walk(child, (*path, name))


def takes_a_value(action: argparse.Action) -> bool:
    return action.nargs != 0


def takes_a_file(action: argparse.Action) -> bool:
    shown = str(action.metavar or "")
    ends = (".pcap", ".pcapng", ".json", ".svg")
    return shown in ("FILE", "DIR", "PATH", "PCAP", "RUNNING") or shown.endswith(ends)
