"""Where a socket is, as text: ADDRESS[:PORT], an IPv6 address in brackets if a port follows."""

from __future__ import annotations

import ipaddress


def host_and_port(text: str, default: int) -> tuple[str, int]:
    """The address, which is of one host, and the port, `default` if none is given.

    Raises ValueError for anything else.
    """
    address, port = text, str(default)
    if text.startswith("["):
        address, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(text)
        port = rest[1:] if rest else port
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    host = ipaddress.ip_address(address)
    if host.is_unspecified or host.is_multicast or "%" in address:
        raise ValueError(text)
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) <= 0xFFFF):
        raise ValueError(text)
    return str(host), int(port)
