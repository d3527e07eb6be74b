"""The IPv6 attributes of the second Access-Accept (RFC 3162, 4818, 6911): what is usable of them.

Values are texts in the form of RFC 5952. What is done with them is their user's business.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Final

from control.errors import RemoteProtocolError
from control.radius.codec import Value
from control.radius.events import FramedRoute

_METRIC: Final = range(2**31)

Values = Mapping[str, list[Value]]
"""Of all attributes with the same name, in order."""


def prefixes(values: Values, name: str, ignored: list[str]) -> tuple[str, ...]:
    """Framed-IPv6-Prefix (RFC 3162 2.3) or Delegated-IPv6-Prefix (RFC 4818 3), each once."""
    found: list[str] = []
    for value in values.get(name, ()):
        try:
            network = ipaddress.IPv6Network(str(value))
        except ValueError:
            ignored.append(f"{name} has bits behind its length")
            continue
        problem = _unroutable(network)
        if problem:
            ignored.append(f"{name} {network} {problem}")
        else:
            found.append(str(network))
    return tuple(dict.fromkeys(found))


def addresses(values: Values, name: str, ignored: list[str]) -> tuple[str, ...]:
    """Framed-IPv6-Address (RFC 6911 3.1) or DNS-Server-IPv6-Address (3.2), each once."""
    found: list[str] = []
    for value in values.get(name, ()):
        address = ipaddress.IPv6Address(str(value))
        problem = _unroutable(ipaddress.IPv6Network(address))
        if problem:
            ignored.append(f"{name} {address} {problem}")
        else:
            found.append(str(address))
    return tuple(dict.fromkeys(found))


def interface_id(values: Values, ignored: list[str]) -> str:
    """Framed-Interface-Id (RFC 3162 2.2) as four groups of hexadecimal digits."""
    text = str(values.get("Framed-Interface-Id", [""])[0])
    if text and not any(int(group, 16) for group in text.split(":")):
        ignored.append("Framed-Interface-Id is zero")
        return ""
    return text


def routes(values: Values, ignored: list[str]) -> tuple[FramedRoute, ...]:
    """All Framed-IPv6-Routes that can be read, each once."""
    found: list[FramedRoute] = []
    for text in values.get("Framed-IPv6-Route", ()):
        try:
            found.append(parse_route(str(text)))
        except RemoteProtocolError as error:
            ignored.append(f"Framed-IPv6-Route {str(text)[:64]!r}: {error}")
    return tuple(dict.fromkeys(found))


def parse_route(text: str) -> FramedRoute:
    """One Framed-IPv6-Route, `prefix/length [gateway [metric ...]]` (RFC 3162 2.5).

    The gateway is checked and not used: a PPP link has one other end. The first metric counts, 1 if
    there is none. Raises RemoteProtocolError.
    """
    prefix, *rest = text.split() or [""]
    try:
        network = ipaddress.IPv6Network(prefix)
    except ValueError:
        network = None
    if network is None or "/" not in prefix or "%" in prefix:
        raise RemoteProtocolError("the prefix is not an IPv6 prefix without host bits")
    problem = _unroutable(network)
    if problem:
        raise RemoteProtocolError(f"the prefix {problem}")
    if rest:
        try:
            ipaddress.IPv6Address(rest[0])
        except ValueError:
            raise RemoteProtocolError("the gateway is not an IPv6 address") from None
    return FramedRoute(str(network), _metric(rest[1:]))


def _metric(texts: list[str]) -> int:
    for text in texts:
        if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) in _METRIC):
            raise RemoteProtocolError("a metric is not a number from 0 to 2147483647")
    return int(texts[0]) if texts else 1


def _unroutable(network: ipaddress.IPv6Network) -> str:
    """Why no packet for these addresses may be sent to a site; empty if one may."""
    if network.is_multicast:
        return "is multicast"
    if network.is_link_local:
        return "is of one link only"
    if network.prefixlen and (network.is_loopback or network.is_unspecified):
        return "is not the address of a host"
    return ""
