"""What an argument of a request may be: one function makes one kind of row.

The same row judges what comes over the control socket and what is typed at the command line.
Imports nothing that takes time: the command line is made of these rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

LONGEST: Final = 255
"""Characters of a text."""


class Refused(ValueError):
    """A value is not allowed."""


class Argument(NamedTuple):
    """One row: what may be told with a request."""

    name: str
    """As JSON has it; at the command line with hyphens."""
    allowed: str
    """Completes the sentence `NAME must be ...`."""
    parse: Callable[[Any], Any]
    """Raises Refused."""
    help: str
    default: Any = None
    """What handlers get if it is not told."""
    required: bool = False
    positional: bool = False
    """At the command line its place says what it is, not a name."""
    choices: tuple[str, ...] = ()
    flag: bool = False
    convert: Callable[[str], Any] = str
    """What is typed to what JSON has. Raises ValueError."""
    bare: bool = False
    """At the command line its name alone means the default."""
    private: bool = False
    """Clients decide it; the command line has no such option."""


def text(name: str, help: str, **more: Any) -> Argument:
    """A name of the configuration."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST or not value.isprintable():
            raise Refused
        return value

    allowed = f"a text of 1 to {LONGEST} printable characters"
    return Argument(name, allowed, parse, help, **more)


def expression(name: str, help: str, **more: Any) -> Argument:
    """A filter expression of tcpdump(8)."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= 4096 or not value.isprintable():
            raise Refused
        return value

    return Argument(name, "a text of 1 to 4096 printable characters", parse, help, **more)


def address(name: str, help: str, **more: Any) -> Argument:
    """An IPv4 or IPv6 address, in canonical form."""

    def parse(value: object) -> str:
        import ipaddress

        if not isinstance(value, str):
            raise Refused
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            raise Refused from None

    return Argument(name, "an IPv4 or IPv6 address", parse, help, **more)


def prefix(name: str, help: str, **more: Any) -> Argument:
    """A prefix, or an address as the prefix of it alone; canonical."""

    def parse(value: object) -> str:
        import ipaddress

        if not isinstance(value, str):
            raise Refused
        try:
            return str(ipaddress.ip_network(value, strict=False))
        except ValueError:
            raise Refused from None

    return Argument(name, "an IPv4 or IPv6 prefix or address", parse, help, **more)


def choice(name: str, help: str, choices: tuple[str, ...], **more: Any) -> Argument:
    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise Refused
        return value

    return Argument(name, "one of " + ", ".join(choices), parse, help, choices=choices, **more)


def flag(name: str, help: str, **more: Any) -> Argument:
    def parse(value: object) -> bool:
        if not isinstance(value, bool):
            raise Refused
        return value

    return Argument(name, "true or false", parse, help, default=False, flag=True, **more)


def integer(name: str, help: str, low: int, high: int, **more: Any) -> Argument:
    def parse(value: object) -> int:
        if type(value) is not int or not low <= value <= high:
            raise Refused
        return value

    return Argument(name, f"a whole number from {low} to {high}", parse, help, convert=int, **more)


def seconds(name: str, help: str, low: float, high: float, **more: Any) -> Argument:
    def parse(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Refused
        if not low <= value <= high:  # false for NaN, too
            raise Refused
        return float(value)

    return Argument(name, f"seconds from {low:g} to {high:g}", parse, help, convert=float, **more)
