"""Values that keys of a configuration file take: one function makes one kind of row.

Which key takes which is config_keys.py. A row judges one value and knows no other.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from control.errors import DialoutError

_DIALABLE: Final = re.compile(r"[0-9*#+,A-D]{1,64}", re.ASCII)
OUTCOMES: Final = (
    "answer",
    "busy",
    "no-carrier",
    "no-dial-tone",
    "no-answer",
    "reject",
    "silent",
)
"""What a call may meet at a simulated LAC."""
RADIUS_FAULTS: Final = (
    "answer",
    "drop",
    "reject",
    "slow",
    "wrong-secret",
    "unsigned",
    "malformed",
)
"""What may become of an answer of a simulated RADIUS server."""
_OUTCOME: Final = re.compile("|".join(OUTCOMES) + r"|reject:[1-9]\d?(/\d)?", re.ASCII)
_RD: Final = re.compile(r"([0-9]{1,10}|[0-9.]{7,15}):([0-9]{1,10})", re.ASCII)


class Refused(DialoutError):
    """A value is not allowed. The text, if any, says more than the row's `allowed`."""


@dataclass(frozen=True, slots=True)
class Check:
    """One row: the values that a key takes."""

    allowed: str
    """Completes the sentence `KEY = VALUE: must be ...`."""
    parse: Callable[[Any], object]
    """The value as config.py has it. Raises Refused."""


def integer(low: int, high: int) -> Check:
    def parse(value: object) -> int:
        if type(value) is not int or not low <= value <= high:
            raise Refused
        return value

    return Check(f"a whole number from {low} to {high}", parse)


def interval(low: int, high: int) -> Check:
    """Seconds between things that may also be left out."""

    def parse(value: object) -> int:
        if type(value) is not int or not (value == 0 or low <= value <= high):
            raise Refused
        return value

    return Check(f"0, or a whole number from {low} to {high}", parse)


def number(low: float, high: float) -> Check:
    def parse(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Refused
        if not low <= value <= high:  # false for NaN, too
            raise Refused
        return float(value)

    return Check(f"a number from {low:g} to {high:g}", parse)


def boolean() -> Check:
    def parse(value: object) -> bool:
        if not isinstance(value, bool):
            raise Refused
        return value

    return Check("true or false", parse)


def text(low: int, high: int) -> Check:
    def parse(value: object) -> str:
        if not isinstance(value, str) or not low <= len(value) <= high:
            raise Refused
        if not (value.isascii() and value.isprintable()):
            raise Refused
        return value

    return Check(f"a text of {low} to {high} printable ASCII characters", parse)


def one_of(*words: str) -> Check:
    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise Refused
        return value

    return Check("one of " + ", ".join(f'"{word}"' for word in words), parse)


def or_empty(check: Check) -> Check:
    def parse(value: object) -> object:
        return "" if value == "" else check.parse(value)

    return Check(f"{check.allowed}, or empty", parse)


def some_of(*words: str) -> Check:
    def parse(value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or any(item not in words for item in value):
            raise Refused
        if len(set(value)) != len(value):
            raise Refused
        return tuple(value)

    return Check("a list of " + " and ".join(f'"{word}"' for word in words) + ", each once", parse)


def words(*known: str) -> Check:
    def parse(value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or any(item not in known for item in value):
            raise Refused
        return tuple(value)

    return Check("a list of " + ", ".join(f'"{word}"' for word in known), parse)


def call_outcomes() -> Check:
    def parse(value: object) -> tuple[tuple[str, str], ...]:
        if not isinstance(value, list):
            raise Refused
        return tuple(_outcome_rule(item) for item in value)

    names = ", ".join(OUTCOMES)
    return Check(f'a list of [number, outcome], outcome of {names}, "reject:RESULT/ERROR"', parse)


def _outcome_rule(item: object) -> tuple[str, str]:
    if not isinstance(item, list) or len(item) != 2 or not all(isinstance(i, str) for i in item):
        raise Refused
    called, outcome = item
    if not _DIALABLE.fullmatch(called.removesuffix("*") or "0") or not _OUTCOME.fullmatch(outcome):
        raise Refused
    return called, outcome


def number_prefixes() -> Check:
    def parse(value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise Refused
        for item in value:
            if not isinstance(item, str) or not _DIALABLE.fullmatch(item):
                raise Refused
        return tuple(value)

    return Check("a list of number prefixes made of 0-9 * # + , A-D", parse)


def processors() -> Check:
    def parse(value: object) -> tuple[int, ...]:
        if not isinstance(value, list) or len(set(map(repr, value))) != len(value):
            raise Refused
        if not all(type(item) is int and 0 <= item <= 1023 for item in value):
            raise Refused
        return tuple(value)

    return Check("a list of different whole numbers from 0 to 1023", parse)


def called_number() -> Check:
    def parse(value: object) -> str:
        if not isinstance(value, str) or not _DIALABLE.fullmatch(value):
            raise Refused
        return value

    return Check('a number made of 0-9 * # + , A-D, or "*"', parse)


def route_distinguisher() -> Check:
    def parse(value: object) -> str:
        match = _RD.fullmatch(value) if isinstance(value, str) else None
        if value == "":
            return ""
        if match is None:
            raise Refused
        administrator, assigned = match.group(1), int(match.group(2))
        if "." in administrator:
            try:
                ipaddress.IPv4Address(administrator)
            except ValueError:
                raise Refused from None
            limit = 0xFFFF
        else:
            if int(administrator) > 0xFFFFFFFF:
                raise Refused
            limit = 0xFFFFFFFF if int(administrator) <= 0xFFFF else 0xFFFF
        if assigned > limit:
            raise Refused
        return str(value)

    return Check("a route distinguisher such as 0.0.0.0:65000 or 65000:1 (RFC 4364 4.2)", parse)


def interface_name() -> Check:
    """Of a network interface, as the kernel has it; empty: none."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or len(value) > 15 or value in (".", ".."):
            raise Refused
        if any(not 32 < ord(c) < 127 or c in "/:%" for c in value):
            raise Refused
        return value

    return Check("the name of a network interface, up to 15 characters, or empty", parse)


def tcp_listen() -> Check:
    def parse(value: object) -> str:
        if value == "":
            return ""
        if not isinstance(value, str) or not value.isprintable() or len(value) > 64:
            raise Refused
        try:
            tcp_address(value)
        except ValueError:
            raise Refused from None
        return value

    return Check("ADDRESS:PORT, an IPv6 address in brackets, or empty", parse)


def tcp_address(text: str) -> tuple[str, int]:
    """Where a server listens: a host's address or all of a family, IPv6 in brackets, and a port.
    Raises ValueError."""
    address, colon, port = text.rpartition(":")
    if address.startswith("[") and address.endswith("]"):
        host: ipaddress.IPv4Address | ipaddress.IPv6Address
        host = ipaddress.IPv6Address(address[1:-1])
    else:
        host = ipaddress.IPv4Address(address)
    decimal = colon and port.isascii() and port.isdecimal() and len(port) <= 5
    if not decimal or not 0 < int(port) <= 0xFFFF or host.is_multicast or "%" in address:
        raise ValueError(text)
    return str(host), int(port)


def serial_line() -> Check:
    def parse(value: object) -> str:
        if not isinstance(value, str) or not value.isprintable() or len(value) > 4096:
            raise Refused
        kind, _, rest = value.partition(":")
        if kind == "tcp":
            host, _, port = rest.rpartition(":")
            if not (port.isascii() and port.isdecimal() and 0 < int(port[:9]) < 65536):
                raise Refused
            try:
                ipaddress.ip_address(host.strip("[]"))
            except ValueError:
                raise Refused from None
        elif kind == "pty":
            try:
                words = shlex.split(rest)
            except ValueError as error:
                raise Refused(f"is no command: {error}") from None
            if not words:
                raise Refused
        elif value:
            raise Refused
        return value

    return Check('"pty:COMMAND", "tcp:ADDRESS:PORT" or empty', parse)


def user_pattern() -> Check:
    def parse(value: object) -> str:
        if not isinstance(value, str) or not 1 <= len(value) <= 253 or not value.isprintable():
            raise Refused
        if "*" in value[1:-1] or (len(value) > 1 and value[0] == value[-1] == "*"):
            raise Refused
        return value

    return Check("a User-Name of 1 to 253 characters, with * at one end at the most", parse)


def radius_reply() -> Check:
    def parse(value: object) -> tuple[tuple[str, str], ...]:
        from control.radius import codec  # pyrad is slow to import, and few files need it

        if not isinstance(value, dict):
            raise Refused
        rows: list[tuple[str, str]] = []
        for name, given in value.items():
            try:
                definition, _ = codec.find_attribute(name)
                for item in given if isinstance(given, list) else [given]:
                    if type(item) not in (str, int):
                        raise Refused(
                            f"attribute {name} must be a text, a number or a list of them"
                        )
                    if "{address}" not in str(item):
                        codec.encode_value(definition, item)
                    rows.append((name, str(item)))
            except (DialoutError, ValueError) as error:
                raise Refused(str(error)) from None
        return tuple(rows)

    return Check('a table of "Attribute" or "Attribute:tag" = value', parse)
