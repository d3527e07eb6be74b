"""The rules of a [[classifier]]: in the file itself, or in one beside it (specification 1.12).

What a rule may say is fastpath.rule_text; here lines are read and judged, not compiled.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from control.config_values import Check, Refused

_MAXIMUM_SIZE: Final = 64 * 1024 * 1024
_SYNTAX: Final = (
    "[priority N] permit|deny|interesting [counted] PROTOCOL SOURCE [port P] DESTINATION [port P] "
    "[flags LIST | icmp TYPE[/CODE]] [dscp N] [fragment | whole]"
)


def rules() -> Check:
    """Rules as a list of texts, each in our own syntax."""

    def parse(value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise Refused
        judge(value, "rule ")
        return tuple(value)

    return Check(f'a list of rules such as "permit tcp 10.0.0.0/8 any port 80": {_SYNTAX}', parse)


def rule_file() -> Check:
    def parse(value: object) -> str:
        if not isinstance(value, str) or len(value) > 255 or not value.isprintable():
            raise Refused
        return value

    return Check("the name of a file with rules in this file's directory, or empty", parse)


def judge(lines: Sequence[str], name: str) -> None:
    """Raises Refused with the place of the first line that is no rule and what is wrong with it."""
    from fastpath.rule_text import RuleError, read_rules  # few configurations have rules

    try:
        for _ in read_rules(lines, name):
            pass
    except RuleError as error:
        raise Refused(str(error)) from None


def read_rule_file(directory: Path, name: str) -> tuple[str, ...]:
    """The lines of a rule file, judged. Raises Refused."""
    resolved = Path(os.path.realpath(directory / name))
    if not resolved.is_relative_to(directory):
        raise Refused("must be inside the directory of the configuration file")
    try:
        if not resolved.is_file():
            raise Refused("is not a regular file")
        if resolved.stat().st_size > _MAXIMUM_SIZE:
            raise Refused(f"is larger than {_MAXIMUM_SIZE} octets")
        lines = resolved.read_text("utf-8").splitlines()
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Refused("is not UTF-8") from None
    judge(lines, f"{name}:")
    return tuple(lines)
