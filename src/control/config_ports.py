"""URLs of [[port]] tables: a row for each scheme says what may stand behind it, and on which side.

That an interface or a file is there, this does not look at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from control.config_values import Check, Refused, interface_name
from fastpath.ports.host_port import host_and_port

L2TP_PORT: Final = 1701
"""RFC 2661 8.1."""


def _udp(rest: str) -> str | None:
    return host_and_port(rest, L2TP_PORT)[0]


def _interface(rest: str) -> None:
    try:
        interface_name().parse(rest)
    except Refused:
        raise ValueError(rest) from None
    if not rest:
        raise ValueError("no name")


@dataclass(frozen=True, slots=True)
class Scheme:
    text: str
    """How such a URL looks, for messages."""
    sides: tuple[str, ...] = ("home", "tunnel")
    parse: Callable[[str], str | None] = lambda rest: None
    """Raises ValueError for what may not stand behind the colon. Tells the local address at which
    all tunnels of the port end, None if any may."""


SCHEMES: Final[dict[str, Scheme]] = {
    "pcap": Scheme('"pcap:[FILE]"'),
    "mem": Scheme('"mem:"'),
    "udp": Scheme('"udp:ADDRESS[:PORT]"', ("tunnel",), _udp),
    "packet": Scheme('"packet:INTERFACE"', parse=_interface),
    "xdp": Scheme('"xdp:INTERFACE"', parse=_interface),
    "tun": Scheme('"tun:NAME"', ("home",), _interface),
}


def scheme_of(url: str) -> tuple[Scheme, str]:
    """The row of a URL and what stands behind the colon. Raises ValueError."""
    name, colon, rest = url.partition(":")
    if not colon or name not in SCHEMES:
        raise ValueError(url)
    return SCHEMES[name], rest


def port_url() -> Check:
    def parse(value: object) -> Any:
        if not isinstance(value, str) or not value.isprintable() or len(value) > 4096:
            raise Refused
        try:
            scheme, rest = scheme_of(value)
            scheme.parse(rest)
        except ValueError:
            raise Refused from None
        return value

    return Check(f"one of {', '.join(row.text for row in SCHEMES.values())}", parse)
