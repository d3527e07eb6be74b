"""Checks of configuration values that are addresses, prefixes and interface identifiers.

As config_values.py: a row judges one value and knows no other.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from control.config_values import Check, Refused
from control.ipv4_prefix import is_canonical

_IDENTIFIER: Final = re.compile(r"[0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4}){3}", re.ASCII)
_PREFIX: Final = 43
"""Characters of the longest prefix."""


def address(*, empty: bool = False) -> Check:
    def parse(value: object) -> str:
        return "" if empty and value == "" else _host(value)

    return Check("the IPv4 address of a host" + (" or empty" if empty else ""), parse)


def address_ipv6() -> Check:
    def parse(value: object) -> str:
        if not isinstance(value, str):
            raise Refused
        return _host_ipv6(value) if value else ""

    return Check("the IPv6 address of a host or empty", parse)


def host() -> Check:
    def parse(value: object) -> str:
        if isinstance(value, str) and ":" in value:
            return _host_ipv6(value)
        return _host(value)

    return Check("the IPv4 or IPv6 address of a host", parse)


def addresses(most: int) -> Check:
    def parse(value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or len(value) > most:
            raise Refused
        return tuple(_host(item) for item in value)

    return Check(f"a list of up to {most} IPv4 addresses of hosts", parse)


def prefix() -> Check:
    def parse(value: object) -> str:
        if not isinstance(value, str) or "/" not in value or len(value) > _PREFIX or "%" in value:
            raise Refused
        if is_canonical(value):
            return value
        try:
            network = ipaddress.ip_network(value, strict=False)
        except ValueError:
            raise Refused from None
        if str(network.prefixlen) != value.partition("/")[2]:
            raise Refused
        if str(network) == value:
            return value
        if ipaddress.ip_address(value.partition("/")[0]) == network.network_address:
            raise Refused(f"must be written {network} (RFC 5952)")
        raise Refused(f"has bits behind its length set; meant is perhaps {network}")

    return Check(
        "an IPv4 or IPv6 prefix such as 10.10.0.0/16 or 2001:db8::/32, without bits behind its"
        " length",
        parse,
    )


def interface_identifier() -> Check:
    def parse(value: object) -> str:
        if not isinstance(value, str) or not (value == "" or _IDENTIFIER.fullmatch(value)):
            raise Refused
        if value and not any(int(group, 16) for group in value.split(":")):
            raise Refused
        return value

    return Check("four groups of hexadecimal digits such as 0:0:0:1, not all zero, or empty", parse)


def prefixes() -> Check:
    one = prefix()

    def parse(value: object) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise Refused
        return tuple(str(one.parse(item)) for item in value)

    return Check(f"a list of which each is {one.allowed}", parse)


def pool_addresses() -> Check:
    def parse(value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not value:
            raise Refused
        for item in value:
            if not isinstance(item, str):
                raise Refused
            _judge_range(item)
        return tuple(value)

    return Check(
        "a list of prefixes such as 10.5.0.0/24 or 2001:db8:5::/48, of at most 16,777,216 IPv4 "
        "addresses each, and ranges such as 10.5.1.10-10.5.1.99",
        parse,
    )


def _judge_range(text: str) -> None:
    first, dash, last = text.partition("-")
    try:
        if not dash:
            network = ipaddress.ip_network(text)
            if "/" not in text or (network.version == 4 and network.prefixlen < 8):
                raise Refused
            return
        if ipaddress.IPv4Address(first) > ipaddress.IPv4Address(last):
            raise Refused(f"{first} is behind {last}")
    except ValueError:
        raise Refused from None


def _host(value: object) -> str:
    if not isinstance(value, str):
        raise Refused
    try:
        parsed = ipaddress.IPv4Address(value)
    except ValueError:
        raise Refused from None
    if parsed.is_unspecified or parsed.is_multicast or parsed.is_reserved:
        raise Refused
    return value


def _host_ipv6(value: str) -> str:
    """In the form of RFC 5952, so that equal addresses are equal texts."""
    try:
        parsed = ipaddress.IPv6Address(value)
    except ValueError:
        raise Refused from None
    if parsed.is_unspecified or parsed.is_multicast or parsed.scope_id is not None:
        raise Refused
    return str(parsed)
