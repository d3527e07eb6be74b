"""Values of [control]: where the control socket is, and who may ask at it."""

from __future__ import annotations

import re
from typing import Final

from control.config_values import Check, Refused

LONGEST_PATH: Final = 100
"""Octets: the kernel has room for 107 in an address (unix(7)), the lock's name is longer by 5."""
NO_SOCKET: Final = "none"
_MOST: Final = 64
_NAME: Final = re.compile(r"%?[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}\$?", re.ASCII)


def socket_path() -> Check:
    def parse(value: object) -> str:
        if not isinstance(value, str) or not value.isprintable():
            raise Refused
        known = value in ("", NO_SOCKET)
        if not known and (not value.startswith("/") or len(value.encode()) > LONGEST_PATH):
            raise Refused
        return value

    allowed = f'an absolute path of up to {LONGEST_PATH} octets, "{NO_SOCKET}", or empty'
    return Check(allowed, parse)


def people() -> Check:
    """Names of users, and of groups behind a percent sign."""

    def parse(value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or len(value) > _MOST:
            raise Refused
        for name in value:
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise Refused
        return tuple(dict.fromkeys(value))

    return Check(f'a list of up to {_MOST} names of users and "%group"s', parse)
